"""Conditions on a lead, as stages, guards and recycling have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from tests.fault.oracle.playbook import Book, micro, milliseconds
from tests.fault.oracle.values import passes


class Known(Protocol):
    """What is known of a lead, or what of that counts. `total`: None where it does not count."""

    @property
    def book(self) -> Book: ...
    @property
    def total(self) -> int | None: ...
    @property
    def attribute(self) -> int: ...
    @property
    def level(self) -> int: ...
    @property
    def fields(self) -> Mapping[str, Any]: ...
    def has_shown(self, signal: str) -> bool: ...
    def last_shown(self, signal: str) -> int | None: ...
    def shown_since(self, signal: str, moment: int) -> int: ...
    @property
    def time(self) -> int: ...


def signals_of(when: Mapping[str, Any]) -> Iterator[str]:
    """The signals that a condition asks for."""
    if "signal" in when:
        yield when["signal"]
    for part in _parts(when):
        yield from signals_of(part)


def _parts(when: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*when.get("any", []), *when.get("all", []), *when.get("of", []), *([when["not"]] if "not" in when else [])]


def by_signal(when: Mapping[str, Any], known: Known) -> bool:
    """Whether a signal is among what makes the condition hold."""
    if "signal" in when:
        return holds(when, known)
    return any(by_signal(part, known) for part in [*when.get("any", []), *when.get("all", []), *when.get("of", [])])


def asks_for_score(when: Mapping[str, Any]) -> bool:
    """Whether it may come to hold no more by the passing of time alone."""
    return "total_over" in when or "level_at_least" in when or any(asks_for_score(part) for part in _parts(when))


def counts(when: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The signals that a condition counts lately, and what it means by that, in ms."""
    if "often" in when:
        yield when["often"], milliseconds(when["within"])
    for part in _parts(when):
        yield from counts(part)


def holds(when: Mapping[str, Any], known: Known) -> bool:  # noqa: PLR0911 - one for each kind of condition
    """Whether a condition on a lead holds."""
    match when:
        case {"signal": name, "later_than": other}:
            last, before = known.last_shown(name), known.last_shown(other)
            return known.has_shown(name) and (before is None or (last is not None and last > before))
        case {"signal": name}:
            return known.has_shown(name)
        case {"often": name, "times": times, "within": within}:
            return known.shown_since(name, known.time - milliseconds(within)) >= times
        case {"total_over": points}:
            return known.total is not None and known.total > micro(points)
        case {"attribute_at_least": points}:
            return known.attribute >= micro(points)
        case {"grade_at_least": grade}:
            return known.attribute >= known.book.grades[grade]
        case {"level_at_least": level}:
            return known.level >= int(level)
        case {"field": name, "is": check}:
            return passes(check, known.fields.get(name))
        case {"any": parts}:
            return any(holds(part, known) for part in parts)
        case {"all": parts}:
            return all(holds(part, known) for part in parts)
        case {"not": part}:
            return not holds(part, known)
        case {"at_least": count, "of": parts}:
            return sum(holds(part, known) for part in parts) >= int(count)
    raise ValueError(f"unknown condition {when!r}")
