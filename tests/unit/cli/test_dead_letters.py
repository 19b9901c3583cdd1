"""Dead letters: read, chosen, and decided on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.cli.dead_letters import showing
from services.cli.dead_letters.deciding import Again, Left, Surroundings, again
from services.cli.dead_letters.letter import Letter, Place, letter_of, own_headers
from services.cli.dead_letters.selecting import Filters, Index, by_code
from services.cli.errors import CommandError
from services.ingest.reading.cloudevents import read_cloudevents
from services.ingest.reading.model import Arrival, Envelope, Parsed, Rejection
from services.ingest.reading.parse import parse
from services.ingest.reading.segment import read_batch, read_call
from services.ingest.records import records_of
from services.ingest.webhooks.loading import load_webhooks
from services.ingest.webhooks.reading import read_webhook
from shared import dead_letters
from shared.activation import KEY, Activation, activation_event
from shared.cloudevents import Headers
from shared.events import Event, Kind, decode_event, encode_event
from shared.topics import Topics

TOPICS = Topics("t.")
AT = datetime(2026, 11, 1, 3, 0, 0, 123000, tzinfo=UTC)
NOW = round(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000)
PARTITIONS = {TOPICS.events: 3, TOPICS.scores: 3, TOPICS.feedback: 2, TOPICS.stages: 3}
MAPPINGS = {name: webhook.mapping for name, webhook in load_webhooks(None, {}).items()}
AROUND = Surroundings(TOPICS, PARTITIONS, {}, NOW, MAPPINGS)


@dataclass
class Written:
    """A record of the topic."""

    value: bytes | None = b"{}"
    headers: Headers = field(default_factory=list)
    key: bytes | None = None
    partition: int = 0
    offset: int = 5
    timestamp: int = 1_000


def refused(
    service: str, origin: str, reason: str = "no event: x", at: datetime = AT, more: Headers | None = None
) -> Any:
    return dead_letters.headers(reason=reason, service=service, origin=origin, at=at, received=more)


def decided(record: Written, around: Surroundings = AROUND) -> Again | Left:
    """Of what becomes one record."""
    fate = again(letter_of(record), record, around)
    if isinstance(fate, Left):
        return fate
    (one,) = fate
    return one


def why(record: Written, around: Surroundings = AROUND) -> str:
    fate = decided(record, around)
    assert isinstance(fate, Left)
    return fate.reason


def test_a_letter_is_what_the_headers_say() -> None:
    letter = letter_of(Written(b"12345", refused("scorer", "t.events/2/7", "no event: a: b")))
    assert letter == Letter(Place(0, 5), AT, "scorer", "no event: a: b", "t.events/2/7", 5)
    assert (letter.code, letter.source) == ("no event", None)
    assert letter_of(Written(headers=refused("ingest", "http:web:2"))).source == "web:2"


def test_headers_of_the_original_are_told_from_ours() -> None:
    own = [("tasuki_reason", b"theirs"), ("a", b"1"), ("a", b"2"), ("tasuki_retried", b"0/0")]
    record = Written(headers=refused("router", "t.feedback/0/1", "ours", more=own))
    assert letter_of(record).reason == "ours"
    assert own_headers(record) == own
    assert dead_letters.retried(record.headers) is None


@pytest.mark.parametrize("headers", [[], [("x", b"\xff")], [("tasuki_time", b"soon"), ("tasuki_reason", b"\xff")]])
def test_a_record_of_somebody_else_has_the_time_of_kafka_and_goes_nowhere(headers: Headers) -> None:
    record = Written(headers=headers)
    assert letter_of(record).at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert "nobody knows where it came from" in why(record)


@pytest.mark.parametrize("text", ["", "7", "0/", "/1", "0/1/2", "-1/3", "a/b", "0/٣" + "9" * 20, "0/1 "])
def test_a_place_is_two_numbers(text: str) -> None:
    with pytest.raises(CommandError, match="is no place"):
        Place.parse(text)
    assert str(Place.parse("0/12")) == "0/12"


def filled() -> Index:
    index = Index()
    for offset, (service, origin, reason) in enumerate(
        [
            ("ingest", "http:web", "invalid_time: x"),
            ("ingest", "http:crm", "invalid_id: x"),
            ("scorer", "t.events/0/1", "no event: x"),
            ("ingest", "http:web", "invalid_time: y"),
        ]
    ):
        at = AT + timedelta(hours=offset)
        index.add(Written(headers=refused(service, origin, reason, at), offset=offset))
    index.add(Written(b"", dead_letters.marker("0/1", AT), offset=4))
    index.add(Written(b"", [("tasuki_retried", b"junk")], offset=5))
    return index


@pytest.mark.parametrize(
    ("filters", "places"),
    [
        (Filters(), [0, 2, 3]),
        (Filters(service="ingest"), [0, 3]),
        (Filters(reason="invalid"), [0, 3]),
        (Filters(reason="invalid_time: y"), [3]),
        (Filters(source="web"), [0, 3]),
        (Filters(source="crm"), []),
        (Filters(since=AT + timedelta(hours=2)), [2, 3]),
        (Filters(limit=1), [3]),
        (Filters(service="ingest", limit=5), [0, 3]),
    ],
)
def test_those_are_chosen_that_were_not_sent_again(filters: Filters, places: list[int]) -> None:
    assert [one.place.offset for one in filled().matching(filters, with_retried=False)] == places


def test_all_are_chosen_where_it_is_asked_for_and_counted_by_reason() -> None:
    letters = filled().matching(Filters(), with_retried=True)
    assert [one.place.offset for one in letters] == [0, 1, 2, 3]
    assert by_code(letters) == [("invalid_time", 2), ("invalid_id", 1), ("no event", 1)]
    assert list(showing.counts(letters, {Place(0, 1)}))[-1] == "1 of them were sent again"


def test_places_are_taken_once_in_order_and_all_that_are_missing_are_named() -> None:
    index = filled()
    assert [one.place.offset for one in index.at([Place(0, 3), Place(0, 0), Place(0, 3)])] == [0, 3]
    with pytest.raises(CommandError, match="no dead letter at 0/4, 2/0"):  # a marker is none
        index.at([Place(2, 0), Place(0, 4), Place(0, 0)])


CALL = {"userId": "u", "event": "Demo", "timestamp": "2026-11-01T02:00:00Z", "traits": {"email": "a@b.example"}}
CLOUD = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "Demo", "subject": "u", "data": {"seats": 3}}


def batch(**more: Any) -> Envelope:
    return read_batch(json.dumps({"batch": [CALL | {"type": "track"}], **more}).encode())


def cloud(body: Any, headers: Mapping[str, str] | None = None) -> Envelope:
    return read_cloudevents(json.dumps(body).encode(), headers or {})


ATTRIBUTES = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/crm", "ce-type": "%E4%BE%A1", "ce-subject": "u"}
REQUESTS = [
    ("/v1/track", read_call(json.dumps(CALL | {"sentAt": "2026-11-01T02:59:00Z"}).encode(), Kind.TRACK)),
    ("/v1/i", read_call(json.dumps(CALL).encode(), Kind.IDENTIFY)),
    ("/v1/batch", batch()),
    ("/v1/b", batch(sentAt="2026-11-01T02:59:00Z")),
    ("/beacon/v1/batch", batch(context={"historical": True, "externalIds": [], "locale": "日本"})),
    ("/v1/events", cloud(CLOUD)),
    ("/v1/events", cloud([CLOUD])),
    ("/v1/events", cloud({"seats": 3}, ATTRIBUTES | {"content-type": "application/json", "host": "x"})),
]


@pytest.mark.parametrize(("path", "envelope"), REQUESTS)
def test_read_again_an_event_is_what_it_would_have_been(path: str, envelope: Envelope) -> None:
    """Had it been accepted in the first place: the same record, but for an id that nobody gave it."""
    arrival = Arrival("web", AT, path, lambda: "t.dead-letters/0/5", {"doNotTrack": True}, truncates_ip=True)
    wanted = parse(envelope, arrival)
    assert not wanted.rejected
    mistaken = Parsed([], [Rejection(0, "invalid_time", "a mistake", None, bytes(envelope.items[0]))], [])
    (letter,) = records_of(mistaken, envelope, arrival, TOPICS)
    found = decided(Written(letter.value, letter.headers))
    (event,) = wanted.accepted
    assert found == Again(TOPICS.events, None, event.key.encode(), wanted.values[0])


FORM = b"email=taro%40example.co.jp&name=%E5%A4%AA%E9%83%8E&event=Inquiry+Submitted"
OPENED = {"email": "taro@example.co.jp", "event": "open", "timestamp": 1795254569, "sg_event_id": "1"}
HOOKS = [
    ("form", FORM, "application/x-www-form-urlencoded"),
    ("sendgrid", json.dumps([OPENED]).encode(), "application/json"),
]


@pytest.mark.parametrize(("name", "body", "content_type"), HOOKS)
def test_what_a_webhook_told_is_read_by_its_mapping(name: str, body: bytes, content_type: str) -> None:
    envelope = read_webhook(body, content_type, MAPPINGS[name], name)
    arrival = Arrival("web", AT, f"/v1/webhooks/{name}", lambda: "never")
    wanted = parse(envelope, arrival)
    mistaken = Parsed([], [Rejection(0, "invalid_time", "a mistake", None, bytes(envelope.items[0]))], [])
    (letter,) = records_of(mistaken, envelope, arrival, TOPICS)
    record = Written(letter.value, letter.headers)
    found = again(letter_of(record), record, AROUND)
    assert isinstance(found, list)
    assert [one.value for one in found] == wanted.values
    assert len(found) == (2 if name == "form" else 1)
    assert "set TASUKI_WEBHOOKS" in why(record, replace(AROUND, mappings={}))


def test_the_same_id_comes_of_the_same_place() -> None:
    record = Written(json.dumps(CALL).encode(), refused("ingest", "http:web", more=[("http_path", b"/v1/track")]))
    first, second, other = decided(record), decided(record), decided(replace(record, offset=6))
    assert isinstance(first, Again)
    assert isinstance(other, Again)
    assert first == second
    assert decode_event(first.value or b"").id != decode_event(other.value or b"").id


@pytest.mark.parametrize(
    ("value", "more", "reason"),
    [
        (b'{"userId":"u"}', [("http_path", b"/v1/track")], "missing_event_name: "),
        (b"[]", [("http_path", b"/v1/track")], "unparsable_body: "),
        (b'[{"specversion":"1.0"}]', [("http_path", b"/v1/events")], "malformed_event: "),
        (b"{}", [("http_path", b"/v0/old")], "this version takes no events at /v0/old"),
        (b"{}", [], "it has no header http_path"),
        (b"{}", [("http_path", b"/v1/b"), ("http_context", b"{oops")], "JSON is malformed"),
        (None, [("http_path", b"/v1/b")], "malformed_event: "),
    ],
)
def test_what_ingest_still_refuses_is_left(value: bytes | None, more: Headers, reason: str) -> None:
    assert why(Written(value, refused("ingest", "http:web", more=more))).startswith(reason)


def stored() -> bytes:
    return encode_event(
        Event(kind=Kind.TRACK, id="m", source="web", key="lead-1", time=AT, received_at=AT, name="Demo")
    )


def test_what_a_reader_refused_goes_back_to_its_partition_as_it_was() -> None:
    record = Written(stored(), refused("scorer", "t.events/2/7", more=[("a", b"\xff"), ("a", b"")]), b"lead-1")
    assert decided(record) == Again("t.events", 2, b"lead-1", stored(), [("a", b"\xff"), ("a", b"")])


def test_what_its_topic_never_took_goes_to_where_its_key_belongs() -> None:
    record = Written(stored(), refused("ingest", "t.events/-1/-1"), b"lead-1")
    assert decided(record) == Again("t.events", None, b"lead-1", stored())


@pytest.mark.parametrize(
    ("origin", "key", "value", "reason"),
    [
        ("t.events/0/1", b"lead-2", stored(), "the record's key is not the event's key"),
        ("t.events/0/1", None, None, "a record without a value is no event"),
        ("t.events/-1/-1", b"lead-1", b"{oops", "no event: "),
        ("t.scores/0/1", b"lead-1", b"{}", "Object missing required field"),
        ("t.feedback/0/1", b"lead-1", b'{"type":"x"}', "Invalid value 'x'"),
        ("t.feedback/2/1", b"lead-1", b"{}", "t.feedback has 2 partitions, and it came from number 2"),
        ("t.stages/0/1", b"lead-1", b"{}", "nobody reads t.stages"),
        ("t.gone/0/1", b"lead-1", b"{}", "there is no topic t.gone any more"),
        ("t.events/x/1", b"lead-1", stored(), "nobody knows where it came from"),
        ("t.events/-2/1", b"lead-1", stored(), "nobody knows where it came from"),
        ("t.events", b"lead-1", stored(), "nobody knows where it came from"),
    ],
)
def test_what_a_reader_would_refuse_again_is_left(
    origin: str, key: bytes | None, value: bytes | None, reason: str
) -> None:
    assert why(Written(value, refused("scorer", origin), key)).startswith(reason)


def test_an_old_playbook_is_not_made_to_hold_again() -> None:
    activated = encode_event(activation_event(Activation("mine@1", 3), AT))
    assert "tasuki playbook activate" in why(Written(activated, refused("scorer", "t.events/0/1"), KEY.encode()))


def test_bytes_are_shown_as_what_they_are() -> None:
    assert list(showing.content('{"価格":1}'.encode())) == ["{", '  "価格": 1', "}"]
    assert list(showing.content("価格\n2".encode())) == ["価格", "2"]
    assert list(showing.content(b"\x00\xff" * 20)) == [("00 ff " * 16).strip(), ("00 ff " * 4).strip()]
    assert list(showing.content(b"[" * 100_000)) == ["[" * 100_000]
    assert list(showing.content(None)) == ["(no value)"]


def test_nothing_that_a_sender_wrote_reaches_the_terminal_as_a_command() -> None:
    evil = "\x1b]0;owned\x07\u202e"
    letter = letter_of(Written(headers=refused("ingest", "http:web", f"unknown_type: {evil}")))
    shown = [
        showing.line(letter, retried=True),
        *showing.counts([replace(letter, reason=evil)], set()),
        *showing.whole(Written(evil.encode(), [("x", evil.encode())], evil.encode())),
        showing.as_json(letter, retried=False),
    ]
    assert all(line.isprintable() for line in shown)
    assert json.loads(shown[-1])["reason"].endswith(evil)
