"""CloudEvents in their three modes become events like all others."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest.errors import Refused
from services.ingest.reading.cloudevents import read_cloudevents
from services.ingest.reading.model import Arrival, Parsed
from services.ingest.reading.parse import parse
from services.ingest.records import records_of
from services.ingest.schemas import MAX_BATCH_EVENTS
from shared.events import Event, Kind
from shared.topics import Topics

RECEIVED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
HAPPENED = datetime(2026, 11, 21, 9, 29, 30, tzinfo=UTC)
ARRIVAL = Arrival("crm", RECEIVED, "/v1/events", lambda: "assigned")
WON: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7",
    "source": "/crm/deals",
    "type": "Deal Won",
    "subject": "u-1",
    "time": "2026-11-21T09:29:30Z",
    "data": {"amount": 1200000, "product": "複合機"},
}


def read(body: object, headers: Mapping[str, str] | None = None) -> Parsed:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse(read_cloudevents(raw, headers or {}), ARRIVAL)


def accepted(body: object, headers: Mapping[str, str] | None = None) -> Event:
    parsed = read(body, headers)
    assert parsed.rejected == []
    (event,) = parsed.accepted
    return event


def refused(body: object, headers: Mapping[str, str] | None = None) -> str:
    (rejection,) = read(body, headers).rejected
    return rejection.code


def test_structured() -> None:
    event = accepted(WON)
    assert (event.kind, event.name, event.user_id) == (Kind.TRACK, "Deal Won", "u-1")
    assert (event.time, event.received_at) == (HAPPENED, RECEIVED)
    assert event.properties == {"amount": 1200000, "product": "複合機"}


def test_the_three_modes_tell_the_same() -> None:
    headers = {f"ce-{name}": str(value) for name, value in WON.items() if name != "data"}
    binary = accepted(WON["data"], {**headers, "content-type": "application/json; charset=utf-8"})
    base64_data = base64.b64encode(json.dumps(WON["data"]).encode()).decode()
    encoded = accepted({**WON, "data": None, "data_base64": base64_data})
    assert binary == encoded == accepted([WON]) == accepted(WON)


def test_headers_are_percent_encoded() -> None:
    attributes = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/"}
    headers = attributes | {"ce-type": "%E5%8F%97%E6%B3%A8", "ce-userid": "u"}
    event = accepted(b"", headers)
    assert (event.name, event.properties) == ("受注", {})


@pytest.mark.parametrize(
    ("more", "whose"),
    [
        ({}, ("u-1", None)),
        ({"userid": "u-2"}, ("u-2", None)),
        ({"anonymousid": "a-1"}, (None, "a-1")),
        ({"data": {"userId": 3, "anonymousId": "a-2"}}, ("3", "a-2")),
        ({"data": {"userId": "u-4"}, "userid": "u-5"}, ("u-5", None)),
        ({"data": {"userId": {"id": 1}}}, ("u-1", None)),
    ],
)
def test_whose_it_is(more: dict[str, Any], whose: tuple[str | None, str | None]) -> None:
    event = accepted({**WON, **more})
    assert (event.user_id, event.anonymous_id) == whose


def test_a_call_as_its_data() -> None:
    event = accepted({**WON, "type": "identify", "data": {"userId": "u-9", "traits": {"email": "a@example.co.jp"}}})
    assert (event.kind, event.user_id, event.traits) == (Kind.IDENTIFY, "u-9", {"email": "a@example.co.jp"})
    assert (event.name, event.time) == ("", HAPPENED)


def test_copies_have_the_same_id_and_others_do_not() -> None:
    ids = {accepted(one).id for one in (WON, WON, {**WON, "id": "8"}, {**WON, "source": "/crm/visits"})}
    assert len(ids) == 3


def test_data_that_are_no_object_are_kept() -> None:
    assert accepted({**WON, "data": ["a", 1]}).properties == {"data": ["a", 1]}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({**WON, "specversion": "0.3"}, "unknown_specversion"),
        ({**WON, "id": " "}, "missing_attribute"),
        ({name: value for name, value in WON.items() if name != "source"}, "missing_attribute"),
        ({**WON, "id": 7}, "malformed_event"),
        ({**WON, "subject": None}, "missing_identity"),
        ({**WON, "data": None, "data_base64": "?"}, "malformed_event"),
        ({**WON, "data": None, "data_base64": "aGk=", "datacontenttype": "text/plain"}, "unsupported_data"),
        ({**WON, "time": "yesterday"}, "invalid_time"),
        ({**WON, "type": "track", "data": {"properties": 1}}, "malformed_event"),
        ({**WON, "source": "x" * 300}, "invalid_id"),
    ],
)
def test_what_is_put_aside_and_why(event: dict[str, Any], code: str) -> None:
    assert refused(event) == code
    both = read([event, WON])
    assert ([one.code for one in both.rejected], len(both.accepted)) == ([code], 1)


def test_what_is_put_aside_can_be_sent_again() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/", "ce-type": "x", "content-type": "text/plain"}
    envelope = read_cloudevents(b"hello", headers)
    (record,) = records_of(parse(envelope, ARRIVAL), envelope, ARRIVAL, Topics())
    kept = dict(record.headers)
    assert record.value == b"hello"
    assert {name: kept[f"http_{name}"].decode() for name in headers} == headers
    assert kept["tasuki_reason"].startswith(b"unsupported_data")


@pytest.mark.parametrize("body", [b"", b"hello", b"7", b'"text"', b"[1", b"{"])
def test_what_is_no_cloudevent_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as error:
        read(body)
    assert (error.value.status, error.value.code) == (400, "unparsable_body")


def test_too_many_are_refused_before_they_are_taken_apart() -> None:
    with pytest.raises(Refused) as error:
        read(b"[" + b",".join([b"{}"] * (MAX_BATCH_EVENTS + 1)) + b"]")
    assert error.value.code == "too_many_events"
