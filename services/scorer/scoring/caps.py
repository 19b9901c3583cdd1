"""Caps that reach beyond one day, or over several rules: which of what was told counts.

A cap goes through the days in their order, and through the rules of a group in the playbook's order, and lets pass what
is left of its period: a day, a calendar week, or ever. A rule's own caps come first, then its group's. What counts of
each day so follows from the set of events, whatever the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.scorer.scoring.line import put_aside
from services.scorer.scoring.parts import RuleState
from services.scorer.scoring.rules import WEEK, Rule
from services.scorer.scoring.times import NEVER
from shared.playbook.points import BehaviourScore, Caps
from shared.points import to_micro


class Cap(NamedTuple):
    """At most `micro`, up or down, within `days`: 1, 7 (a calendar week), or 0 (ever)."""

    micro: int
    days: int


Counted = tuple[Rule, int, int]
"""What counts of a rule's day, and what was told, in micro-points. No named tuple, as making one takes as long as
counting does."""


class Pool:
    """Rules whose days are counted together, in the playbook's order: those of a group, or one with a cap beyond the
    day. `own` are their caps but the day's, `shared` the group's.

    A list of what each cap has let pass in its present period, `used`, goes from one day to the next."""

    def __init__(self, rules: Sequence[Rule], own: Sequence[Sequence[Cap]], shared: Sequence[Cap]) -> None:
        self.rules = tuple(rules)
        self.ids = frozenset(rule.id for rule in rules)
        self._caps = [*shared, *(cap for caps in own for cap in caps)]
        places = iter(range(len(shared), len(self._caps)))
        of_group = [(place, cap.micro) for place, cap in enumerate(shared)]
        self._ways = [
            (rule, [*((next(places), cap.micro) for cap in caps), *of_group])
            for rule, caps in zip(rules, own, strict=True)
        ]
        owners = [
            *(self.rules for _ in shared),
            *((rule,) for rule, caps in zip(rules, own, strict=True) for _ in caps),
        ]
        self._endless = [
            (place, cap.micro, owner)
            for place, (cap, owner) in enumerate(zip(self._caps, owners, strict=True))
            if cap.days == 0
        ]
        self.is_whole = bool(self._endless) or any(rule.expires is not None for rule in rules)
        """Whether what counts of a day depends on all days before it, or each day has an end of its own."""
        self.is_endless = bool(self._endless)
        """Whether `forget` may put some aside."""
        self._is_weekly = any(cap.days == WEEK for cap in self._caps)

    def first_day(self, today: int) -> int:
        """The earliest day that what counts of `today` depends on."""
        if self.is_whole:
            return 0
        return today - (today - 1) % WEEK if self._is_weekly else today

    def unused(self) -> list[int]:
        return [0] * len(self._caps)

    def begin(self, used: list[int], last: int, day: int) -> None:
        """From the day `last` to `day`: some periods are over. Day 1 of the calendar was a Monday."""
        for place, cap in enumerate(self._caps):
            if cap.days and (last - 1) // cap.days != (day - 1) // cap.days:
                used[place] = 0

    def count(self, behaviour: dict[str, RuleState], day: int, used: list[int]) -> list[Counted]:
        """What counts of a day; `used` follows."""
        found = []
        for rule, way in self._ways:
            state = behaviour.get(rule.id)
            gathered = state.days.get(day) if state is not None else None
            if gathered is None:
                continue
            micro = rule.of_day(gathered)
            for place, limit in way:
                before = used[place]
                used[place] = max(-limit, min(limit, before + micro))
                micro = used[place] - before
            found.append((rule, micro, rule.told(gathered)))
        return found

    def walk(
        self, behaviour: dict[str, RuleState], since: int, until: int, used: list[int]
    ) -> Iterator[tuple[int, list[Counted]]]:
        """What counts of each day from `since` to before `until` on which something was gathered. `used` follows; at
        the end it is what it is as the day `until` begins."""
        last = since
        for day in self._days(behaviour, since, until):
            self.begin(used, last, day)
            last = day
            yield day, self.count(behaviour, day, used)
        self.begin(used, last, until)

    def _days(self, behaviour: dict[str, RuleState], since: int, until: int) -> list[int]:
        found: set[int] = set()
        for rule in self.rules:
            state = behaviour.get(rule.id)
            if state is not None:
                found.update(state.days)
        return sorted([day for day in found if since <= day < until])

    def forget(self, behaviour: dict[str, RuleState]) -> None:
        """Put aside the days after those that have used up a cap for ever: what is told later of earlier days can only
        use it up sooner. So no state grows for ever, and days are gone through as fast as before."""
        for place, limit, owners in self._endless:
            used = self.unused()
            for day, _ in self.walk(behaviour, 0, NEVER, used):
                if used[place] >= limit:
                    for rule in owners:
                        _put_aside_after(day, behaviour.get(rule.id))
                    break


def _put_aside_after(day: int, gathered: RuleState | None) -> None:
    if gathered is not None and (later := [other for other in gathered.days if other > day]):
        put_aside(gathered, later)


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
            [rules[id] for id in ids],
            [own[id] for id in ids],
            _all_caps(group_of[ids[0]]) if ids[0] in group_of else [],
        )
        for ids in pools.values()
    ]


def _all_caps(caps: Caps) -> list[Cap]:
    of_day = [Cap(to_micro(caps.cap_per_day), 1)] if caps.cap_per_day is not None else []
    return of_day + _beyond_the_day(caps)


def _beyond_the_day(caps: Caps) -> list[Cap]:
    limits = ((caps.cap_per_week, WEEK), (caps.cap_ever, 0))
    return [Cap(to_micro(limit), days) for limit, days in limits if limit is not None]
