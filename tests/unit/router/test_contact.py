"""Contact data from events, wherever clients put it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.router.contact import ContactReader
from shared.events import Event, Kind, encode_event
from shared.playbook import load_playbook
from tests.score_records import MONDAY

READER = ContactReader(load_playbook())


def read(kind: Kind = Kind.IDENTIFY, key: str = "l", **traits: Any) -> dict[str, str]:
    event = Event(kind=kind, id="e", source="s", key=key, time=MONDAY, received_at=MONDAY, traits=traits)
    return {datum.field: datum.value for datum in READER.read(encode_event(event))}


@pytest.mark.parametrize(
    ("traits", "found"),
    [
        ({"name": "山田 太郎", "email": "t@a.example"}, {"name": "山田 太郎", "email": "t@a.example"}),
        ({"lastName": "山田", "jobTitle": "部長"}, {"name": "山田", "title": "部長"}),
        ({"company": "アクメ"}, {"company.name": "アクメ"}),
        ({"company": {"name": "アクメ", "employees": 5}}, {"company.name": "アクメ"}),
        ({"prefecture": "osaka"}, {"prefecture": "大阪府"}),
        ({"address": {"state": "Narnia"}}, {"prefecture": "Narnia"}),
        ({"phone": 312345678}, {"phone": "312345678"}),
        ({"name": "", "email": None, "phone": ["1"]}, {}),
        ({"name": "a\0b"}, {"name": "ab"}),
        ({"occupation": "学生"}, {}),
    ],
)
def test_where_contact_data_is_found(traits: dict[str, Any], found: dict[str, str]) -> None:
    assert read(**traits) == found


def test_the_traits_of_a_group_are_the_company() -> None:
    assert read(Kind.GROUP, name="アクメ", employees=10) == {"company.name": "アクメ"}


def test_a_key_that_cannot_be_stored_is_left_out() -> None:
    assert read(key="a\0", name="x") == {}


def test_an_event_without_traits_is_not_even_decoded() -> None:
    assert READER.read(b"not JSON") == []


def test_bytes_that_are_no_event_are_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        READER.read(b'{"traits":{"name":"x"}')
