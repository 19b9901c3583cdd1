"""Comparing values as the playbook's checks do: whatever the case and width, and numbers also where written as text."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any


def passes(check: Any, value: Any) -> bool:
    """Whether `value` (None: absent) passes all tests of `check`; a bare value means `equals`, a bare list `in`."""
    if isinstance(check, list):
        check = {"in": check}
    elif not isinstance(check, Mapping):
        check = {"equals": check}
    return all(_test(name, wanted, value) for name, wanted in check.items())


def same(one: Any, other: Any) -> bool:
    """Texts in any case and width; true and false are no numbers, and numbers no texts."""
    if isinstance(one, str) and isinstance(other, str):
        return _fold(one).strip() == _fold(other).strip()
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return False


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def is_present(value: Any) -> bool:
    return value is not None and value != ""


def _test(name: str, wanted: Any, value: Any) -> bool:  # noqa: PLR0911 - one for each test of the vocabulary
    match name:
        case "present":
            return is_present(value) is bool(wanted)
        case "equals":
            return _is_one_of([wanted], value)
        case "in":
            return _is_one_of(wanted, value)
        case "not_in":
            return not _is_one_of(wanted, value)
        case "starts_with":
            return isinstance(value, str) and _fold(value).startswith(_fold(wanted))
        case "contains":
            needles = wanted if isinstance(wanted, list) else [wanted]
            return any(
                isinstance(member, str) and _fold(needle) in _fold(member)
                for needle in needles
                for member in _members(value)
            )
        case _:
            found = number(value)
            return found is not None and _compare(name, found, Fraction(str(wanted)))


def _is_one_of(wanted: list[Any], value: Any) -> bool:
    """A list passes if one of its members does."""
    return any(same(one, member) for one in wanted for member in _members(value))


def _members(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _compare(name: str, number: Fraction, limit: Fraction) -> bool:
    match name:
        case "over":
            return number > limit
        case "at_least":
            return number >= limit
        case "under":
            return number < limit
        case "at_most":
            return number <= limit
    raise ValueError(f"unknown test {name!r}")


def number(value: Any) -> Fraction | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Fraction(str(value))
    if not isinstance(value, str):
        return None
    try:
        found = Decimal(_fold(value).strip().replace(",", ""))
    except InvalidOperation:
        return None
    return Fraction(found) if found.is_finite() else None
