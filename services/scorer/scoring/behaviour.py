"""The behaviour score: points per rule and calendar day, capped, fading from the end of the day.

A rule's points are an account. Over the days on which it earned something, in their order,

    account = account · 2^(−(end of the day − end of the earning day before it) / half-life) + min(cap, sum of the day)

and at a moment it is worth `account · 2^(−(moment − end of its last day) / half-life)` of the days that are over, and
all of `min(cap, sum)` of the present day. Each product is rounded to whole micro-points. The days of an account are a
set, so neither the order of events nor batches change the score; and the next day continues the account of the last,
so that an event costs the same however long the lead's history is. An account goes back `FADED_AFTER` half-lives.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec

from services.scorer.scoring.state import Account, LeadState, RuleDay, Today
from services.scorer.scoring.times import day_end, day_of, from_ms
from shared.playbook.schema import BehaviourRule, BehaviourScore
from shared.scores import Contribution, DecayTerm, decayed, to_micro, to_points

DAY_SECONDS = 24 * 60 * 60
FADED_AFTER = 32
"""Half-lives after which a day counts for nothing: of a thousand points less than a micro-point would be left."""


@dataclass(frozen=True)
class Rule:
    """A behaviour rule in micro-points and seconds."""

    id: str
    micro: int
    cap: int | None
    once: bool
    half_life: float  # seconds
    kept_days: int
    """Earlier days are no part of the account any more, and are forgotten."""

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
        """The earliest day of the account when `today` is the lead's latest day."""
        return 0 if self.once else today - self.kept_days

    def of_day(self, day: RuleDay) -> int:
        """What counts of a day, in micro-points."""
        if self.once:
            return self.micro
        return day.micro if self.cap is None else max(-self.cap, min(self.cap, day.micro))

    def left(self, account: Account, at: int) -> int:
        """What is left of an account at the moment `at`."""
        return decayed(account.micro, (at - account.end) / 1000, self.half_life) if account.micro else 0

    def carried(self, account: Account, end: int, day: RuleDay) -> Account:
        """The account after the day that ends at `end`."""
        micro = self.left(account, end) + self.of_day(day)
        return Account(micro, end, account.times + day.times, max(account.last, day.last))


class Worth(msgspec.Struct, frozen=True):
    """What a rule is worth at the moment asked for, in micro-points: of the past days, and of the present one; how
    often and when it was earned."""

    rule: Rule
    past: int
    today: int
    times: int
    last: int


class Behaviour:
    """The behaviour rules of a playbook, compiled."""

    def __init__(self, score: BehaviourScore, zone: ZoneInfo) -> None:
        self._zone = zone
        self.rules = [(rule.when, _compile(rule, score)) for rule in score.rules]
        self._by_id = {rule.id: rule for _, rule in self.rules}

    def add(self, state: LeadState, matched: Sequence[Rule], time: int) -> None:
        """Book an event under the rules that it matches. `state.time` includes it already."""
        if not matched:
            return
        today = self._turn_to_today(state)
        day = today.day if today.begins <= time else day_of(time, self._zone)
        for rule in matched:
            if day >= rule.oldest(today.day):
                rule.book(state.behaviour.setdefault(rule.id, {}), day, time)
                if day < today.day or rule.once:
                    today.past.pop(rule.id, None)

    def total(self, state: LeadState) -> int:
        """What all rules together are worth at the lead's latest time, in micro-points. Like `worth` it turns the state
        to that day, if need be."""
        at = state.time
        return sum(
            rule.left(account, at) + (rule.of_day(of_today) if of_today is not None else 0)
            for rule, account, of_today in self._accounts(state)
        )

    def worth(self, state: LeadState) -> list[Worth]:
        """The same, rule by rule. Rules that the playbook no longer has are left out."""
        found = []
        for rule, account, of_today in self._accounts(state):
            past, now, times, last = rule.left(account, state.time), 0, account.times, account.last
            if of_today is not None:
                now, times, last = rule.of_day(of_today), times + of_today.times, max(last, of_today.last)
            found.append(Worth(rule, past, now, times, last))
        return found

    def _accounts(self, state: LeadState) -> Iterator[tuple[Rule, Account, RuleDay | None]]:
        """Each rule with its account of the past days, and what the present one has gathered."""
        today = self._turn_to_today(state)
        for id, days in state.behaviour.items():
            rule = self._by_id.get(id)
            if rule is None:
                continue
            account = today.past.get(id)
            if account is None:
                account = today.past[id] = self._past(rule, days, today.day)
            yield rule, account, days.get(today.day)

    def _past(self, rule: Rule, days: dict[int, RuleDay], today: int) -> Account:
        """The account of the days before `today`."""
        account = Account()
        for number in sorted(days):
            if number < today:
                account = rule.carried(account, day_end(number, self._zone), days[number])
        return account

    def _turn_to_today(self, state: LeadState) -> Today:
        """The day of the lead's latest time. When another begins, the accounts go on to it."""
        last = state.today
        if last is not None and state.time < last.ends:
            return last
        day = day_of(state.time, self._zone)
        today = state.today = Today(day, day_end(day - 1, self._zone), day_end(day, self._zone), {})
        if last is not None:
            for id, account in last.past.items():
                rule, of_last = self._by_id[id], state.behaviour[id].get(last.day)
                today.past[id] = account if of_last is None else rule.carried(account, last.ends, of_last)
        self._forget(state, today)
        return today

    def _forget(self, state: LeadState, today: Today) -> None:
        """Drop the days before the oldest of each account: the state stays bounded. An explanation's `times` and `last`
        tell only of the days that are left. Whether a day is dropped depends on nothing but the latest time: a late
        event for it is not booked either."""
        for id, days in list(state.behaviour.items()):
            rule = self._by_id.get(id)
            if rule is None or min(days) >= (oldest := rule.oldest(today.day)):
                continue
            for day in [day for day in days if day < oldest]:
                del days[day]
            today.past.pop(id, None)
            if not days:
                del state.behaviour[id]

    @staticmethod
    def contributions(worth: Iterable[Worth]) -> list[Contribution]:
        """What each rule adds; rules worth nothing any more are left out."""
        return [
            Contribution(
                rule=one.rule.id,
                dimension="behaviour",
                points=to_points(one.past + one.today),
                times=one.times,
                last=from_ms(one.last),
            )
            for one in worth
            if one.past + one.today
        ]

    @staticmethod
    def decay(state: LeadState, worth: Iterable[Worth]) -> list[DecayTerm]:
        """The fewest terms that tell the score at any later moment: past days are summed at the lead's latest time,
        the present one begins to fade at its end."""
        assert state.today is not None, "worth() has turned to the present day"
        sums: dict[tuple[float, int], int] = {}
        for one in worth:
            for since, micro in ((state.time, one.past), (state.today.ends, one.today)):
                key = (one.rule.half_life, since)
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
        kept_days=math.ceil(FADED_AFTER * half_life / DAY_SECONDS),
    )
