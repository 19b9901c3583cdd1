"""Guards that end with time (domain C7): a lead that was approached too often lately is let go when it was long enough
ago."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from services.router.lifecycle.criteria import Criterion, often_until
from services.router.lifecycle.known import Facts
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.rules import Rules
from shared.playbook.schema import Guard

_AT_ONCE = timedelta(milliseconds=1)


def ends(known: Facts, rules: Rules) -> list[datetime]:
    """The moments, in order, at which something that a guard counts has not been often lately any more. Guards only
    ever end with time: none begins at a moment at which nothing happens."""
    moments = {often_until(often, known) for often in rules.often}
    return sorted(moment for moment in moments if moment is not None)


def until(criterion: Criterion, known: Facts, rules: Rules) -> datetime | None:
    """When a guard that holds lets go if nothing else happens; None: never."""
    return next((end for end in ends(known, rules) if not criterion.holds(replace(known, at=end))), None)


def holds(id: str, known: Facts, rules: Rules) -> bool:
    """Whether the guard of this id holds; one that the playbook has no more does not."""
    return any(guard.id == id and criterion.holds(known) for guard, criterion in rules.guards)


def releases(known: Facts, rules: Rules) -> dict[datetime, Leaf]:
    """By moment, in order, at which a guard lets go if nothing else happens, that guard, as part of a reason."""
    found: dict[datetime, Leaf] = {}
    for end in ends(known, rules):
        before, after = replace(known, at=end - _AT_ONCE), replace(known, at=end)
        for guard, criterion in rules.guards:
            if criterion.holds(before) and not criterion.holds(after):
                found.setdefault(end, _leaf(guard, end))
    return found


def _leaf(guard: Guard, at: datetime) -> Leaf:
    label = {"ja": f"「{guard.label.ja}」の解消", "en": f"No more: {guard.label.en}"}
    return Leaf(condition="let_go", name=guard.id, met=True, label=label, at=at)
