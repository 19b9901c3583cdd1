"""Checks that no value can pass."""

from __future__ import annotations

from collections.abc import Callable

from shared.countries import country_code
from shared.playbook.checks import compile_check
from shared.playbook.values import Check, Scalar
from shared.prefectures import prefecture


def contradiction(check: Check) -> str | None:
    """Why no value can pass all tests of a check; None where one may."""
    if check.present is False and check.model_fields_set != {"present"}:
        return "can never hold: what is not present passes no other test"
    low = _most(max, check.over, check.at_least)
    high = _most(min, check.under, check.at_most)
    if low is not None and high is not None and not _has_room(check, low, high):
        return f"can never hold: no number is over {low:g} and under {high:g}"
    wanted = _wanted(check)
    if wanted is not None and not any(map(compile_check(check), wanted)):
        return "can never hold: none of the values passes the other tests"
    return None


def no_prefecture(check: Check) -> str | None:
    """Why the field that holds a prefecture's official name can never pass; None where it may."""
    for value in _wanted(check) or ():
        official = prefecture(str(value))
        if official is None:
            return f"can never hold: '{value}' is no prefecture; expected one such as 大阪府"
        if official != value:
            return f"can never hold: the field has the official name; expected '{official}' instead of '{value}'"
    return None


def no_country(check: Check) -> str | None:
    """Why the field that holds a country's code can never pass; None where it may."""
    for value in _wanted(check) or ():
        code = country_code(value)
        if code is not None and code != value:
            return f"can never hold: the field has the ISO code; expected '{code}' instead of '{value}'"
    return None


def no_account(check: Check) -> str | None:
    """Why the field that tells target accounts can never pass; None where it may."""
    passes = compile_check(check)
    return None if passes(True) or passes(None) else "can never hold: the field is true or empty; expected true"


def _wanted(check: Check) -> list[Scalar] | None:
    """The values of which the checked one must be; None: any."""
    if check.equals is not None:
        return [check.equals]
    return check.one_of


def _most(choose: Callable[[list[float]], float], *limits: float | None) -> float | None:
    given = [limit for limit in limits if limit is not None]
    return choose(given) if given else None


def _has_room(check: Check, low: float, high: float) -> bool:
    return low < high or (low == high and compile_check(check)(low))
