"""Points as whole micro-points, so that sums do not depend on their order; and how points fade.

A module of its own, as these are asked some ten times for every score and are compiled in the image.
"""

from __future__ import annotations

MICRO = 1_000_000


def to_micro(points: float) -> int:
    """Points as whole micro-points."""
    return round(points * MICRO)


def to_points(micro: int) -> float:
    """Micro-points as the number that people read."""
    return micro / MICRO


def decayed(micro: int, seconds: float, half_life_seconds: float) -> int:
    """`micro · 2^(−seconds / half-life)`, whole; before its start a term is worth all of it."""
    if seconds <= 0:
        return micro
    remaining: float = 2.0 ** (-seconds / half_life_seconds)
    return round(micro * remaining)


def bounded(micro: int, at_least: float | None, at_most: float | None) -> int:
    """A total within the bounds, which are points."""
    if at_least is not None:
        micro = max(micro, to_micro(at_least))
    return micro if at_most is None else min(micro, to_micro(at_most))
