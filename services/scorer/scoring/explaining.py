"""Why the behaviour score is what it is, rule by rule, and how it goes on by itself."""

from __future__ import annotations

from functools import lru_cache

from services.scorer.scoring.rules import Course, Rule
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import from_ms
from shared.points import decayed, to_points
from shared.scores import Contribution, DecayTerm


class Explanation:
    """Of a lead at its latest time, on a day that ends at `day_ends`.

    The contributions add up to the behaviour score, and to those of the dimensions. The decay terms are the fewest that
    tell the same at any later moment, but for a millionth of a point for each rule, as each is rounded by itself: past
    days are summed at the lead's latest time, the present one begins to fade at its end."""

    def __init__(self, state: LeadState, day_ends: int) -> None:
        self.contributions: list[Contribution] = []
        self.behaviour = 0
        """Micro-points that are part of the total."""
        self._beside: dict[str, int] = {}
        self._state, self._at, self._ends = state, state.time, day_ends
        self._past: dict[Course, int] = {}
        self._today: dict[Course, int] = {}
        self._ending: list[DecayTerm] = []

    @property
    def dimensions(self) -> dict[str, float]:
        """Points that are no part of the total."""
        return {name: to_points(micro) for name, micro in self._beside.items() if micro}

    @property
    def decay(self) -> list[DecayTerm]:
        past = [_term(course, self._at, micro) for course, micro in sorted(self._past.items()) if micro]
        today = [_term(course, self._ends, micro) for course, micro in sorted(self._today.items()) if micro]
        if not self._ending:
            return past + today
        return past + today + sorted(self._ending, key=lambda term: (term.dimension or "", term.since))

    def add(self, rule: Rule, past: int, today: int, earned: int, told: int) -> None:
        """What is left of a rule's past days and what the present one counts; what all its days earned before they
        faded, and what they would have without caps."""
        if past:
            self._past[rule.course] = self._past.get(rule.course, 0) + past
        if today:
            self._today[rule.course] = self._today.get(rule.course, 0) + today
        if past + today:
            self._tell(rule, past + today, earned, told)

    def add_ending(self, rule: Rule, days: list[tuple[int, int, int]], earned: int, told: int) -> None:
        """The same of a rule whose days end one by one, as (micro, end of the day, until), the present one too."""
        now = 0
        for micro, end, until in days:
            left = decayed(micro, (self._at - end) / 1000, rule.half_life) if self._at < until else 0
            if left:
                now += left
                # Has faded already: rounded together with others, it would not be what it is by itself.
                self._ending.append(_term(rule.course, end, micro, until))
        if now:
            self._tell(rule, now, earned, told)

    def _tell(self, rule: Rule, now: int, earned: int, told: int) -> None:
        gathered = self._state.behaviour[rule.id]
        if rule.dimension is None:
            self.behaviour += now
        else:
            self._beside[rule.dimension] = self._beside.get(rule.dimension, 0) + now
        self.contributions.append(
            Contribution(
                rule=rule.id,
                dimension=rule.dimension or "behaviour",
                points=to_points(now),
                times=gathered.times,
                last=from_ms(gathered.last),
                event_id=gathered.event_id,
                earned=None if earned == now else to_points(earned),
                uncapped=None if told == earned else to_points(told),
            )
        )


_moment = lru_cache(maxsize=10_000)(from_ms)
"""Nearly all are ends of days."""


def _term(course: Course, since: int, micro: int, until: int | None = None) -> DecayTerm:
    dimension, half_life = course
    return DecayTerm(
        points=to_points(micro),
        since=_moment(since),
        half_life_seconds=half_life,
        until=None if until is None else _moment(until),
        dimension=dimension or None,
    )
