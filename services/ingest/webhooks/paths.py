"""Where a tool puts something: `email`, `data.merges.EMAIL`, `contacts[0].email`; `.` is the whole. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

Steps = tuple[str | int, ...]
"""Keys and places in lists; none: the whole."""

_STEP = re.compile(r"(?P<key>[^.\[\]]+)|\[(?P<place>\d{1,4})\]")
_PATH = re.compile(r"[^.\[\]]+(?:\[\d{1,4}\])*(?:\.[^.\[\]]+(?:\[\d{1,4}\])*)*")


def parse_path(value: object) -> Steps:
    """Raises `ValueError` for what is no path."""
    if isinstance(value, tuple):
        return value  # has been read
    if isinstance(value, bool):
        raise ValueError("expected a path; in YAML yes, no, on and off are no texts: put them in quotes")
    if value == ".":
        return ()
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise ValueError(f"{value!r} is no path; expected one such as email, data.merges.EMAIL or contacts[0].email")
    return tuple(step["key"] or int(step["place"]) for step in _STEP.finditer(value))


def find(value: Any, steps: Steps) -> Any:
    """None where there is nothing. A form has no lists, so `[0]` is also the key `0`."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


Path = Annotated[Steps, BeforeValidator(parse_path)]


def parse_paths(value: object) -> tuple[Steps, ...]:
    """One path, or several in a list. Raises `ValueError`."""
    if isinstance(value, tuple):
        return value
    found = tuple(parse_path(path) for path in (value if isinstance(value, list) else [value]))
    if not found:
        raise ValueError("expected at least one path")
    return found


Paths = Annotated[tuple[Steps, ...], BeforeValidator(parse_paths)]
"""Of several, the first under which there is something."""


def first(value: Any, paths: tuple[Steps, ...]) -> Any:
    """None where all lead to nothing: to null, an empty text, or nowhere."""
    for steps in paths:
        found = find(value, steps)
        if found is not None and found != "":
            return found
    return None
