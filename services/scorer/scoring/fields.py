"""What an event says about the lead, kept without personal data: the newest value of each field."""

from __future__ import annotations

from services.scorer.scoring.accounts import Accounts
from services.scorer.scoring.state import FieldValue, LeadState
from shared.events import Event
from shared.playbook.schema import LeadField
from shared.reading import Fields, read_fields

NOTHING: Fields = {}


class FieldReader:
    """Reads the fields of a playbook from events, and keeps the newest of each in the state."""

    def __init__(self, fields: dict[str, LeadField], accounts: Accounts) -> None:
        derived = frozenset(name for name, field in fields.items() if field.kind == "target_account")
        self._accounts, self._of_accounts = accounts, derived if accounts.are_named else frozenset[str]()
        # Where no account is named, nobody is of one: such fields are not even looked for.
        self._fields = {name: field for name, field in fields.items() if name not in derived - self._of_accounts}
        self._personal = frozenset(name for name, field in fields.items() if field.personal)

    def read(self, event: Event) -> Fields:
        """The fields that this event reports (None: told to be empty); of personal ones only that there is a value, and
        of a company's name or an address, for those of accounts, only that it is of one."""
        if not event.traits:
            return NOTHING
        found = read_fields(event, self._fields)
        for name in found.keys() & self._personal:
            if found[name] is not None:
                found[name] = True
        for name in found.keys() & self._of_accounts:
            found[name] = True if self._accounts.include(found[name]) else None
        return found

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
                state.attribute = state.level_ends = None  # outside lists have their level by fields
