"""Why the behaviour score is what it is, rule by rule, and how it goes on by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from services.scorer.scoring.behaviour import Worth
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import NEVER, from_ms
from shared.scores import Contribution, DecayTerm, decayed, to_points

NO_DIMENSION = ""
"""Part of the total."""
_Course = tuple[str, float, int, int]
"""Dimension, half-life, since when, until when."""


class Explanation:
    """Of a lead at its latest time.

    The contributions add up to the behaviour score, and to those of the dimensions. The decay terms are the fewest that
    tell the same at any later moment, but for a millionth of a point for each rule, as each is rounded by itself: past
    days are summed at the lead's latest time, the present one begins to fade at its end."""

    def __init__(self, state: LeadState, worths: Iterable[Worth], day_ends: int) -> None:
        self.contributions: list[Contribution] = []
        self.points: dict[str, int] = {NO_DIMENSION: 0}
        """Micro-points by dimension."""
        self._state, self._at, self._ends = state, state.time, day_ends
        self._sums: defaultdict[_Course, int] = defaultdict(int)
        self._single: list[tuple[_Course, int]] = []
        """Has faded already: rounded together, they would not be what they are each by itself."""
        for worth in worths:
            self._add(worth)

    @property
    def dimensions(self) -> dict[str, float]:
        """Points of those that are no part of the total."""
        return {name: to_points(micro) for name, micro in self.points.items() if name and micro}

    @property
    def decay(self) -> list[DecayTerm]:
        return [
            DecayTerm(
                points=to_points(micro),
                since=from_ms(since),
                half_life_seconds=half_life,
                until=None if until == NEVER else from_ms(until),
                dimension=dimension or None,
            )
            for (dimension, half_life, since, until), micro in sorted([*self._sums.items(), *self._single])
            if micro
        ]

    def _add(self, worth: Worth) -> None:
        rule, at = worth.rule, self._at
        dimension, now = rule.dimension or NO_DIMENSION, worth.today
        for micro, since, until in worth.past:
            left = decayed(micro, (at - since) / 1000, rule.half_life) if micro and at < until else 0
            if not left:
                continue
            now += left
            if until == NEVER:
                self._sums[dimension, rule.half_life, at, NEVER] += left
            else:
                self._single.append(((dimension, rule.half_life, since, until), micro))
        if worth.today:
            until = NEVER if rule.expires is None else self._ends + rule.expires
            self._sums[dimension, rule.half_life, self._ends, until] += worth.today
        if not now:
            return
        self.points[dimension] = self.points.get(dimension, 0) + now
        gathered = self._state.behaviour[rule.id]
        self.contributions.append(
            Contribution(
                rule=rule.id,
                dimension=rule.dimension or "behaviour",
                points=to_points(now),
                times=gathered.times,
                last=from_ms(gathered.last),
                event_id=gathered.event_id,
                earned=None if worth.earned == now else to_points(worth.earned),
                uncapped=None if worth.told == worth.earned else to_points(worth.told),
            )
        )
