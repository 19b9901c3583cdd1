"""Segment's bodies in, events or reasons out."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.errors import Refused
from services.ingest.reading.model import Arrival, Parsed
from services.ingest.reading.parse import MAX_EVENT_BYTES, MAX_STORED_BYTES, parse
from services.ingest.reading.segment import read_batch, read_call
from services.ingest.records import records_of
from services.ingest.schemas import MAX_BATCH_EVENTS
from shared.events import Event, Kind, decode_event, encode_event
from shared.identity import known_identity
from shared.topics import Topics

RECEIVED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ARRIVAL = Arrival("website", RECEIVED, "/v1/batch", lambda: "assigned")


def parse_one(kind: Kind, body: dict[str, Any] | bytes) -> Parsed:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse(read_call(raw, kind), ARRIVAL)


def accepted(kind: Kind, body: dict[str, Any] | bytes) -> Event:
    parsed = parse_one(kind, body)
    assert parsed.rejected == []
    return parsed.accepted[0]


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (Kind.TRACK, {"event": "Signed Up", "userId": "u1"}, {"name": "Signed Up", "key": "u1", "user_id": "u1"}),
        (Kind.TRACK, {"event": "x", "userId": 42}, {"key": "42", "user_id": "42"}),
        (Kind.TRACK, {"event": "x", "userId": 42.0}, {"key": "42"}),
        (Kind.TRACK, {"event": "x", "userId": 10**30}, {"key": str(10**30)}),
        (Kind.TRACK, {"event": "x", "userId": "", "anonymousId": "a"}, {"key": "anon:a", "user_id": None}),
        (Kind.TRACK, {"event": "x", "userId": "Taro@Example.jp"}, {"key": known_identity("taro@example.jp")}),
        (Kind.TRACK, {"event": "x", "userId": "u", "properties": None, "traits": None, "context": None}, {"key": "u"}),
        (Kind.TRACK, {"event": "x", "userId": "u", "messageId": 7}, {"id": "7"}),
        (Kind.TRACK, {"event": "x", "userId": "u"}, {"id": "assigned", "time": RECEIVED, "received_at": RECEIVED}),
        (Kind.TRACK, {"event": "x", "userId": "u", "type": "identify"}, {"kind": Kind.TRACK}),
        (Kind.TRACK, {"event": "x", "userId": "u", "historical": True}, {"historical": True}),
        (Kind.TRACK, {"event": "x", "userId": "u", "context": {"historical": True}}, {"historical": True}),
        (Kind.TRACK, {"event": "x", "userId": "u", "context": {"historical": "yes"}}, {"historical": False}),
        (Kind.TRACK, {"event": "x", "userId": "u", "context": {"groupId": "acme"}}, {"group_id": "acme"}),
        (
            Kind.TRACK,
            {"event": "x", "userId": "u", "properties": {"価格": 10**25, "nul": "a\0b", "deep": {"a": [1.5, None]}}},
            {"properties": {"価格": 10**25, "nul": "a\0b", "deep": {"a": [1.5, None]}}},
        ),
        (
            Kind.IDENTIFY,
            {"userId": "u", "traits": {"title": "部長"}, "context": {"traits": {"title": "old", "plan": "pro"}}},
            {"traits": {"title": "部長", "plan": "pro"}, "context": {}},
        ),
        (
            Kind.PAGE,
            {
                "anonymousId": "a",
                "name": "Pricing",
                "category": "Docs",
                "properties": {"url": "https://mine"},
                "context": {"page": {"url": "https://other", "path": "/pricing", "search": "?q"}},
            },
            {
                "name": "Pricing",
                "properties": {"url": "https://mine", "path": "/pricing", "category": "Docs"},
                "context": {"page": {"url": "https://other", "path": "/pricing", "search": "?q"}},
            },
        ),
        (Kind.PAGE, {"anonymousId": "a", "properties": {"name": "Home"}}, {"name": "Home"}),
        (Kind.SCREEN, {"anonymousId": "a"}, {"name": ""}),
        (
            Kind.GROUP,
            {"userId": "u", "groupId": 9, "traits": {"industry": "製造"}, "context": {"traits": {"name": "Taro"}}},
            {"group_id": "9", "traits": {"industry": "製造"}, "context": {"traits": {"name": "Taro"}}},
        ),
        (Kind.ALIAS, {"userId": "u", "previousId": "old"}, {"previous_id": "old", "key": "u"}),
        (Kind.ALIAS, {"userId": "u", "anonymousId": "a"}, {"previous_id": "a", "key": "u"}),
        (
            Kind.TRACK,
            {"event": "x", "userId": "u", "context": {"userAgent": "bot", "active": True, "screen": {"width": 9}}},
            {"context": {"userAgent": "bot"}},
        ),
    ],
)
def test_what_is_accepted(kind: Kind, body: dict[str, Any], expected: dict[str, Any]) -> None:
    event = accepted(kind, body)
    assert {name: getattr(event, name) for name in expected} == expected
    assert event.source == "website"
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize(
    ("event", "code", "says"),
    [
        ({"type": "track", "event": "x"}, "missing_identity", "userId or anonymousId"),
        ({"type": "track", "event": "x", "userId": "  "}, "missing_identity", "userId or anonymousId"),
        ({"type": "track", "userId": "u"}, "missing_event_name", "`event`"),
        ({"type": "track", "event": " ", "userId": "u"}, "missing_event_name", "`event`"),
        ({"type": "track", "event": 5, "userId": "u"}, "malformed_event", "$.event"),
        ({"type": "track", "event": "x", "userId": True}, "malformed_event", "$.userId"),
        ({"type": "track", "event": "x", "userId": ["u"]}, "malformed_event", "$.userId"),
        ({"type": "track", "event": "x", "userId": "u", "properties": []}, "malformed_event", "$.properties"),
        ({"type": "track", "event": "x", "userId": "u", "context": "web"}, "malformed_event", "$.context"),
        ({"type": "track", "event": "x", "userId": "u", "timestamp": 1700000000}, "malformed_event", "$.timestamp"),
        ({"type": "track", "event": "x", "userId": "u", "timestamp": "yesterday"}, "invalid_time", "'yesterday'"),
        ({"type": "track", "event": "x", "userId": "u", "sentAt": "2026-13-01"}, "invalid_time", "sentAt"),
        (
            {"type": "track", "event": "x", "userId": "u", "timestamp": "0001-01-01", "sentAt": "9999-12-31"},
            "invalid_time",
            "too far apart",
        ),
        ({"type": "track", "event": "x", "userId": "u" * 257}, "invalid_id", "257 characters"),
        ({"type": "track", "event": "x", "userId": "a\0b"}, "invalid_id", "NUL"),
        ({"type": "group", "userId": "u"}, "missing_group_id", "groupId"),
        ({"type": "alias", "userId": "u"}, "missing_previous_id", "previousId"),
        ({"type": "alias", "anonymousId": "a"}, "missing_previous_id", "previousId"),
        ({"userId": "u"}, "unknown_type", "track, identify"),
        ({"type": "Track", "userId": "u"}, "unknown_type", "'Track'"),
        *(({"type": kind, "userId": "u"}, "unknown_type", f"'{kind}'") for kind in ("link", "member", "recycle")),
        ("not an object", "malformed_event", "Expected `object`"),
        (None, "malformed_event", "Expected `object`"),
    ],
)
def test_what_is_rejected_leaves_its_neighbours_alone(event: object, code: str, says: str) -> None:
    good = {"type": "track", "event": "x", "userId": "u"}
    parsed = parse(read_batch(json.dumps({"batch": [good, event, good]}).encode()), ARRIVAL)
    assert len(parsed.accepted) == 2
    (rejection,) = parsed.rejected
    assert (rejection.index, rejection.code) == (1, code)
    assert says in rejection.message
    assert json.loads(rejection.raw) == event


def test_a_rejected_event_is_kept_byte_for_byte_and_named() -> None:
    odd = b'{ "type":"track",\t"messageId":"m-1",  "price": 1.10, "userId": [] }'
    (rejection,) = parse(read_batch(b'{"batch":[' + odd + b"]}"), ARRIVAL).rejected
    assert (rejection.raw, rejection.message_id) == (odd, "m-1")


def test_an_oversized_event_is_rejected_alone() -> None:
    def event_of(size: int) -> bytes:
        frame = b'{"type":"track","event":"x","userId":"u","properties":{"p":"%s"}}'
        return frame % (b"x" * (size - len(frame) + 2))

    largest, too_large = event_of(MAX_EVENT_BYTES), event_of(MAX_EVENT_BYTES + 1)
    parsed = parse(read_batch(b'{"batch":[' + too_large + b"," + largest + b"]}"), ARRIVAL)
    assert len(parsed.accepted) == 1
    assert [(r.index, r.code, r.raw) for r in parsed.rejected] == [(0, "event_too_large", too_large)]


@pytest.mark.parametrize("levels", [63, 64, 65, 300])
def test_nesting_is_bounded(levels: int) -> None:
    nested = b'{"event":"x","userId":"u","properties":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"
    parsed = parse_one(Kind.TRACK, nested)
    assert [rejection.code for rejection in parsed.rejected] == ([] if levels < 64 else ["nested_too_deeply"])


def test_invalid_utf8_harms_only_its_own_event() -> None:
    bad = b'{"type":"track","event":"\xff","userId":"u"}'
    parsed = parse(read_batch(b'{"batch":[' + bad + b',{"type":"page","userId":"u"}]}'), ARRIVAL)
    assert [event.kind for event in parsed.accepted] == [Kind.PAGE]
    assert parsed.rejected[0].raw == bad
    assert "UTF-8 (byte 25)" in parsed.rejected[0].message


def test_half_an_emoji_becomes_a_replacement_character() -> None:
    body = rb'{"event":"cut \ud83d","userId":"u","properties":{"whole":"\ud83d\ude00","text":"\\ud83d"}}'
    event = accepted(Kind.TRACK, body)
    assert event.name == "cut \ufffd"
    assert event.properties == {"whole": "😀", "text": "\\ud83d"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "byte 0"),
        (b'{"batch":[{"a":tru}]}', "byte"),
        (b'{"batch":[', "byte 10"),
        (b'{"batch":[]} x', "byte 14"),
        (b'{"batch":{}}', "$.batch"),
        (b"{}", "batch"),
        (b"[]", "Expected `object`"),
        (b'{"batch":[' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_body_that_is_no_batch_is_refused_with_the_place(body: bytes, says: str) -> None:
    with pytest.raises(Refused) as refused:
        read_batch(body)
    assert (refused.value.status, refused.value.code) == (400, "unparsable_body")
    assert says in refused.value.message


def test_what_a_batch_says_holds_for_events_that_say_nothing() -> None:
    batch = {
        "sentAt": "2026-11-21T09:00:10Z",
        "context": {"locale": "ja-JP", "ip": "192.0.2.1"},
        "batch": [
            {"type": "page", "userId": "u", "timestamp": "2026-11-21T09:00:00Z"},
            {
                "type": "page",
                "userId": "u",
                "timestamp": "2026-11-21T09:00:00Z",
                "sentAt": "2026-11-21T09:00:01Z",
                "context": {"ip": "192.0.2.9"},
            },
        ],
    }
    first, second = parse(read_batch(json.dumps(batch).encode()), ARRIVAL).accepted
    assert (RECEIVED - first.time).total_seconds() == 10
    assert (RECEIVED - second.time).total_seconds() == 1
    assert first.context == {"locale": "ja-JP", "ip": "192.0.2.1"}
    assert second.context == {"locale": "ja-JP", "ip": "192.0.2.9"}


def batch_of(count: int, context: dict[str, Any], **event: Any) -> bytes:
    one = {"type": "track", "event": "x", "userId": "u"} | event
    return json.dumps({"context": context, "batch": [one] * count}).encode()


def test_what_a_batch_says_counts_towards_the_size_of_each_event() -> None:
    parsed = parse(read_batch(batch_of(3, {"page": {"title": "x" * MAX_STORED_BYTES}})), ARRIVAL)
    assert (parsed.accepted, parsed.values) == ([], [])
    assert [rejection.code for rejection in parsed.rejected] == ["event_too_large"] * 3
    assert all(len(rejection.raw) < 100 for rejection in parsed.rejected)


def test_no_stored_event_is_larger_than_its_limit() -> None:
    page = {"url": "https://example.jp/?" + "x" * (MAX_EVENT_BYTES - 1000)}
    own = json.dumps({"type": "page", "userId": "u", "context": {"page": page}}).encode()
    parsed = parse(read_call(own, Kind.PAGE), ARRIVAL)  # the page's properties repeat its context
    assert [len(value) for value in parsed.values] == [len(encode_event(event)) for event in parsed.accepted]
    assert all(MAX_EVENT_BYTES < len(value) <= MAX_STORED_BYTES for value in parsed.values)
    assert parsed.accepted


def test_what_a_batch_says_counts_towards_the_depth_of_each_event() -> None:
    nested: dict[str, Any] = {}
    for _ in range(70):
        nested = {"a": nested}
    parsed = parse(read_batch(batch_of(2, {"page": nested})), ARRIVAL)
    assert [rejection.code for rejection in parsed.rejected] == ["nested_too_deeply"] * 2


def test_a_context_times_its_events_is_bounded_before_anything_is_merged() -> None:
    context = {"page": {"title": "x" * 60_000}}
    assert len(read_batch(batch_of(10, context)).items) == 10
    with pytest.raises(Refused) as refused:
        read_batch(batch_of(1000, context))
    assert (refused.value.status, refused.value.code) == (413, "context_too_large")


@pytest.mark.parametrize("event", [b"0", b'{"a":[1,2]}'])
def test_the_number_of_events_is_bounded(event: bytes) -> None:
    def body(count: int) -> bytes:
        return b'{"batch":[' + b",".join([event] * count) + b"]}"

    assert len(read_batch(body(MAX_BATCH_EVENTS)).items) == MAX_BATCH_EVENTS
    with pytest.raises(Refused) as refused:
        read_batch(body(MAX_BATCH_EVENTS + 1))
    assert (refused.value.status, refused.value.code) == (413, "too_many_events")
    assert "5000" in refused.value.message


def test_a_body_of_nothings_costs_no_more_than_one_of_events() -> None:
    """2.6 million elements in 5 MiB, of which few are looked at."""
    nothings = b'{"batch":[' + b"0," * 2_600_000 + b"0]}"
    events = batch_of(MAX_BATCH_EVENTS, {}, properties={"text": "x" * 900})

    def seconds(body: bytes) -> float:
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            with suppress(Refused):
                parse(read_batch(body), ARRIVAL)
            best = min(best, time.process_time() - started)
        return best

    assert seconds(nothings) < 2 * seconds(events)


@pytest.mark.parametrize("event", [{"type": "x" * 30_000}, {"type": "track", "event": 5, "x" * 30_000: 1}])
def test_why_an_event_is_rejected_is_said_briefly(event: dict[str, Any]) -> None:
    (rejection,) = parse(read_batch(json.dumps({"batch": [event]}).encode()), ARRIVAL).rejected
    assert len(rejection.message) <= 300


def test_no_dead_letter_repeats_a_text_of_any_length_from_its_batch() -> None:
    body = json.dumps({"sentAt": "9" * 1_000_000, "batch": [{"type": "track"}] * 3}).encode()
    envelope = read_batch(body)
    for record in records_of(parse(envelope, ARRIVAL), envelope, ARRIVAL, Topics()):
        assert dict(record.headers)["http_sent_at"] == b"9" * 64
