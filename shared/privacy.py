"""Does an event say that its person does not want to be followed? Pure; the same for the score and the contact data."""

from __future__ import annotations

from shared.events import Event, Kind
from shared.playbook.checks import Predicate, compile_check
from shared.playbook.privacy import Privacy
from shared.reading import at_path


class Consent:
    """The part `privacy` of a playbook, compiled."""

    def __init__(self, part: Privacy) -> None:
        self._withheld: list[list[tuple[str, Predicate]]] = [
            [(path, compile_check(check)) for path, check in checks.items()] for checks in part.withheld
        ]
        # Most contexts have none of these: to see that is one look at their keys.
        self._keys = frozenset(key for checks in part.withheld for path in checks for key in (path, path.split(".")[0]))
        self._despite = frozenset(part.despite)
        self.is_asked = bool(self._withheld)

    def is_withheld(self, event: Event) -> bool:
        """Whether nothing may be made of `event`."""
        context = event.context
        if not context or self._keys.isdisjoint(context):
            return False
        if event.kind is Kind.TRACK and event.name in self._despite:
            return False
        return any(all(holds(at_path(context, path)) for path, holds in checks) for checks in self._withheld)
