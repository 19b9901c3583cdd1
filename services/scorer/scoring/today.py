"""What is reckoned of a lead's present day, and never stored."""

from __future__ import annotations

from typing import Any


class Today:
    """The lead's latest calendar day, from `begins` to `ends`; `begins` is `NEVER` where nothing of it counts any more.
    `earned`: what counts of this day by rules that are counted by themselves, `pooled` by all others (None: ask);
    `fading`: what is left of earlier days, as (micro, end, half-life); `ending` the same of what expires, with when it
    does; `pools` what pools have of earlier days. All are missing (`fading` is None) until asked for."""

    def __init__(self, begins: int, ends: int) -> None:
        self.begins, self.ends = begins, ends
        self.earned = 0
        self.pooled: int | None = None
        self.fading: list[tuple[int, int, float]] | None = None
        self.ending: list[tuple[int, int, float, int]] = []
        self.pools: dict[Any, Any] = {}
