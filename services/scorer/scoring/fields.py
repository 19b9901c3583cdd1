"""What an event says about the lead, kept without personal data: the newest value of each field."""

from __future__ import annotations

from services.scorer.scoring.accounts import Accounts
from services.scorer.scoring.parts import FieldValue
from services.scorer.scoring.state import LeadState
from shared.events import Event, Kind
from shared.playbook.checks import as_number
from shared.playbook.points import AttributeScore
from shared.playbook.schema import LeadField
from shared.reading import Fields, at_path, read_fields, storable_scalar

NOTHING: Fields = {}
_COMPARISONS = {"over", "at_least", "under", "at_most"}


class FieldReader:
    """Reads the fields of a playbook from events, and keeps the newest of each in the state."""

    def __init__(self, fields: dict[str, LeadField], accounts: Accounts, attribute: AttributeScore) -> None:
        derived = frozenset(name for name, field in fields.items() if field.kind == "target_account")
        self._accounts, self._of_accounts = accounts, derived if accounts.are_named else frozenset[str]()
        # Where no account is named, nobody is of one: such fields are not even looked for.
        self._fields = {name: field for name, field in fields.items() if name not in derived - self._of_accounts}
        numbers = {rule.field for rule in attribute.rules if _COMPARISONS & rule.is_.model_fields_set}
        paths = [(path, name in numbers) for name, field in fields.items() for path in field.paths]
        # `company` may be a name, and the record that other fields are in.
        self._paths = [(path, asked, any(other.startswith(f"{path}.") for other, _ in paths)) for path, asked in paths]
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

    def is_misfit(self, event: Event) -> bool:
        """Whether a trait that the playbook asks for holds a list or an object where it should be a single value, a
        number past all bounds; or no number, where attribute rules compare it with one."""
        traits = {"company": event.traits} if event.kind is Kind.GROUP else event.traits
        for path, is_number, is_record in self._paths:
            value = at_path(traits, path)
            if value is None or value == "" or (is_record and isinstance(value, dict)):
                continue
            if storable_scalar(value) is None or (is_number and as_number(value) is None):
                return True
        return False

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
