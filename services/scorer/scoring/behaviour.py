"""The behaviour score: points per rule and calendar day, capped, fading from the end of the day.

A rule's worth at a moment is Σ over days of `min(cap, sum of the day) · 2^(−(moment − end of day) / half-life)`, each
term rounded to a whole micro-point. Sums of whole numbers commute, so neither order nor batches change the score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from services.scorer.scoring.matching import Fields, MatchIndex
from services.scorer.scoring.state import LeadState, RuleDay
from services.scorer.scoring.times import day_end, day_of, from_ms
from shared.events import Event
from shared.playbook.schema import BehaviourRule, BehaviourScore
from shared.scores import Contribution, DecayTerm, decayed, to_micro, to_points


@dataclass(frozen=True)
class Rule:
    """A behaviour rule in micro-points and seconds."""

    id: str
    micro: int
    cap: int | None
    once: bool
    half_life: float  # seconds

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
        """Book the event under every rule it matches."""
        for rule in self._index.find(event, fields):
            days = state.behaviour.setdefault(rule.id, {})
            day = days.setdefault(day_of(from_ms(time), self._zone), RuleDay())
            day.times += 1
            day.micro += rule.micro
            day.last = max(day.last, time)

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
    return Rule(
        id=rule.id,
        micro=to_micro(rule.points),
        cap=to_micro(rule.cap_per_day) if rule.cap_per_day is not None else None,
        once=rule.once,
        half_life=(rule.half_life or score.half_life).total_seconds(),
    )
