"""Contact data from events: who to call. Pure; only what the playbook declares as contact fields is taken.

Personal data lives in Postgres and in `handoffs.*`; it is never part of a score.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from shared.acceptance import accepted
from shared.playbook import Playbook
from shared.reading import Scalar, read_fields

CONTACT_FIELDS = ("name", "email", "phone", "title", "department", "company.name", "prefecture")
"""Fields of the playbook that a caller needs (domain D5)."""

_MARK = b'"traits":{"'


class ContactDatum(msgspec.Struct, frozen=True):
    """One field of one lead; the newest by (`at`, `event_id`) wins. An empty `value`: told to be empty."""

    lead_id: str
    field: str
    value: str
    at: datetime
    event_id: str


class ContactReader:
    """Reads contact data as one playbook names it: the same values, of the same times, as the score is made from."""

    def __init__(self, playbook: Playbook) -> None:
        self._fields = {name: playbook.fields[name] for name in CONTACT_FIELDS if name in playbook.fields}

    def read(self, key: bytes | None, value: bytes | None, appended: int) -> list[ContactDatum]:
        """Contact data in a record of `events` that Kafka took at `appended` (ms since 1970). Raises `ValueError` for a
        record that is no event.

        Most events have no traits: those are told by one search, without being decoded."""
        if value is None or _MARK not in value:
            return []
        event = accepted(key, value, appended)
        return [
            ContactDatum(
                lead_id=event.key,
                field=name,
                value=_as_text(told),
                at=event.happened,
                event_id=storable(event.id),
            )
            for name, told in read_fields(event, self._fields).items()
        ]


def storable(text: str) -> str:
    """Without NUL, which JSON allows and Postgres does not."""
    return text.replace("\0", "") if "\0" in text else text


def _as_text(value: Scalar | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
