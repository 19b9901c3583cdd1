"""Contact data from events, wherever clients put it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.router.contact import ContactReader
from shared.events import Event, Kind, encode_event
from shared.playbook import load_playbook
from tests.score_records import MONDAY

LATER = 2**42  # ms since 1970
READER = ContactReader(load_playbook())


def event_of(kind: Kind = Kind.IDENTIFY, time: datetime = MONDAY, **traits: Any) -> Event:
    return Event(kind=kind, id="e", source="s", key="l", time=time, received_at=MONDAY, traits=traits)


def read(kind: Kind = Kind.IDENTIFY, **traits: Any) -> dict[str, str]:
    return {datum.field: datum.value for datum in READER.read(b"l", encode_event(event_of(kind, **traits)), LATER)}


@pytest.mark.parametrize(
    ("traits", "found"),
    [
        ({"name": "山田 太郎", "email": "t@a.example"}, {"name": "山田 太郎", "email": "t@a.example"}),
        ({"lastName": "山田", "jobTitle": "部長"}, {"name": "山田", "title": "部長"}),
        ({"company": "アクメ"}, {"company.name": "アクメ"}),
        ({"company": {"name": "アクメ", "employees": 5}}, {"company.name": "アクメ", "company.employees": "5"}),
        ({"prefecture": "osaka"}, {"prefecture": "大阪府"}),
        ({"address": {"state": "Narnia"}}, {"prefecture": ""}),
        ({"address.state": "nara"}, {"prefecture": "奈良県"}),
        ({"name": " " + "x" * 300}, {"name": "x" * 256}),
        ({"phone": 312345678}, {"phone": "312345678"}),
        ({"name": " ", "email": None, "phone": ["1"]}, {"name": ""}),
        ({"name": "a\0b"}, {"name": "ab"}),
        ({"occupation": "学生", "do_not_call": True}, {"occupation": "学生", "do_not_call": "true"}),
        ({"unheard_of": "x"}, {}),
    ],
)
def test_where_contact_data_is_found(traits: dict[str, Any], found: dict[str, str]) -> None:
    assert read(**traits) == found


def test_the_traits_of_a_group_are_the_company() -> None:
    assert read(Kind.GROUP, name="アクメ", employees=10) == {"company.name": "アクメ", "company.employees": "10"}


@pytest.mark.parametrize(
    ("traits", "named"),
    [
        ({"email": "t@mail.acme.co.jp"}, "acme.co.jp"),
        ({"email": "t@gmail.com"}, ""),
        ({"company": "㈱アクメ"}, "アクメ"),
        ({"company": " "}, ""),
        ({"company": "\ufdfa" * 256}, "صلىاللهعليهوسلم" * 17 + "ص"),
        ({"department": "第１ 営業部"}, "第1営業部"),
        ({"phone": "03"}, ""),
    ],
)
def test_what_a_value_names(traits: dict[str, str], named: str) -> None:
    (datum,) = READER.read(b"l", encode_event(event_of(**traits)), LATER)
    assert datum.canonical == named


def test_a_clock_in_the_future_does_not_fix_a_phone_number_for_good() -> None:
    """Nothing that anybody tells until then would be newer."""
    (datum,) = READER.read(b"l", encode_event(event_of(time=datetime(9999, 1, 1, tzinfo=UTC), phone="1")), LATER)
    assert datum.at == MONDAY


@pytest.mark.parametrize(
    ("key", "event"),
    [
        (b"somebody else", event_of(name="x")),
        (None, event_of(name="x")),
        (b"l", event_of(time=MONDAY.replace(tzinfo=None), name="x")),
        (b"l", msgspec.structs.replace(event_of(name="x"), received_at=MONDAY.replace(year=9999))),
        (b"l\0", msgspec.structs.replace(event_of(name="x"), key="l\0")),
        (b"l" * 2_000, msgspec.structs.replace(event_of(name="x"), key="l" * 2_000)),
    ],
)
def test_what_the_scorer_refuses_has_no_contact_data(key: bytes | None, event: Event) -> None:
    with pytest.raises(ValueError, match=r"key|zone|received"):
        READER.read(key, encode_event(event), LATER)


def test_an_event_without_traits_is_not_even_decoded() -> None:
    assert READER.read(b"l", b"not JSON", LATER) == []


def test_bytes_that_are_no_event_are_refused() -> None:
    with pytest.raises(ValueError, match="no event"):
        READER.read(b"l", b'{"traits":{"name":"x"}', LATER)


def test_what_somebody_does_not_want_known_is_no_contact_data() -> None:
    event = msgspec.structs.replace(event_of(email="taro@example.co.jp"), context={"doNotTrack": True})
    assert READER.read(b"l", encode_event(event), LATER) == []
