"""The behaviour score: points per rule and calendar day, capped, fading from the end of the day.

A rule's worth at a moment is Σ over days of `min(cap, sum of the day) · 2^(−(moment − end of day) / half-life)`, each
term rounded to a whole micro-point. Sums of whole numbers commute, so neither order nor batches change the score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from services.scorer.scoring.matching import MatchIndex
from services.scorer.scoring.state import LeadState, RuleDay
from services.scorer.scoring.times import day_end, day_of, from_ms
from shared.acceptance import too_late
from shared.events import Event
from shared.playbook.schema import BehaviourRule, BehaviourScore
from shared.reading import Fields
from shared.scores import Contribution, DecayTerm, decayed, to_micro, to_points

DAY_SECONDS = 24 * 60 * 60
UNCAPPED_MICRO = 2**53
"""More than anybody earns in a day, nine thousand million points; past it, floats are not exact anyway."""


@dataclass(frozen=True)
class Rule:
    """A behaviour rule in micro-points and seconds."""

    id: str
    micro: int
    cap: int | None
    once: bool
    half_life: float  # seconds
    kept_days: int
    """Days that ended longer ago are worth nothing any more and are forgotten."""

    def book(self, days: dict[int, RuleDay], day: int, time: int) -> None:
        """One more time on `day`. Of a rule that counts once, the earliest day decides and stands for all."""
        first = min(days, default=day) if self.once else day
        entry = days.setdefault(first, RuleDay())
        entry.times += 1
        entry.micro += self.micro
        entry.last = max(entry.last, time)
        if day < first:
            days[day] = days.pop(first)

    def oldest(self, today: int) -> int:
        """The earliest day that is still worth something when `today` is the lead's latest day."""
        return 0 if self.once else today - self.kept_days

    def days(self, days: dict[int, RuleDay]) -> Iterator[tuple[int, int]]:
        """(day, micro-points earned on it after the cap)."""
        if self.once:
            yield min(days), self.micro
        elif self.cap is None:
            yield from ((number, day.micro) for number, day in days.items())
        else:
            yield from ((number, max(-self.cap, min(self.cap, day.micro))) for number, day in days.items())


Worth = tuple[Rule, int, int]
"""(rule, end of the day in ms, micro-points that the day's sum is worth at the moment asked for)."""


class Behaviour:
    """The behaviour rules of a playbook, compiled."""

    def __init__(self, score: BehaviourScore, zone: ZoneInfo) -> None:
        self._zone = zone
        rules = [(rule.when, _compile(rule, score)) for rule in score.rules]
        self._index = MatchIndex(rules)
        self._rules = {rule.id: rule for _, rule in rules}

    def add(self, state: LeadState, event: Event, fields: Fields, time: int) -> None:
        """Book the event under every rule it matches. `state.time` includes it already."""
        if too_late(event):
            return
        day, today = day_of(from_ms(time), self._zone), day_of(from_ms(state.time), self._zone)
        for rule in self._index.find(event, fields):
            if day >= rule.oldest(today):
                rule.book(state.behaviour.setdefault(rule.id, {}), day, time)

    def forget(self, state: LeadState, before: int) -> None:
        """Drop the days that are worth nothing at the lead's latest time, nor ever after: the state stays bounded, and
        the score is the same. An explanation's `times` and `last` tell only of the days that are left. Whether a day
        is dropped depends on nothing but the latest time: a late event for it is not booked either.

        `before` is the latest time before this event: within a day there is nothing to do."""
        today = day_of(from_ms(state.time), self._zone)
        if today == day_of(from_ms(before), self._zone):
            return
        for id, days in list(state.behaviour.items()):
            rule = self._rules.get(id)
            if rule is None:
                continue
            for day in [day for day in days if day < rule.oldest(today)]:
                del days[day]
            if not days:
                del state.behaviour[id]

    def worth(self, state: LeadState, at: int) -> list[Worth]:
        """What every rule and day is worth at the moment `at`. Rules that the playbook no longer has are left out."""
        found: list[Worth] = []
        for id, days in state.behaviour.items():
            rule = self._rules.get(id)
            if rule is None:
                continue
            for number, micro in rule.days(days):
                end = day_end(number, self._zone)
                found.append((rule, end, decayed(micro, (at - end) / 1000, rule.half_life)))
        return found

    @staticmethod
    def contributions(state: LeadState, worth: list[Worth]) -> list[Contribution]:
        """What each rule adds; rules worth nothing any more are left out."""
        sums: dict[str, int] = {}
        for rule, _, micro in worth:
            sums[rule.id] = sums.get(rule.id, 0) + micro
        return [
            Contribution(
                rule=id,
                dimension="behaviour",
                points=to_points(micro),
                times=sum(day.times for day in state.behaviour[id].values()),
                last=from_ms(max(day.last for day in state.behaviour[id].values())),
            )
            for id, micro in sums.items()
            if micro
        ]

    @staticmethod
    def decay(worth: list[Worth], at: int) -> list[DecayTerm]:
        """The fewest terms that tell the score at any later moment: those of past days are summed at `at`,
        days that are not over begin to fade at their end."""
        sums: dict[tuple[float, int], int] = {}
        for rule, end, micro in worth:
            key = (rule.half_life, max(at, end))
            sums[key] = sums.get(key, 0) + micro
        return [
            DecayTerm(points=to_points(micro), since=from_ms(since), half_life_seconds=half_life)
            for (half_life, since), micro in sorted(sums.items())
            if micro
        ]


def _compile(rule: BehaviourRule, score: BehaviourScore) -> Rule:
    cap = to_micro(rule.cap_per_day) if rule.cap_per_day is not None else None
    half_life = (rule.half_life or score.half_life).total_seconds()
    return Rule(
        id=rule.id,
        micro=to_micro(rule.points),
        cap=cap,
        once=rule.once,
        half_life=half_life,
        kept_days=_days_until_nothing(UNCAPPED_MICRO if cap is None else cap, half_life),
    )


def _days_until_nothing(micro: int, half_life: float) -> int:
    """After how many whole days `micro` has faded to less than half a micro-point, which is rounded to 0. One more
    day, because a day's end may move by an hour with the clocks, and the last half-life must have passed."""
    return math.ceil(math.log2(2 * max(micro, 1)) * half_life / DAY_SECONDS) + 2
