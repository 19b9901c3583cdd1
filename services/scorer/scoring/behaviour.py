"""The behaviour score: points per rule and calendar day, capped, fading from the end of the day.

What a rule is worth at a moment of day D is

    past · 2^(−(moment − beginning of D) / half-life) + min(cap, sum of D),
    past = Σ over the days d before D of min(cap, sum of d) · 2^(−(beginning of D − end of d) / half-life)

with `past`, each of its terms and the result rounded to whole micro-points. Sums of whole numbers commute, so neither
order nor batches change the score; and `past` stays the same for a day, so that an event costs the same however long
the lead's history is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from services.scorer.scoring.state import LeadState, RuleDay, Today
from services.scorer.scoring.times import day_end, day_of, from_ms
from shared.playbook.schema import BehaviourRule, BehaviourScore
from shared.scores import Contribution, DecayTerm, decayed, share_left, to_micro, to_points

DAY_SECONDS = 24 * 60 * 60
UNCAPPED_MICRO = 2**53
"""More than anybody earns in a day, nine thousand million points; past it, floats are not exact anyway."""


@dataclass(frozen=True)
class Rule:
    """A behaviour rule in micro-points and seconds."""

    id: str
    micro: int
    cap: int | None
    once: bool
    half_life: float  # seconds
    kept_days: int
    """Days that ended longer ago are worth nothing any more and are forgotten."""

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
        """The earliest day that is still worth something when `today` is the lead's latest day."""
        return 0 if self.once else today - self.kept_days

    def earned(self, days: dict[int, RuleDay]) -> Iterator[tuple[int, int]]:
        """(day, micro-points earned on it after the cap)."""
        if self.once:
            yield min(days), self.micro
            return
        for number, day in days.items():
            yield number, self.capped(day.micro)

    def capped(self, micro: int) -> int:
        """What counts of a day's sum."""
        return micro if self.cap is None else max(-self.cap, min(self.cap, micro))


@dataclass(frozen=True, slots=True)
class Worth:
    """What a rule is worth at the moment asked for, in micro-points: of the past days, and of the present one."""

    rule: Rule
    past: int
    today: int


class Behaviour:
    """The behaviour rules of a playbook, compiled."""

    def __init__(self, score: BehaviourScore, zone: ZoneInfo) -> None:
        self._zone = zone
        self.rules = [(rule.when, _compile(rule, score)) for rule in score.rules]
        self._by_id = {rule.id: rule for _, rule in self.rules}

    def add(self, state: LeadState, matched: Iterable[Rule], time: int) -> None:
        """Book an event under the rules that it matches. `state.time` includes it already."""
        today = self._turn_to_today(state)
        day = today.day if today.begins <= time else day_of(from_ms(time), self._zone)
        for rule in matched:
            if day >= rule.oldest(today.day):
                rule.book(state.behaviour.setdefault(rule.id, {}), day, time)
                if day < today.day or rule.once:
                    today.past.pop(rule.id, None)

    def worth(self, state: LeadState) -> list[Worth]:
        """What every rule is worth at the lead's latest time. Rules that the playbook no longer has are left out."""
        today, left = self._turn_to_today(state), _Left(state.time)
        found: list[Worth] = []
        for id, days in state.behaviour.items():
            rule = self._by_id.get(id)
            if rule is None:
                continue
            past = today.past.get(id)
            if past is None:
                past = today.past[id] = self._past(rule, days, today)
            of_today = days.get(today.day)
            now = 0 if of_today is None else rule.micro if rule.once else rule.capped(of_today.micro)
            found.append(Worth(rule, left.of(past, today.begins, rule.half_life), now))
        return found

    def _past(self, rule: Rule, days: dict[int, RuleDay], today: Today) -> int:
        return sum(
            decayed(micro, (today.begins - day_end(number, self._zone)) / 1000, rule.half_life)
            for number, micro in rule.earned(days)
            if number < today.day
        )

    def _turn_to_today(self, state: LeadState) -> Today:
        """The day of the lead's latest time; on a new one, what is worth nothing any more is forgotten."""
        today = state.today
        if today is None or state.time >= today.ends:
            day = day_of(from_ms(state.time), self._zone)
            today = state.today = Today(day, day_end(day - 1, self._zone), day_end(day, self._zone), {})
            self._forget(state, day)
        return today

    def _forget(self, state: LeadState, today: int) -> None:
        """Drop the days that are worth nothing at the lead's latest time, nor ever after: the state stays bounded, and
        the score is the same. An explanation's `times` and `last` tell only of the days that are left. Whether a day
        is dropped depends on nothing but the latest time: a late event for it is not booked either."""
        for id, days in list(state.behaviour.items()):
            rule = self._by_id.get(id)
            if rule is None:
                continue
            for day in [day for day in days if day < rule.oldest(today)]:
                del days[day]
            if not days:
                del state.behaviour[id]

    @staticmethod
    def contributions(state: LeadState, worth: Iterable[Worth]) -> list[Contribution]:
        """What each rule adds; rules worth nothing any more are left out."""
        return [
            Contribution(
                rule=one.rule.id,
                dimension="behaviour",
                points=to_points(one.past + one.today),
                times=sum(day.times for day in days.values()),
                last=from_ms(max(day.last for day in days.values())),
            )
            for one in worth
            if one.past + one.today and (days := state.behaviour[one.rule.id])
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


class _Left:
    """What is left of points at one moment: rules mostly share a half-life, whose power is reckoned once."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._shares: dict[float, float] = {}

    def of(self, micro: int, since: int, half_life: float) -> int:
        """`since` is the same for all."""
        share = self._shares.get(half_life)
        if share is None:
            share = self._shares[half_life] = share_left((self._at - since) / 1000, half_life)
        return round(micro * share)


def _compile(rule: BehaviourRule, score: BehaviourScore) -> Rule:
    cap = to_micro(rule.cap_per_day) if rule.cap_per_day is not None else None
    half_life = (rule.half_life or score.half_life).total_seconds()
    return Rule(
        id=rule.id,
        micro=to_micro(rule.points),
        cap=cap,
        once=rule.once,
        half_life=half_life,
        kept_days=_days_until_nothing(UNCAPPED_MICRO if cap is None else cap, half_life),
    )


def _days_until_nothing(micro: int, half_life: float) -> int:
    """After how many whole days `micro` has faded to less than half a micro-point, which is rounded to 0. One more
    day, because a day's end may move by an hour with the clocks, and the last half-life must have passed."""
    return math.ceil(math.log2(2 * max(micro, 1)) * half_life / DAY_SECONDS) + 2
