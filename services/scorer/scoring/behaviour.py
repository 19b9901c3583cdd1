"""The behaviour score: points per rule and calendar day, capped, fading from the end of the day (see `rules`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.scorer.scoring.caps import Pool, pools_of
from services.scorer.scoring.days import Days
from services.scorer.scoring.explaining import Explanation
from services.scorer.scoring.rules import NOTHING, Rule, compiled
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import day_of
from services.scorer.scoring.today import Today
from shared.events import Event
from shared.playbook.checks import as_number
from shared.playbook.points import BehaviourScore
from shared.points import decayed, to_micro
from shared.reading import at_path

MOST_AT_ONCE = 1e6  # of a property that gives points: senders write what they like


class Earning(NamedTuple):
    """What an event earns by a rule: once more, or so many millionths of the property that gives the points."""

    rule: Rule
    amount: int


def earned(rule: Rule, event: Event) -> Earning | None:
    """None where the property that gives the points holds no number."""
    if rule.source is None:
        return Earning(rule, 1)
    number = as_number(at_path(event.properties, rule.source))
    if number is None:
        return None
    # What is to be used up for ever must not be given back.
    least = 0.0 if rule.capped_for_ever else -MOST_AT_ONCE
    return Earning(rule, to_micro(max(least, min(MOST_AT_ONCE, number))))


class Behaviour:
    """The behaviour rules of a playbook, compiled."""

    def __init__(self, score: BehaviourScore, zone: ZoneInfo) -> None:
        self._zone, self.late_after = zone, score.late_after
        self.rules = [(rule.when, made) for rule, made in zip(score.rules, compiled(score), strict=True)]
        self._by_id = {rule.id: rule for _, rule in self.rules}
        self._pools = pools_of(score, self._by_id)
        self._pool_of = {rule.id: pool for pool in self._pools for rule in pool.rules}
        of_total = [rule for _, rule in self.rules if rule.dimension is None]
        self._shortest = min((rule.half_life for rule in of_total), default=math.inf)
        self._uneven = {rule.id for rule in of_total if rule.is_uneven}
        self._sinking = [rule for rule in of_total if rule.may_sink]
        self._days = Days(self._by_id, self._pools, zone)

    def book(self, state: LeadState, earnings: Sequence[Earning], time: int, event_id: str) -> None:
        """Book an event under the rules that it matches; the lead's latest time includes the event's already."""
        if not earnings:
            return
        today = self._days.today(state)
        for earning in earnings:
            rule, amount = earning
            if rule.is_plain and today.begins <= time:
                today.earned += rule.book(state.behaviour, state.day, amount, time, event_id)
            else:
                self._book_specially(state, today, earning, time, event_id)

    def recycle(self, state: LeadState, time: int) -> None:
        """Nothing counts any more of what the lead did up to the day of `time`, unless a later line is known. The
        lead's latest time includes it already."""
        if time > state.epoch:
            state.epoch = time
            self._days.draw_line(state)

    def worth(self, state: LeadState) -> int:
        """What all rules of the total together are worth at the lead's latest time, in micro-points."""
        today, at = self._days.today(state), state.time
        fading = today.fading
        if fading is None:
            fading = self._reckon(state, today)
        total = today.earned + (today.pooled if today.pooled is not None else self._count_pools(state, today))
        for micro, end, half_life in fading:
            # As `decayed`, without a call for each: of leads over a threshold this is asked for every event.
            total += round(micro * 2.0 ** ((end - at) / 1000 / half_life))
        if today.ending:
            ending = [one for one in today.ending if at < one[3]]
            total += sum(decayed(micro, (at - end) / 1000, half_life) for micro, end, half_life, _ in ending)
        return total

    def may_rise(self, state: LeadState) -> int:
        """By how much its score may rise at most, in micro-points, as time passes and nothing happens: by what is
        negative of it."""
        rise = 0
        if not any(rule.id in state.behaviour for rule in self._sinking):
            return rise
        today = self._days.today(state)
        fading = today.fading if today.fading is not None else self._reckon(state, today)
        for micro, _, _ in fading:
            rise -= min(micro, 0)
        for micro, _, _, _ in today.ending:
            rise -= min(micro, 0)
        for rule in self._sinking:
            gathered = state.behaviour.get(rule.id)
            rise -= min(0, rule.of_day(gathered.days.get(state.day, 0))) if gathered is not None else 0
        return rise

    def share_left(self, state: LeadState, milliseconds: int) -> float | None:
        """What share of a behaviour score is left after so long, at least; None where that cannot be said, as it may
        rise by itself or fall all at once."""
        if not self._uneven.isdisjoint(state.behaviour):
            return None
        left: float = 2.0 ** (-milliseconds / 1000 / self._shortest)
        return left

    def explain(self, state: LeadState) -> Explanation:
        """The same rule by rule, of every dimension."""
        today, at = self._days.today(state), state.time
        explained = Explanation(state, today.ends)
        for rule, account, of_today in self._days.accounts(state):
            left = rule.left(account, at)
            if of_today is None:
                explained.add(rule, left, 0, account.earned, account.told)
            else:
                counted = rule.of_day(of_today)
                told = counted if rule.cap is None else rule.told(of_today)
                explained.add(rule, left, counted, account.earned + counted, account.told + told)
        for pool in self._days.pools_known(state):
            self._explain_pool(state, today, pool, explained)
        return explained

    def _explain_pool(self, state: LeadState, today: Today, pool: Pool, explained: Explanation) -> None:
        past = self._days.past_of(state, today, pool)
        of_today = {
            rule.id: (micro, told) for rule, micro, told in pool.count(state.behaviour, state.day, [*past.used])
        }
        for rule in pool.rules:
            if rule.id not in state.behaviour:
                continue
            one = past.by_rule.get(rule.id)  # None: first told of today
            account = one.account if one is not None else NOTHING
            counted, told = of_today.get(rule.id, (0, 0))
            earned, told = account.earned + counted, account.told + told
            if rule.expires is None:
                explained.add(rule, rule.left(account, state.time), counted, earned, told)
            else:
                days = [*(one.days if one is not None else ()), (counted, today.ends, today.ends + rule.expires)]
                explained.add_ending(rule, days, earned, told)

    def can_follow(self, state: LeadState) -> bool:
        """Whether nothing is forgotten, by other rules of the same ids, that these would count."""
        return not any(
            rule is not None and rule.kept_days is not None and 0 < rule.oldest(state.day) <= gathered.forgot
            for rule, gathered in ((self._by_id.get(id), gathered) for id, gathered in state.behaviour.items())
        )

    def tidy(self, state: LeadState) -> None:
        """Drop what counts no more, after days have come by other ways than `book`; `day` must be forgotten."""
        if state.epoch:
            self._days.draw_line(state)
        for pool in self._days.pools_known(state):
            pool.forget(state.behaviour)
        self._days.today(state)

    def counted_with(self, ids: Iterable[str]) -> set[str]:
        """These rules, and those of which days are put aside when these have used up a cap for ever."""
        found = set(ids)
        return found.union(*(pool.ids for pool in self._pools if pool.is_endless and not pool.ids.isdisjoint(found)))

    def _book_specially(self, state: LeadState, today: Today, earning: Earning, time: int, event_id: str) -> None:
        """Book what changes more than what the rule by itself has of the present day."""
        rule, amount = earning
        pool = self._pool_of.get(rule.id)
        if today.begins <= time and not rule.once:
            added = rule.book(state.behaviour, state.day, amount, time, event_id)
            if pool is not None:
                today.pooled = None
                if pool.is_endless:
                    pool.forget(state.behaviour)
            elif rule.dimension is None:
                today.earned += added
            return
        if self._days.is_before_line(state, time):
            rule.book(state.behaviour, None, amount, time, event_id)
            return
        day = day_of(time, self._zone)
        if day < rule.oldest(state.day):
            rule.book(state.behaviour, None, amount, time, event_id)
            gathered = state.behaviour[rule.id]
            gathered.forgot = max(gathered.forgot, day)
            return
        rule.book(state.behaviour, day, amount, time, event_id)
        state.first = min(state.first, day)
        if pool is not None:
            pool.forget(state.behaviour)
        if day < state.day or rule.once:
            self._days.forget_accounts(state, rule.id)
        today.fading, today.pools = None, {}

    def _count_pools(self, state: LeadState, today: Today) -> int:
        """What the present day counts of all pools, as part of the total; kept until something of it changes."""
        pooled = 0
        for pool in self._days.pools_known(state):
            for rule, micro, _ in pool.count(
                state.behaviour, state.day, [*self._days.past_of(state, today, pool).used]
            ):
                if rule.dimension is None:
                    pooled += micro
        today.pooled = pooled
        return pooled

    def _reckon(self, state: LeadState, today: Today) -> list[tuple[int, int, float]]:
        today.earned, today.pooled, today.fading, today.ending = 0, None, [], []
        for rule, account, of_today in self._days.accounts(state):
            if rule.dimension is not None:
                continue
            if account.micro:
                today.fading.append((account.micro, account.end, rule.half_life))
            if of_today is not None:
                today.earned += rule.of_day(of_today)
        for pool in self._days.pools_known(state):
            for past in self._days.past_of(state, today, pool).by_rule.values():
                rule, account = past.rule, past.account
                if rule.dimension is not None:
                    continue
                if rule.expires is not None:
                    today.ending += [(micro, end, rule.half_life, until) for micro, end, until in past.days if micro]
                elif account.micro:
                    today.fading.append((account.micro, account.end, rule.half_life))
        return today.fading
