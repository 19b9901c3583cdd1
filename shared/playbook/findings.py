"""What is wrong in a playbook, as the cross-checks tell it: where in the file, and what was expected."""

from __future__ import annotations

from collections.abc import Iterable

Path = tuple[str | int, ...]
Finding = tuple[Path, str]


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """That `name` refers to nothing."""
    return f"unknown {what} '{name}'; expected one of {', '.join(known)}"
