"""The days of a lead: the present one, and each rule's account of those before it (see `rules`)."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from services.scorer.scoring.caps import Pool
from services.scorer.scoring.line import begin_after, keep_first
from services.scorer.scoring.parts import Account, RuleState
from services.scorer.scoring.pasts import PoolPast, carry_on, past_of
from services.scorer.scoring.rules import NOTHING, Rule
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import NEVER, day_end, day_of
from services.scorer.scoring.today import Today


class Days:
    """By the rules of a playbook, those of `pools` counted together."""

    def __init__(self, rules: dict[str, Rule], pools: list[Pool], zone: ZoneInfo) -> None:
        self._by_id, self._pools, self._zone = rules, pools, zone
        self._pool_of = {rule.id: pool for pool in pools for rule in pool.rules}
        self._forgetful = sorted(
            ((rule.kept_days, rule) for rule in rules.values() if rule.kept_days is not None), key=lambda one: one[0]
        )
        """Those that forget, the soonest first."""

    def today(self, state: LeadState) -> Today:
        """The day of the lead's latest time. When another begins, the accounts go on to it."""
        today = state.today
        if today is not None and state.time < today.ends:
            return today
        if not state.day or state.time >= day_end(state.day, self._zone):
            self._turn(state, day_of(state.time, self._zone))
        begins, ends = day_end(state.day - 1, self._zone), day_end(state.day, self._zone)
        if state.epoch and state.epoch >= begins:
            begins = NEVER  # nothing of this day counts any more
        today = state.today = Today(begins, ends)
        return today

    def accounts(self, state: LeadState) -> Iterator[tuple[Rule, Account, int | None]]:
        """Each rule that is counted by itself with its account of the past days, and what the present one has
        gathered."""
        for id, gathered in state.behaviour.items():
            rule = self._by_id.get(id)
            if rule is not None and not rule.pooled:
                yield rule, state.past.get(id) or self._past(state, rule, gathered), gathered.days.get(state.day)

    def past_of(self, state: LeadState, today: Today, pool: Pool) -> PoolPast:
        """What a pool has of the days before the present one; reckoned once a day, as far as it is not remembered."""
        found: PoolPast | None = today.pools.get(pool)
        if found is None:
            found = today.pools[pool] = past_of(pool, state, self._zone)
        return found

    def pools_known(self, state: LeadState) -> list[Pool]:
        """Those of which the lead has gathered something."""
        behaviour, found = state.behaviour, list[Pool]()
        for pool in self._pools:
            for rule in pool.rules:
                if rule.id in behaviour:
                    found.append(pool)
                    break
        return found

    def forget_accounts(self, state: LeadState, id: str) -> None:
        """Of a rule whose earlier days have changed, and of those whose days are counted with them."""
        pool = self._pool_of.get(id)
        for other in [rule.id for rule in pool.rules] if pool else [id]:
            state.past.pop(other, None)

    def draw_line(self, state: LeadState) -> None:
        """Drop all days up to the one on which the lead was last recycled; what is derived of the others follows."""
        line = day_of(state.epoch, self._zone)
        for id, gathered in state.behaviour.items():
            begin_after(line, gathered)
            rule = self._by_id.get(id)
            if rule is not None and rule.once:
                keep_first(gathered)
        for pool in self.pools_known(state):
            pool.forget(state.behaviour)
        state.past, state.today = {}, None

    def is_before_line(self, state: LeadState, time: int) -> bool:
        """Whether a moment is on a day that counts no more, as the lead was recycled then or later."""
        return bool(state.epoch) and time < day_end(day_of(state.epoch, self._zone), self._zone)

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

    def _turn(self, state: LeadState, day: int) -> None:
        last, state.day = state.day, day
        for id, gathered in state.behaviour.items():
            rule, account = self._by_id.get(id), state.past.get(id)
            if rule is None or rule.pooled or last not in gathered.days:
                continue
            # Without an account there is nothing to go on with, unless that was the first day.
            if account is not None or min(gathered.days) == last:
                state.past[id] = self._carried(account or NOTHING, rule, last, gathered)
        for pool in self.pools_known(state):
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
            self.forget_accounts(state, rule.id)
            has_forgotten = True
        if not has_forgotten and first:
            return
        state.first = min((min(g.days) for g in behaviour.values() if g.days), default=day)
