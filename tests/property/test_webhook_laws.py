"""Whatever is sent to a webhook is read, put aside or refused: nothing is lost, and nothing is an error of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.errors import Refused
from services.ingest.reading.model import Arrival, Parsed
from services.ingest.reading.parse import parse
from services.ingest.records import records_of
from services.ingest.webhooks.loading import load_webhooks
from services.ingest.webhooks.reading import read_webhook
from shared.events import decode_event
from shared.topics import Topics

WEBHOOKS = load_webhooks(None, {})
RECEIVED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
TYPES = (
    "",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=X",
    "multipart/form-data",
    "a/b; =;\x7f",
)
FIELDS = (
    "email", "event", "timestamp", "sg_event_id", "subscriptionType", "objectId", "occurredAt", "propertyName",
    "propertyValue", "properties", "leadId", "type", "fired_at", "data[email]", "data[merges][EMAIL]", "data",
    "_gotcha",
)  # fmt: skip
USUAL = (
    "a@example.jp", "open", "contact.creation", "contact.propertyChange", "subscribe", "upemail", "2026-11-21 09:30:00",
    "", 0, 1795253400, 1795253400000, 1e308, None, True, "\0", "x" * 300,
)  # fmt: skip

names = st.sampled_from(sorted(WEBHOOKS))
json_values = st.recursive(
    st.sampled_from(USUAL) | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), inner),
    max_leaves=10,
)
objects = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(USUAL) | json_values, max_size=8)
fields = st.lists(st.tuples(st.sampled_from(FIELDS) | st.text("ab[].", max_size=8), st.sampled_from(USUAL).map(str)))


def read(name: str, body: bytes, content_type: str) -> Parsed | Refused:
    """Anything else that is raised would be answered with 500."""
    arrival = Arrival("ma", RECEIVED, f"/v1/webhooks/{name}", lambda: "assigned")
    try:
        envelope = read_webhook(body, content_type, WEBHOOKS[name].mapping, name)
    except Refused as error:
        return error
    parsed = parse(envelope, arrival)
    for event, value in zip(parsed.accepted, parsed.values, strict=True):
        assert decode_event(value) == event
        assert event.id != "assigned"
    assert sorted(parsed.indices) == parsed.indices
    assert not {one.index for one in parsed.rejected} & set(parsed.indices)
    records_of(parsed, envelope, arrival, Topics())
    return parsed


@given(
    names,
    st.binary(max_size=200) | st.text(max_size=200).map(str.encode),
    st.sampled_from(TYPES) | st.text(max_size=20),
)
def test_any_bytes_are_read_or_refused(name: str, body: bytes, content_type: str) -> None:
    answer = read(name, body, content_type)
    if isinstance(answer, Refused):
        assert (answer.status, answer.code) == (400, "unparsable_body")
        assert any(word in answer.message for word in ("byte", "Expected", "under which"))


@given(names, st.lists(objects | json_values, max_size=5))
def test_every_event_of_a_list_is_read_or_put_aside_byte_for_byte(name: str, told: list[object]) -> None:
    raws = [json.dumps(one).encode() for one in told]
    parsed = read(name, b"[ " + b" ,".join(raws) + b"\n]", "application/json")
    if WEBHOOKS[name].mapping.body == "json":
        assert isinstance(parsed, Parsed)
        assert all(one.raw == raws[one.index] for one in parsed.rejected)


@given(names, fields, st.sampled_from(TYPES))
def test_any_form_is_read_or_put_aside(name: str, told: list[tuple[str, str]], content_type: str) -> None:
    read(name, urlencode(told).encode(), content_type)


@given(names, st.lists(st.tuples(st.sampled_from(FIELDS), st.text(max_size=12)), max_size=6))
def test_a_form_tells_the_same_in_both_ways(name: str, told: list[tuple[str, str]]) -> None:
    if WEBHOOKS[name].mapping.body == "json":
        return
    parts = "".join(f'--X\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in told)
    plain = read(name, urlencode(told).encode(), "")
    multi = read(name, f"{parts}--X--\r\n".encode(), "multipart/form-data; boundary=X")
    assert isinstance(plain, Parsed)
    assert isinstance(multi, Parsed)
    assert [one.code for one in plain.rejected] == [one.code for one in multi.rejected] or not told
    facts = [[(event.kind, event.name, event.key, event.traits) for event in one.accepted] for one in (plain, multi)]
    assert facts[0] == facts[1]
