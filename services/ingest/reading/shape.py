"""How deep and how large JSON may be, whatever few bytes it takes. Pure.

Readers of the log have a stack and a memory as well: an event that only some of them can decode would stop the flow,
and one of 32 KiB that is all names and numbers takes twenty times as much once it is decoded.
"""

from __future__ import annotations

from typing import Any

from services.ingest.reading.model import Unacceptable

MAX_DEPTH = 64
MAX_VALUES = 2_000  # in an event, with its context: names of members with what they stand for, and parts of lists


def refuse_shape(roots: list[Any], encoded: bytes) -> None:
    """`encoded` is the event whose parts `roots` are. Raises `Unacceptable`."""
    # Each value but the first brings a comma or a bracket: few of them, and there is nothing to count.
    brackets = encoded.count(b"{") + encoded.count(b"[")
    if brackets <= MAX_DEPTH and brackets + encoded.count(b",") <= MAX_VALUES:
        return
    level, values = roots, 0
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
        values += len(level)
        if values > MAX_VALUES:
            raise Unacceptable("too_many_values", f"an event may have {MAX_VALUES} values and parts of lists")
    raise too_deep()


def too_deep() -> Unacceptable:
    """For what no decoder got to the bottom of, either."""
    return Unacceptable("nested_too_deeply", f"objects and lists are nested more than {MAX_DEPTH} levels deep")


def _children(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
