"""Origins of websites (https://www.example.co.jp), as browsers name them in the header `Origin`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PATTERN = re.compile(r"(?P<scheme>https?)://(?P<any>\*\.)?(?P<host>[a-z0-9.-]+|\[[0-9a-f:]+\])(?P<port>:\d{1,5})?")


def require_origin(pattern: str) -> None:
    """`pattern` is an origin, or `https://*.example.co.jp` for all below that name. Raises `ValueError`."""
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(
            f"{pattern!r} is no origin: expected one such as https://www.example.co.jp or https://*.example.co.jp, in "
            "lower case, without a path"
        )


def is_allowed(origin: str, patterns: Iterable[str]) -> bool:
    """Is `origin` one of those that `patterns` are of?"""
    return any(_matches(origin, pattern) for pattern in patterns)


def _matches(origin: str, pattern: str) -> bool:
    before, star, after = pattern.partition("*.")
    if not star:
        return origin == pattern
    middle = origin.removeprefix(before).removesuffix(f".{after}")
    # Of `https://*.example.co.jp` a name and its labels remain, and no address that only ends alike.
    return len(middle) + len(before) + len(after) + 1 == len(origin) and bool(re.fullmatch(r"[a-z0-9.-]+", middle))
