"""Caps that reach beyond one day, or over several rules: which of what was told counts.

A cap goes through the days in their order, and through the rules of a group in the playbook's order, and lets pass what
is left of its period: a day, a calendar week, or ever. A rule's own caps come first, then its group's. What counts of
each day so follows from the set of events, whatever the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.scorer.scoring.rules import WEEK, Rule
from services.scorer.scoring.state import RuleState
from shared.playbook.points import BehaviourScore, Caps
from shared.scores import to_micro


@dataclass(frozen=True)
class Cap:
    """At most `micro`, up or down, within `days`: 1, 7 (a calendar week), or 0 (ever)."""

    micro: int
    days: int


class Meter:
    """What a cap has let pass in its present period."""

    def __init__(self, cap: Cap) -> None:
        self._limit, self._days = cap.micro, cap.days
        self._period, self.used = 0, 0

    def take(self, day: int, micro: int) -> int:
        """What passes of `micro` on `day`; days must not go back."""
        # Day 1 of the calendar was a Monday.
        period = (day - 1) // self._days if self._days else 0
        if period != self._period:
            self._period, self.used = period, 0
        used = max(-self._limit, min(self._limit, self.used + micro))
        passed, self.used = used - self.used, used
        return passed

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing that is told of later days can pass; only ever where the cap is for ever."""
        return not self._days and self.used == self._limit


@dataclass(frozen=True)
class Pool:
    """Rules whose days are counted together, in the playbook's order: those of a group, or one with a cap beyond the
    day. `own` are their caps but the day's, `shared` the group's."""

    rules: tuple[Rule, ...]
    own: tuple[tuple[Cap, ...], ...]
    shared: tuple[Cap, ...]

    @property
    def is_whole(self) -> bool:
        """Whether what counts of a day depends on all days before it, or each day has an end of its own."""
        return _is_endless(self._caps) or any(rule.expires is not None for rule in self.rules)

    def first_day(self, today: int) -> int:
        """The earliest day that what counts of `today` depends on."""
        if self.is_whole:
            return 0
        return today - (today - 1) % WEEK if any(cap.days == WEEK for cap in self._caps) else today

    @property
    def _caps(self) -> Iterator[Cap]:
        yield from self.shared
        for caps in self.own:
            yield from caps

    def counted(self, behaviour: dict[str, RuleState], since: int, until: int) -> list[tuple[Rule, int, int, int]]:
        """(rule, day, what counts of it, what was told) of the days from `since` to before `until`, in their order."""
        states = [behaviour.get(rule.id) for rule in self.rules]
        days = sorted({day for state in states if state for day in state.days if since <= day < until})
        own, shared = [[Meter(cap) for cap in caps] for caps in self.own], [Meter(cap) for cap in self.shared]
        found: list[tuple[Rule, int, int, int]] = []
        for day in days:
            for rule, state, meters in zip(self.rules, states, own, strict=True):
                if state is None or day not in state.days:
                    continue
                gathered = state.days[day]
                micro = rule.of_day(gathered)
                for meter in (*meters, *shared):
                    micro = meter.take(day, micro)
                found.append((rule, day, micro, rule.told(gathered)))
        return found

    def forget(self, behaviour: dict[str, RuleState]) -> None:
        """Drop the days after those that have used up a cap for ever: what is told later of earlier days can only use
        it up sooner. So no state grows for ever."""
        for rule, caps in zip(self.rules, self.own, strict=True):
            if _is_endless(caps):
                _drop_after_the_last_that_passes([rule], caps, behaviour)
        if _is_endless(self.shared):
            _drop_after_the_last_that_passes(self.rules, self.shared, behaviour)


def _is_endless(caps: Iterable[Cap]) -> bool:
    return any(cap.days == 0 for cap in caps)


def _drop_after_the_last_that_passes(
    rules: Sequence[Rule], caps: Sequence[Cap], behaviour: dict[str, RuleState]
) -> None:
    meters = [Meter(cap) for cap in caps]
    states = [(rule, behaviour[rule.id]) for rule in rules if rule.id in behaviour]
    exhausted = False
    for day in sorted({day for _, state in states for day in state.days}):
        for rule, state in states:
            if exhausted:
                state.days.pop(day, None)
            elif day in state.days:
                micro = rule.of_day(state.days[day])
                for meter in meters:
                    micro = meter.take(day, micro)
        exhausted = exhausted or any(meter.is_exhausted for meter in meters)


def pools_of(score: BehaviourScore, rules: dict[str, Rule]) -> list[Pool]:
    """The pools of a playbook's behaviour score; `rules` by their ids."""
    pools: dict[str, list[str]] = {}
    for rule in score.rules:
        if rules[rule.id].pooled:
            pools.setdefault(f"group {rule.group}" if rule.group else f"rule {rule.id}", []).append(rule.id)
    own = {rule.id: _beyond_the_day(rule) for rule in score.rules}
    group_of = {rule.id: score.groups[rule.group] for rule in score.rules if rule.group}
    return [
        Pool(
            tuple(rules[id] for id in ids),
            tuple(own[id] for id in ids),
            _all_caps(group_of[ids[0]]) if ids[0] in group_of else (),
        )
        for ids in pools.values()
    ]


def _all_caps(caps: Caps) -> tuple[Cap, ...]:
    of_day = (Cap(to_micro(caps.cap_per_day), 1),) if caps.cap_per_day is not None else ()
    return of_day + _beyond_the_day(caps)


def _beyond_the_day(caps: Caps) -> tuple[Cap, ...]:
    limits = ((caps.cap_per_week, WEEK), (caps.cap_ever, 0))
    return tuple(Cap(to_micro(limit), days) for limit, days in limits if limit is not None)
