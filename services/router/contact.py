"""Contact data from events: who to call. Pure; only what the playbook declares as contact fields is taken.

Personal data lives in Postgres and in `handoffs.*`; it is never part of a score.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from shared.events import Kind
from shared.playbook import Playbook
from shared.prefectures import prefecture

CONTACT_FIELDS = ("name", "email", "phone", "title", "department", "company.name", "prefecture")
"""Fields of the playbook that a caller needs (domain D5)."""

_MARK = b'"traits":{"'
_MAX_TEXT = 500


class Glance(msgspec.Struct, frozen=True):
    """The part of an event that can hold contact data. Whatever this refuses, the scorer refuses as well."""

    kind: Kind
    id: str
    key: str
    time: datetime
    traits: dict[str, Any] = msgspec.field(default_factory=dict)


class ContactDatum(msgspec.Struct, frozen=True):
    """One field of one lead; the newest by (`at`, `event_id`) wins."""

    lead_id: str
    field: str
    value: str
    at: datetime
    event_id: str


_decode = msgspec.json.Decoder(Glance).decode


class ContactReader:
    """Reads contact data as one playbook names it."""

    def __init__(self, playbook: Playbook) -> None:
        self._fields = [
            (name, playbook.fields[name].kind, [path.split(".") for path in playbook.fields[name].paths])
            for name in CONTACT_FIELDS
            if name in playbook.fields
        ]

    def read(self, raw: bytes) -> list[ContactDatum]:
        """Contact data in the event `raw`. Raises `msgspec.MsgspecError` for bytes that are no event.

        Most events have no traits: those are told by one search, without being decoded."""
        if _MARK not in raw:
            return []
        event = _decode(raw)
        if "\0" in event.key:  # no such lead can be in Postgres; its scores go to dead letters
            return []
        if event.kind is Kind.GROUP:  # its traits describe the company
            event = msgspec.structs.replace(event, traits={"company": event.traits})
        found = ((name, _first(event.traits, paths, kind)) for name, kind, paths in self._fields)
        return [
            ContactDatum(lead_id=event.key, field=name, value=value, at=event.time, event_id=storable(event.id))
            for name, value in found
            if value is not None
        ]


def storable(text: str) -> str:
    """Without NUL, which JSON allows and Postgres does not."""
    return text.replace("\0", "") if "\0" in text else text


def _first(traits: Mapping[str, Any], paths: list[list[str]], kind: str) -> str | None:
    """The first path that leads to a value, as text; an official name for a prefecture in any spelling."""
    for path in paths:
        value: Any = traits
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            text = storable(str(value)).strip()[:_MAX_TEXT]
            return (prefecture(text) or text) if kind == "prefecture" else text
    return None
