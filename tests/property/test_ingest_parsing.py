"""Whatever is sent, parsing ends in accepted, rejected or a refusal that says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.errors import Refused
from services.ingest.reading.cloudevents import read_cloudevents
from services.ingest.reading.model import Arrival
from services.ingest.reading.parse import parse
from services.ingest.reading.segment import read_batch, read_call
from services.ingest.timestamps import event_time, parse_time
from shared.events import Kind, decode_event, encode_event

RECEIVED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ARRIVAL = Arrival("website", RECEIVED, "/v1/batch", lambda: "assigned")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
times = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))])).map(datetime.isoformat)
ids = st.none() | st.text(max_size=12) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


def field(usual: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Mostly what belongs there, now and then anything."""
    return st.one_of(usual, usual, usual, json_values)


calls = st.fixed_dictionaries(
    {"type": field(st.sampled_from([kind.value for kind in Kind]))},
    optional={
        "messageId": field(ids),
        "userId": field(ids),
        "anonymousId": field(ids),
        "groupId": field(ids),
        "previousId": field(ids),
        "event": field(st.text(max_size=12)),
        "name": field(st.text(max_size=12)),
        "timestamp": field(times | st.text(max_size=30)),
        "originalTimestamp": field(times),
        "sentAt": field(times),
        "properties": field(st.dictionaries(st.text(max_size=8), json_values, max_size=3)),
        "traits": field(st.dictionaries(st.text(max_size=8), json_values, max_size=3)),
        "context": field(
            st.fixed_dictionaries({}, optional={"page": json_values, "traits": json_values, "groupId": json_values})
        ),
    },
)


@given(st.lists(calls | json_values, max_size=6))
def test_every_event_is_accepted_or_rejected_in_its_order(events: list[object]) -> None:
    raws = [json.dumps(event).encode() for event in events]
    envelope = read_batch(b'{"batch":[' + b",".join(raws) + b"]}")
    parsed = parse(envelope, ARRIVAL)
    assert len(parsed.accepted) + len(parsed.rejected) == len(events)
    for rejection in parsed.rejected:
        assert rejection.code
        assert rejection.message
    for event in parsed.accepted:
        assert decode_event(encode_event(event)) == event
        assert event.key
        assert event.time.utcoffset() == timedelta(0)
    rejected = {rejection.index for rejection in parsed.rejected}
    kinds = [event["type"] for index, event in enumerate(events) if index not in rejected]  # type: ignore[index]
    assert kinds == [event.kind.value for event in parsed.accepted]


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_properties_come_through_unchanged(properties: dict[str, object]) -> None:
    body = json.dumps({"event": "x", "userId": "u", "properties": properties}).encode()
    (event,) = parse(read_call(body, Kind.TRACK), ARRIVAL).accepted
    assert decode_event(encode_event(event)).properties == _without_half_pairs(properties)


def _without_half_pairs(value: object) -> object:
    """JSON can say half a surrogate pair, UTF-8 cannot."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads("".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for read in (read_batch, lambda raw: read_call(raw, Kind.TRACK), lambda raw: read_cloudevents(raw, {})):
        refused = None
        try:
            envelope = read(body)
        except Refused as error:
            refused = error
        if refused:
            assert refused.status == 400
            assert any(word in refused.message for word in ("byte", "$", "Expected", "missing"))
        else:
            parsed = parse(envelope, ARRIVAL)
            assert len(parsed.accepted) + len(parsed.rejected) == len(envelope.items)


@given(
    st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-3, minutes=-30))])
    )
)
def test_a_time_that_was_written_is_read_again(moment: datetime) -> None:
    try:
        expected = moment.astimezone(UTC)
    except OverflowError:
        return
    assert parse_time(moment.isoformat()) == expected


@given(st.text(max_size=40))
def test_any_text_is_a_time_in_utc_or_an_error(text: str) -> None:
    try:
        moment = parse_time(text)
    except ValueError:
        return
    assert moment.utcoffset() == timedelta(0)


@given(
    clock_error=st.timedeltas(timedelta(days=-3650), timedelta(days=3650)),
    age=st.timedeltas(timedelta(0), timedelta(days=30)),
)
def test_the_error_of_the_senders_clock_cancels_out(clock_error: timedelta, age: timedelta) -> None:
    happened, sent = RECEIVED - age, RECEIVED
    assert event_time(happened + clock_error, sent + clock_error, RECEIVED) == happened
