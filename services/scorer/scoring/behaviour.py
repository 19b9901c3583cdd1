"""The behaviour score: points per rule and calendar day, capped, fading from the end of the day.

A rule's worth at a moment is Σ over days of `min(cap, sum of the day) · 2^(−(moment − end of day) / half-life)`, each
term rounded to a whole micro-point. Sums of whole numbers commute, so neither order nor batches change the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from services.scorer.scoring.matching import Fields, MatchIndex
from services.scorer.scoring.state import LeadState, RuleDay
from services.scorer.scoring.times import day_end, day_of, from_ms
from shared.events import Event
from shared.playbook.schema import BehaviourRule, BehaviourScore
from shared.scores import Contribution, DecayTerm, decayed, to_micro, to_points


@dataclass(frozen=True)
class _Rule:
    id: str
    micro: int
    cap: int | None
    once: bool
    half_life: float  # seconds


class Behaviour:
    """The behaviour rules of a playbook, compiled."""

    def __init__(self, score: BehaviourScore, zone: ZoneInfo) -> None:
        self._zone = zone
        rules = [(rule.when, _compile(rule, score)) for rule in score.rules]
        self._index = MatchIndex(rules)
        self._rules = {rule.id: rule for _, rule in rules}

    def add(self, state: LeadState, event: Event, fields: Fields, time: int) -> bool:
        """Book the event under every rule it matches; tells whether any did."""
        matched = self._index.find(event, fields)
        for rule in matched:
            days = state.behaviour.setdefault(rule.id, {})
            day = days.setdefault(day_of(from_ms(time), self._zone), RuleDay())
            day.times += 1
            day.micro += rule.micro
            day.last = max(day.last, time)
        return bool(matched)

    def total(self, state: LeadState, at: int) -> int:
        """Micro-points of all rules at the moment `at`."""
        return sum(
            decayed(micro, (at - end) / 1000, rule.half_life)
            for rule, days in self._known(state)
            for micro, end in self._terms(rule, days)
        )

    def contributions(self, state: LeadState, at: int) -> list[Contribution]:
        """What each rule adds at the moment `at`; rules worth nothing any more are left out."""
        found = []
        for rule, days in self._known(state):
            micro = sum(decayed(part, (at - end) / 1000, rule.half_life) for part, end in self._terms(rule, days))
            if micro:
                times = sum(day.times for day in days.values())
                last = from_ms(max(day.last for day in days.values()))
                found.append(
                    Contribution(rule=rule.id, dimension="behaviour", points=to_points(micro), times=times, last=last)
                )
        return found

    def decay(self, state: LeadState, at: int) -> list[DecayTerm]:
        """The fewest terms that tell the score at any later moment: those of past days are summed at `at`,
        days that are not over begin to fade at their end."""
        sums: dict[tuple[float, int], int] = {}
        for rule, days in self._known(state):
            for micro, end in self._terms(rule, days):
                key = (rule.half_life, max(at, end))
                sums[key] = sums.get(key, 0) + decayed(micro, (at - end) / 1000, rule.half_life)
        return [
            DecayTerm(points=to_points(micro), since=from_ms(since), half_life_seconds=half_life)
            for (half_life, since), micro in sorted(sums.items())
            if micro
        ]

    def _known(self, state: LeadState) -> list[tuple[_Rule, dict[int, RuleDay]]]:
        """Rules with something booked. What a rule gathered that the playbook no longer has counts for nothing."""
        return [(self._rules[id], days) for id, days in state.behaviour.items() if id in self._rules]

    def _terms(self, rule: _Rule, days: dict[int, RuleDay]) -> list[tuple[int, int]]:
        """(micro-points of a day after its cap, end of that day)."""
        if rule.once:
            return [(rule.micro, day_end(min(days), self._zone))]
        return [(_capped(day.micro, rule.cap), day_end(number, self._zone)) for number, day in days.items()]


def _compile(rule: BehaviourRule, score: BehaviourScore) -> _Rule:
    return _Rule(
        id=rule.id,
        micro=to_micro(rule.points),
        cap=to_micro(rule.cap_per_day) if rule.cap_per_day is not None else None,
        once=rule.once,
        half_life=(rule.half_life or score.half_life).total_seconds(),
    )


def _capped(micro: int, cap: int | None) -> int:
    return micro if cap is None else max(-cap, min(cap, micro))
