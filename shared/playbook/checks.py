"""Compile a `Check` into a function of one value. Nothing in a playbook is executed as code."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from fnmatch import translate
from typing import Any

from shared.playbook.values import Check, Scalar

Predicate = Callable[[Any], bool]


def compile_check(check: Check) -> Predicate:
    """A function that tells whether a value (None: absent) passes all tests of `check`."""
    tests: list[Predicate] = []
    if check.present is not None:
        tests.append(_present(check.present))
    if check.equals is not None:
        tests.append(_among([check.equals]))
    if check.one_of is not None:
        tests.append(_among(check.one_of))
    if check.none_of is not None:
        excluded = _among(check.none_of)
        tests.append(lambda value: not excluded(value))
    tests.extend(_comparisons(check))
    if check.starts_with is not None:
        tests.append(_starts_with(fold(check.starts_with)))
    if check.contains is not None:
        needles = [fold(needle) for needle in _listed(check.contains)]
        tests.append(_some_text(lambda text: any(needle in text for needle in needles)))
    if check.like is not None:
        # `translate` makes patterns that take linear time, however many stars there are; brackets mean themselves.
        patterns = [re.compile(translate(fold(pattern).replace("[", "[[]"))) for pattern in _listed(check.like)]
        tests.append(_some_text(lambda text: any(pattern.match(text) for pattern in patterns)))
    return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)


def fold(text: str) -> str:
    """Case and width do not matter: `ＣＥＯ` is `ceo`."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def as_number(value: Any) -> float | None:
    """A number, also when it was sent as text (`"1,200"`); None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _finite(value)
    if isinstance(value, str):
        try:
            return _finite(unicodedata.normalize("NFKC", value).replace(",", ""))
        except ValueError:
            return None
    return None


def _finite(value: int | float | str) -> float | None:
    """`"Infinity"` and `"nan"` are texts that somebody typed, not sizes; nor is a number past what floats hold."""
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _canonical(value: Any) -> Any:
    if isinstance(value, str):
        return fold(value.strip())
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _present(expected: bool) -> Predicate:
    return lambda value: (value is not None and value != "") is expected


def _among(options: list[Scalar]) -> Predicate:
    # True == 1.0 in Python: the type is part of the option, so that `true` does not match 1.
    known = {(isinstance(option, bool), _canonical(option)) for option in options}

    def among(value: Any) -> bool:
        if isinstance(value, list):
            return any(among(item) for item in value)
        return isinstance(value, Scalar) and (isinstance(value, bool), _canonical(value)) in known

    return among


def _comparisons(check: Check) -> list[Predicate]:
    return [
        _compares(limit, holds)
        for limit, holds in (
            (check.over, float.__gt__),
            (check.at_least, float.__ge__),
            (check.under, float.__lt__),
            (check.at_most, float.__le__),
        )
        if limit is not None
    ]


def _compares(limit: float, holds: Callable[[float, float], bool]) -> Predicate:
    def compare(value: Any) -> bool:
        number = as_number(value)
        return number is not None and holds(number, limit)

    return compare


def _starts_with(prefix: str) -> Predicate:
    return lambda value: isinstance(value, str) and fold(value).startswith(prefix)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _some_text(passes: Callable[[str], bool]) -> Predicate:
    """Of a list, some member."""

    def test(value: Any) -> bool:
        if isinstance(value, list):
            return any(test(item) for item in value)
        return isinstance(value, str) and passes(fold(value))

    return test
