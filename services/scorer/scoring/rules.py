"""What one behaviour rule makes of its days, in micro-points and seconds: a day's worth, and the account of many.

A rule's points are an account. Over the days on which it earned something, in their order,

    account = account · 2^(−(end of the day − end of the earning day before it) / half-life) + min(cap, sum of the day)

and at a moment it is worth `account · 2^(−(moment − end of its last day) / half-life)` of the days that are over, and
all of `min(cap, sum)` of the present day. Each product is rounded to whole micro-points. The days of an account are a
set, so neither the order of events nor batches change the score; and the next day continues the account of the last,
so that an event costs the same however long the lead's history is. An account goes back `FADED_AFTER` half-lives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from services.scorer.scoring.state import Account, RuleDay
from shared.playbook.schema import BehaviourRule, BehaviourScore
from shared.scores import decayed, to_micro

DAY_SECONDS = 24 * 60 * 60
FADED_AFTER = 32
"""Half-lives after which a day counts for nothing: of a thousand points less than a micro-point would be left."""
NOTHING = Account()


@dataclass(frozen=True)
class Rule:
    """A behaviour rule, compiled."""

    id: str
    micro: int
    cap: int | None
    once: bool
    half_life: float  # seconds
    kept_days: int
    """Earlier days are no part of the account any more, and are forgotten."""

    def book(self, behaviour: dict[str, dict[int, RuleDay]], day: int, time: int) -> int:
        """One more time on `day`; gives what that adds to the worth of the day. Of a rule that counts once, the
        earliest day decides and stands for all."""
        days = behaviour.get(self.id)
        if days is None:
            days = behaviour[self.id] = {}
        first = min(days, default=day) if self.once else day
        entry = days.get(first)
        if entry is None:
            entry, before = RuleDay(), 0
            days[first] = entry
        else:
            before = self.of_day(entry)
        entry.times += 1
        entry.micro += self.micro
        entry.last = max(entry.last, time)
        if day < first:
            days[day] = days.pop(first)
        return self.of_day(entry) - before

    def oldest(self, today: int) -> int:
        """The earliest day of the account when `today` is the lead's latest day."""
        return 0 if self.once else today - self.kept_days

    def of_day(self, day: RuleDay) -> int:
        """What counts of a day."""
        if self.once:
            return self.micro
        micro, cap = day.micro, self.cap
        if cap is None or -cap <= micro <= cap:
            return micro
        return cap if micro > 0 else -cap

    def left(self, account: Account, at: int) -> int:
        """What is left of an account at the moment `at`."""
        return decayed(account.micro, (at - account.end) / 1000, self.half_life) if account.micro else 0

    def carried(self, account: Account, end: int, day: RuleDay) -> Account:
        """The account after the day that ends at `end`."""
        micro = self.left(account, end) + self.of_day(day)
        return Account(micro, end, account.times + day.times, max(account.last, day.last))


def compiled(rule: BehaviourRule, score: BehaviourScore) -> Rule:
    """A rule of the playbook's `score`."""
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
