"""The behaviour score: points per rule and calendar day, capped, fading from the end of the day (see `rules`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.scorer.scoring.caps import Pool, pools_of
from services.scorer.scoring.explaining import Explanation
from services.scorer.scoring.pasts import PoolPast, carry_on, past_of
from services.scorer.scoring.rules import NOTHING, Rule, compiled
from services.scorer.scoring.state import Account, LeadState, RuleState
from services.scorer.scoring.times import day_end, day_of
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
        self._forgetful = sorted(
            ((rule.kept_days, rule) for _, rule in self.rules if rule.kept_days is not None), key=lambda one: one[0]
        )
        """Those that forget, the soonest first."""

    def book(self, state: LeadState, earnings: Sequence[Earning], time: int, event_id: str) -> None:
        """Book an event under the rules that it matches; the lead's latest time includes the event's already."""
        if not earnings:
            return
        today = self._today(state)
        for earning in earnings:
            rule, amount = earning
            if rule.is_plain and today.begins <= time:
                today.earned += rule.book(state.behaviour, state.day, amount, time, event_id)
            else:
                self._book_specially(state, today, earning, time, event_id)

    def worth(self, state: LeadState) -> int:
        """What all rules of the total together are worth at the lead's latest time, in micro-points."""
        today, at = self._today(state), state.time
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
        today = self._today(state)
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
        today, at = self._today(state), state.time
        explained = Explanation(state, today.ends)
        for rule, account, of_today in self._accounts(state):
            left = rule.left(account, at)
            if of_today is None:
                explained.add(rule, left, 0, account.earned, account.told)
            else:
                counted = rule.of_day(of_today)
                told = counted if rule.cap is None else rule.told(of_today)
                explained.add(rule, left, counted, account.earned + counted, account.told + told)
        for pool in self._pools_known(state):
            self._explain_pool(state, today, pool, explained)
        return explained

    def _explain_pool(self, state: LeadState, today: Today, pool: Pool, explained: Explanation) -> None:
        past = self._past_of(state, today, pool)
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
        for pool in self._pools_known(state):
            pool.forget(state.behaviour)
        self._today(state)

    def counted_with(self, ids: Iterable[str]) -> set[str]:
        """These rules, and those of which days are dropped when these have used up a cap for ever."""
        found = set(ids)
        return found.union(*(pool.ids for pool in self._pools if pool.drops_days and not pool.ids.isdisjoint(found)))

    def _book_specially(self, state: LeadState, today: Today, earning: Earning, time: int, event_id: str) -> None:
        """Book what changes more than what the rule by itself has of the present day."""
        rule, amount = earning
        pool = self._pool_of.get(rule.id)
        if today.begins <= time and not rule.once:
            added = rule.book(state.behaviour, state.day, amount, time, event_id)
            if pool is not None:
                today.pooled = None
                if pool.drops_days:
                    pool.forget(state.behaviour)
            elif rule.dimension is None:
                today.earned += added
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
            self._forget_accounts(state, rule.id)
        today.fading, today.pools = None, {}

    def _count_pools(self, state: LeadState, today: Today) -> int:
        """What the present day counts of all pools, as part of the total; kept until something of it changes."""
        pooled = 0
        for pool in self._pools_known(state):
            for rule, micro, _ in pool.count(state.behaviour, state.day, [*self._past_of(state, today, pool).used]):
                if rule.dimension is None:
                    pooled += micro
        today.pooled = pooled
        return pooled

    def _forget_accounts(self, state: LeadState, id: str) -> None:
        """Of a rule whose earlier days have changed, and of those whose days are counted with them."""
        pool = self._pool_of.get(id)
        for other in [rule.id for rule in pool.rules] if pool else [id]:
            state.past.pop(other, None)

    def _reckon(self, state: LeadState, today: Today) -> list[tuple[int, int, float]]:
        today.earned, today.pooled, today.fading, today.ending = 0, None, [], []
        for rule, account, of_today in self._accounts(state):
            if rule.dimension is not None:
                continue
            if account.micro:
                today.fading.append((account.micro, account.end, rule.half_life))
            if of_today is not None:
                today.earned += rule.of_day(of_today)
        for pool in self._pools_known(state):
            for past in self._past_of(state, today, pool).by_rule.values():
                rule, account = past.rule, past.account
                if rule.dimension is not None:
                    continue
                if rule.expires is not None:
                    today.ending += [(micro, end, rule.half_life, until) for micro, end, until in past.days if micro]
                elif account.micro:
                    today.fading.append((account.micro, account.end, rule.half_life))
        return today.fading

    def _accounts(self, state: LeadState) -> Iterator[tuple[Rule, Account, int | None]]:
        """Each rule that is counted by itself with its account of the past days, and what the present one has
        gathered."""
        for id, gathered in state.behaviour.items():
            rule = self._by_id.get(id)
            if rule is not None and not rule.pooled:
                yield rule, state.past.get(id) or self._past(state, rule, gathered), gathered.days.get(state.day)

    def _pools_known(self, state: LeadState) -> list[Pool]:
        """Those of which the lead has gathered something."""
        behaviour, found = state.behaviour, list[Pool]()
        for pool in self._pools:
            for rule in pool.rules:
                if rule.id in behaviour:
                    found.append(pool)
                    break
        return found

    def _past_of(self, state: LeadState, today: Today, pool: Pool) -> PoolPast:
        """What a pool has of the days before the present one; reckoned once a day, as far as it is not remembered."""
        found: PoolPast | None = today.pools.get(pool)
        if found is None:
            found = today.pools[pool] = past_of(pool, state, self._zone)
        return found

    def _past(self, state: LeadState, rule: Rule, gathered: RuleState) -> Account:
        """The account of the days before the present one, reckoned anew and remembered."""
        account = NOTHING
        for number in sorted(gathered.days):
            if number < state.day:
                account = self._carried(account, rule, number, gathered)
                state.past[rule.id] = account
        return account

    def _carried(self, account: Account, rule: Rule, day: int, gathered: RuleState) -> Account:
        of_day = gathered.days[day]
        return rule.carried(account, day_end(day, self._zone), rule.of_day(of_day), rule.told(of_day))

    def _today(self, state: LeadState) -> Today:
        """The day of the lead's latest time. When another begins, the accounts go on to it."""
        today = state.today
        if today is not None and state.time < today.ends:
            return today
        if not state.day or state.time >= day_end(state.day, self._zone):
            self._turn(state, day_of(state.time, self._zone))
        begins, ends = day_end(state.day - 1, self._zone), day_end(state.day, self._zone)
        today = state.today = Today(begins, ends)
        return today

    def _turn(self, state: LeadState, day: int) -> None:
        last, state.day = state.day, day
        for id, gathered in state.behaviour.items():
            rule, account = self._by_id.get(id), state.past.get(id)
            if rule is None or rule.pooled or last not in gathered.days:
                continue
            # Without an account there is nothing to go on with, unless that was the first day.
            if account is not None or min(gathered.days) == last:
                state.past[id] = self._carried(account or NOTHING, rule, last, gathered)
        for pool in self._pools_known(state):
            if not pool.is_whole:
                carry_on(pool, state, last, self._zone)
        self._forget(state)

    def _forget(self, state: LeadState) -> None:
        """Drop the days before the oldest of each account: the state stays bounded. Whether a day is dropped depends on
        nothing but the latest time: a late event for it is not booked either."""
        has_forgotten, first, day, behaviour = False, state.first, state.day, state.behaviour
        for kept_days, rule in self._forgetful:
            if first >= day - kept_days:
                break
            gathered, oldest = behaviour.get(rule.id), rule.oldest(day)
            if gathered is None or min(gathered.days, default=oldest) >= oldest:
                continue
            for old in [old for old in gathered.days if old < oldest]:
                del gathered.days[old]
                gathered.forgot = max(gathered.forgot, old)
            self._forget_accounts(state, rule.id)
            has_forgotten = True
        if not has_forgotten and first:
            return
        state.first = min((min(g.days) for g in behaviour.values() if g.days), default=day)
