"""The behaviour score: points per rule and calendar day, capped, fading from the end of the day (see `rules`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from services.scorer.scoring.rules import NOTHING, Rule, compiled
from services.scorer.scoring.state import Account, LeadState, RuleDay, Today
from services.scorer.scoring.times import day_end, day_of, from_ms
from shared.playbook.schema import BehaviourScore
from shared.scores import Contribution, DecayTerm, to_points


class Behaviour:
    """The behaviour rules of a playbook, compiled."""

    def __init__(self, score: BehaviourScore, zone: ZoneInfo) -> None:
        self._zone = zone
        self.rules = [(rule.when, compiled(rule, score)) for rule in score.rules]
        self._by_id = {rule.id: rule for _, rule in self.rules}
        self._kept_days = min((rule.kept_days for _, rule in self.rules), default=0)

    def book(self, state: LeadState, matched: Sequence[Rule], time: int) -> int:
        """Book an event under the rules that it matches; gives what all rules together are worth at the lead's latest
        time, which includes the event's already, in micro-points."""
        today, at = self._today(state), state.time
        for rule in matched:
            if today.begins <= time and not rule.once:
                today.earned += rule.book(state.behaviour, state.day, time)
            else:
                self._book_before(state, rule, time)
                today.fading = None
        fading = today.fading
        if fading is None:
            fading = self._reckon(state, today)
        total = today.earned
        for micro, end, half_life in fading:
            # As `decayed`, without a call for each: this is asked for every event.
            total += round(micro * 2.0 ** ((end - at) / 1000 / half_life))
        return total

    def explained(self, state: LeadState) -> tuple[list[Contribution], list[DecayTerm]]:
        """The same, rule by rule, without those worth nothing; and the fewest terms that tell it at any later moment:
        past days are summed at the lead's latest time, the present one begins to fade at its end."""
        today, at = self._today(state), state.time
        contributions: list[Contribution] = []
        past_by_half_life: dict[float, int] = defaultdict(int)
        now_by_half_life: dict[float, int] = defaultdict(int)
        for rule, account, of_today in self._accounts(state):
            worth, times, last = rule.left(account, at), account.times, account.last
            past_by_half_life[rule.half_life] += worth
            if of_today is not None:
                now, times, last = rule.of_day(of_today), times + of_today.times, max(last, of_today.last)
                now_by_half_life[rule.half_life] += now
                worth += now
            if worth:
                contributions.append(
                    Contribution(
                        rule=rule.id, dimension="behaviour", points=to_points(worth), times=times, last=from_ms(last)
                    )
                )
        sums = [(half_life, at, micro) for half_life, micro in past_by_half_life.items()]
        sums += [(half_life, today.ends, micro) for half_life, micro in now_by_half_life.items()]
        decay = [
            DecayTerm(points=to_points(micro), since=from_ms(since), half_life_seconds=half_life)
            for half_life, since, micro in sorted(sums)
            if micro
        ]
        return contributions, decay

    def _book_before(self, state: LeadState, rule: Rule, time: int) -> None:
        """Book what changes the account of the days before the present one."""
        day = day_of(time, self._zone)
        if day >= rule.oldest(state.day):
            rule.book(state.behaviour, day, time)
            state.past.pop(rule.id, None)
            state.first = min(state.first, day)

    def _reckon(self, state: LeadState, today: Today) -> list[tuple[int, int, float]]:
        today.earned, today.fading = 0, []
        for rule, account, of_today in self._accounts(state):
            if account.micro:
                today.fading.append((account.micro, account.end, rule.half_life))
            if of_today is not None:
                today.earned += rule.of_day(of_today)
        return today.fading

    def _accounts(self, state: LeadState) -> Iterator[tuple[Rule, Account, RuleDay | None]]:
        """Each rule with its account of the past days, and what the present one has gathered."""
        for id, days in state.behaviour.items():
            rule = self._by_id.get(id)
            if rule is not None:
                yield rule, state.past.get(id) or self._past(state, rule, days), days.get(state.day)

    def _past(self, state: LeadState, rule: Rule, days: dict[int, RuleDay]) -> Account:
        """The account of the days before the present one, reckoned anew and remembered."""
        account = NOTHING
        for number in sorted(days):
            if number < state.day:
                account = state.past[rule.id] = rule.carried(account, day_end(number, self._zone), days[number])
        return account

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
        for id, days in state.behaviour.items():
            rule, of_last, account = self._by_id.get(id), days.get(last), state.past.get(id)
            # Without an account there is nothing to go on with, unless that was the first day.
            if rule is not None and of_last is not None and (account is not None or min(days) == last):
                state.past[id] = rule.carried(account or NOTHING, day_end(last, self._zone), of_last)
        self._forget(state)

    def _forget(self, state: LeadState) -> None:
        """Drop the days before the oldest of each account: the state stays bounded. An explanation's `times` and `last`
        tell only of the days that are left. Whether a day is dropped depends on nothing but the latest time: a late
        event for it is not booked either."""
        if state.first >= state.day - self._kept_days:
            return
        for id, days in list(state.behaviour.items()):
            rule = self._by_id.get(id)
            if rule is None or min(days) >= (oldest := rule.oldest(state.day)):
                continue
            for day in [day for day in days if day < oldest]:
                del days[day]
            state.past.pop(id, None)
            if not days:
                del state.behaviour[id]
        state.first = min((min(days) for days in state.behaviour.values()), default=state.day)
