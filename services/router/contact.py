"""Contact data from events: who to call, and when we were told. Pure; only the playbook's fields are taken.

Personal data lives in Postgres and in `handoffs.*`; it is never part of a score.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from shared.acceptance import accepted
from shared.company import company_name, corporate_domain, normalised_name
from shared.playbook import Playbook
from shared.privacy import Consent
from shared.reading import MAX_TEXT, Scalar, read_fields

_MARK = b'"traits":{"'


class ContactDatum(msgspec.Struct, frozen=True):
    """One field of one lead; the newest by (`at`, `event_id`) wins. An empty `value`: told to be empty.

    `canonical` is what the value names, whatever its spelling: an address its corporate domain; a company or department
    itself. It is a function of the value alone and so wins or loses with it: which company a lead belongs to depends
    neither on the order of events nor on batches. Empty: it names nothing."""

    lead_id: str
    field: str
    value: str
    at: datetime
    event_id: str
    canonical: str = ""


class ContactReader:
    """Reads contact data as one playbook names it: the same values, of the same times, as the score is made from."""

    def __init__(self, playbook: Playbook) -> None:
        # Those of target accounts are the scorer's conclusion, and no data of their own.
        self._consent = Consent(playbook.privacy)
        self._fields = {name: field for name, field in playbook.fields.items() if field.kind != "target_account"}

    def read(self, key: bytes | None, value: bytes | None, appended: int) -> list[ContactDatum]:
        """Contact data in a record of `events` that Kafka took at `appended` (ms since 1970). Raises `ValueError` for a
        record that is no event.

        Most events have no traits: those are told by one search, without being decoded."""
        if value is None or _MARK not in value:
            return []
        event = accepted(key, value, appended)
        if self._consent.is_withheld(event):
            return []
        return [
            ContactDatum(
                lead_id=event.key,
                field=name,
                value=(text := _as_text(told)),
                at=event.happened,
                event_id=storable(event.id),
                canonical=canonical(name, text),
            )
            for name, told in read_fields(event, self._fields).items()
        ]


def canonical(field: str, value: str) -> str:
    """What `value` names, in one spelling; cut, as some signs become 18, and an index takes 2,704 bytes."""
    match field:
        case "email":
            return corporate_domain(value) or ""
        case "company.name":
            return company_name(value)[:MAX_TEXT]
        case "department":
            return normalised_name(value)[:MAX_TEXT]
        case _:
            return ""


def storable(text: str) -> str:
    """Without NUL, which JSON allows and Postgres does not."""
    return text.replace("\0", "") if "\0" in text else text


def _as_text(value: Scalar | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
