"""What rules that are counted together have of the days that are over (see `caps` for how, `rules` for accounts)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from services.scorer.scoring.caps import Pool
from services.scorer.scoring.parts import Account, RuleState
from services.scorer.scoring.rules import NOTHING, Rule
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import day_end


class Past:
    """What a rule has of the days before the present one. Of one that expires each of the `days`, as (micro, end,
    until): all of it at the end, fading from then on, nothing from `until` on; of others their account."""

    def __init__(self, rule: Rule, account: Account) -> None:
        self.rule, self.account = rule, account
        self.days: list[tuple[int, int, int]] = []


class PoolPast:
    """What a pool has of the days before the present one, by each rule that had been told of when it was reckoned, and
    what its caps have let pass as that day begins."""

    def __init__(self, by_rule: dict[str, Past], used: list[int]) -> None:
        self.by_rule, self.used = by_rule, used


def past_of(pool: Pool, state: LeadState, zone: ZoneInfo) -> PoolPast:
    """Reckoned as far as it is not remembered."""
    behaviour, accounts = state.behaviour, state.past
    by_rule = {rule.id: Past(rule, accounts.get(rule.id, NOTHING)) for rule in pool.rules if rule.id in behaviour}
    if not pool.is_whole and accounts.keys() >= by_rule.keys():
        return PoolPast(by_rule, _used_before(pool, behaviour, state.day))
    for past in by_rule.values():
        past.account = NOTHING
    used = pool.unused()
    for day, of_day in pool.walk(behaviour, 0, state.day, used):
        end = day_end(day, zone)
        for rule, counted, told in of_day:
            past = by_rule[rule.id]
            past.account = rule.carried(past.account, end, counted, told)
            if rule.expires is not None:
                past.days.append((counted, end, end + rule.expires))
    if not pool.is_whole:
        for id, past in by_rule.items():
            accounts[id] = past.account
    return PoolPast(by_rule, used)


def carry_on(pool: Pool, state: LeadState, last: int, zone: ZoneInfo) -> None:
    """Let the accounts of its rules go on over the day `last`, as another begins; they are dropped where one of them is
    missing. Not of a pool whose days cannot be summed up (`Pool.is_whole`)."""
    behaviour, past = state.behaviour, state.past
    known = [(rule.id, behaviour[rule.id].days) for rule in pool.rules if rule.id in behaviour]
    if not any(last in days for _, days in known):
        return
    if any(id not in past and min(days, default=last) < last for id, days in known):
        for id, _ in known:
            past.pop(id, None)
        return
    used = _used_before(pool, behaviour, last)
    end = day_end(last, zone)
    for rule, counted, told in pool.count(behaviour, last, used):
        past[rule.id] = rule.carried(past.get(rule.id, NOTHING), end, counted, told)


def _used_before(pool: Pool, behaviour: dict[str, RuleState], day: int) -> list[int]:
    """What the caps of a pool have let pass as a day begins."""
    used = pool.unused()
    for _ in pool.walk(behaviour, pool.first_day(day), day, used):
        pass
    return used
