"""What an event says about the lead: traits of many spellings to the playbook's fields."""

from __future__ import annotations

from typing import Any

from services.scorer.scoring.matching import Fields, at_path
from services.scorer.scoring.state import FieldValue, LeadState
from shared.events import Event, Kind
from shared.playbook.schema import LeadField
from shared.prefectures import prefecture

MAX_TEXT = 256
_ABSENT = object()


class FieldReader:
    """Reads the fields of a playbook from events, and keeps the newest of each in the state."""

    def __init__(self, fields: dict[str, LeadField]) -> None:
        self._fields = fields

    def read(self, event: Event) -> Fields:
        """The fields that this event reports (None: told to be empty). A group's traits are the company's."""
        if not event.traits:
            return {}
        traits = {"company": event.traits} if event.kind is Kind.GROUP else event.traits
        found = ((name, _first(traits, field)) for name, field in self._fields.items())
        return {name: value for name, value in found if value is not _ABSENT}

    def changes(self, state: LeadState, reported: Fields) -> bool:
        """Whether some reported value differs from what is known."""
        return any(
            value != (known.value if (known := state.fields.get(name)) else None) for name, value in reported.items()
        )

    def keep(self, state: LeadState, reported: Fields, time: int, event_id: str) -> None:
        """The newest by (time, id) wins, whatever the order of arrival."""
        for name, value in reported.items():
            known = state.fields.get(name)
            if known is None or (time, event_id) > (known.time, known.event_id):
                state.fields[name] = FieldValue(value, time, event_id)


def _first(traits: dict[str, Any], field: LeadField) -> Any:
    for path in field.paths:
        value = at_path(traits, path)
        if isinstance(value, str | int | float):
            return _normalised(value, field)
    return _ABSENT


def _normalised(value: str | int | float, field: LeadField) -> str | int | float | None:
    if isinstance(value, str):
        value = value.strip()[:MAX_TEXT]
    if value == "":
        return None
    if field.personal:
        return True
    return prefecture(value) if field.kind == "prefecture" else value
