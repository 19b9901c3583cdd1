"""Conditions on a lead, as stages and guards have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.fault.oracle.playbook import micro
from tests.fault.oracle.values import passes

if TYPE_CHECKING:
    from tests.fault.oracle.score import Card  # which asks conditions itself


def by_signal(when: Mapping[str, Any], card: Card) -> bool:
    """Whether a signal is among what makes the condition hold."""
    if "signal" in when:
        return card.has_shown(when["signal"])
    return any(by_signal(part, card) for part in [*when.get("any", []), *when.get("all", []), *when.get("of", [])])


def asks_for_score(when: Mapping[str, Any]) -> bool:
    """Whether it may come to hold no more by the passing of time alone."""
    parts = [*when.get("any", []), *when.get("all", []), *when.get("of", []), *([when["not"]] if "not" in when else [])]
    return "total_over" in when or "level_at_least" in when or any(asks_for_score(part) for part in parts)


def holds(when: Mapping[str, Any], card: Card) -> bool:  # noqa: PLR0911 - one for each kind of condition
    """Whether a condition on a lead holds."""
    match when:
        case {"signal": name}:
            return card.has_shown(name)
        case {"total_over": points}:
            return card.total > micro(points)
        case {"attribute_at_least": points}:
            return card.attribute >= micro(points)
        case {"grade_at_least": grade}:
            return card.attribute >= card.book.grades[grade]
        case {"level_at_least": level}:
            return card.level >= int(level)
        case {"field": name, "is": check}:
            return passes(check, card.fields.get(name))
        case {"any": parts}:
            return any(holds(part, card) for part in parts)
        case {"all": parts}:
            return all(holds(part, card) for part in parts)
        case {"not": part}:
            return not holds(part, card)
        case {"at_least": count, "of": parts}:
            return sum(holds(part, card) for part in parts) >= int(count)
    raise ValueError(f"unknown condition {when!r}")
