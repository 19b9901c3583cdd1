"""What one behaviour rule makes of its days, in micro-points and seconds: a day's worth, and the account of many.

A rule's points are an account. Over the days on which it earned something, in their order,

    account = account · 2^(−(end of the day − end of the earning day before it) / half-life) + what the day counts

and at a moment it is worth `account · 2^(−(moment − end of its last day) / half-life)` of the days that are over, and
all of what the present one counts. Each product is rounded to whole micro-points. The days of an account are a set, so
neither the order of events nor batches change the score; and the next day continues the account of the last, so that
an event costs the same however long the lead's history is. An account goes back `FADED_AFTER` half-lives.

What a day counts is capped: see `caps`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from services.scorer.scoring.line import keep_first
from services.scorer.scoring.parts import Account, RuleState
from shared.playbook.points import BehaviourRule, BehaviourScore
from shared.points import MICRO, decayed, to_micro

DAY_SECONDS = 24 * 60 * 60
FADED_AFTER = 32
"""Half-lives after which a day counts for nothing: of a thousand points less than a micro-point would be left."""
WEEK = 7
NOTHING = Account()


Course = tuple[str, float]
"""How points go on: of which dimension ("": of the total), and by which half-life in seconds."""


@dataclass(frozen=True)
class Rule:
    """A behaviour rule, compiled. `micro` is what each time counts, or each unit of the property `source`."""

    id: str
    micro: int
    source: str | None
    cap: int | None
    once: bool
    half_life: float  # seconds
    expires: int | None  # milliseconds after the end of the day
    dimension: str | None
    kept_days: int | None
    """Earlier days are no part of the account any more, and are forgotten. None: all are kept."""
    capped_for_ever: bool
    pooled: bool
    """Its days are counted by a pool (see `caps`)."""
    course: Course
    is_uneven: bool
    """Its points may be negative, or end before they have faded."""
    may_sink: bool
    """Its points may be negative."""
    caps_beyond: int
    """How many caps of more than its own day it goes through."""
    is_plain: bool
    """Part of the total, as often as it is told, the same each time, and counted by itself."""

    def book(self, behaviour: dict[str, RuleState], day: int | None, amount: int, time: int, event_id: str) -> int:
        """Once more, on `day`; gives what that adds to the day's worth. None: on a day that counts no more. Of a rule
        that counts once, the earliest day decides and stands for all."""
        state = behaviour.get(self.id)
        if state is None:
            state = behaviour[self.id] = RuleState({})
        state.times += 1
        if time > state.last or (time == state.last and event_id > state.event_id):
            state.last, state.event_id = time, event_id
        if day is None:
            return 0
        days = state.days
        if self.once:
            days[day] = 1
            if len(days) > 1:
                keep_first(state)
            return 0
        before = days.get(day, 0)
        days[day] = before + amount
        return self.of_day(before + amount) - (self.of_day(before) if before else 0)

    def may_add(self, amount: int) -> int:
        """How much one more of it adds to the total at most, whatever else has been told and until when it fades.

        A cap passes on what it is told, or frees as much of it on a later day, which has faded less: so where there are
        several each but the last may double it. One that counts once may move to an earlier day."""
        told = self.told(amount) + (self.source is not None)  # sums are rounded
        if self.caps_beyond:
            return abs(told) << (self.caps_beyond - 1)
        if self.dimension is not None:
            return 0
        return abs(told) if self.once else max(0, told)

    def oldest(self, today: int) -> int:
        """The earliest day of the account when `today` is the lead's latest day."""
        if self.kept_days is None:
            return 0
        day = today - self.kept_days
        # Whole weeks: without its Monday a week's Tuesday would count what the cap of the week has cut.
        return day - (day - 1) % WEEK if self.pooled else day

    def told(self, gathered: int) -> int:
        """What a day would count without caps."""
        if self.once:
            return self.micro
        return gathered * self.micro if self.source is None else (gathered * self.micro + MICRO // 2) // MICRO

    def of_day(self, gathered: int) -> int:
        """What a day counts by itself."""
        # As `told`, without a call for what most rules are: this is asked for every event.
        micro = gathered * self.micro if self.is_plain else self.told(gathered)
        cap = self.cap
        if cap is None or -cap <= micro <= cap:
            return micro
        return cap if micro > 0 else -cap

    def left(self, account: Account, at: int) -> int:
        """What is left of an account at the moment `at`."""
        return decayed(account.micro, (at - account.end) / 1000, self.half_life) if account.micro else 0

    def carried(self, account: Account, end: int, counted: int, told: int) -> Account:
        """The account after the day that ends at `end`."""
        return Account(self.left(account, end) + counted, end, account.earned + counted, account.told + told)


def compiled(score: BehaviourScore) -> list[Rule]:
    """The rules of a playbook's behaviour score, in its order."""
    lasting = {rule.id: _lasting_days(rule, score) for rule in score.rules}
    for group in score.groups:
        # Together: what one rule has used of a shared cap must stay known for as long as another counts of it.
        ids = [rule.id for rule in score.rules if rule.group == group]
        lasting |= dict.fromkeys(ids, max((lasting[id] for id in ids), default=0))
    return [_compiled(rule, score, lasting[rule.id]) for rule in score.rules]


def _compiled(rule: BehaviourRule, score: BehaviourScore, lasting_days: int) -> Rule:
    group = score.groups.get(rule.group) if rule.group else None
    for_ever = rule.cap_ever is not None or (group is not None and group.cap_ever is not None)
    pooled = bool({"cap_per_week", "cap_ever"} & set(rule.caps)) or group is not None or rule.expires is not None
    return Rule(
        id=rule.id,
        micro=to_micro(rule.points),
        source=rule.points_from,
        cap=to_micro(rule.cap_per_day) if rule.cap_per_day is not None else None,
        once=rule.once,
        half_life=(rule.half_life or score.half_life).total_seconds(),
        expires=round(rule.expires.total_seconds() * 1000) if rule.expires is not None else None,
        dimension=rule.dimension,
        kept_days=None if rule.once or for_ever else lasting_days,
        capped_for_ever=for_ever,
        pooled=pooled,
        course=(rule.dimension or "", (rule.half_life or score.half_life).total_seconds()),
        is_uneven=rule.points < 0 or rule.points_from is not None or rule.expires is not None,
        may_sink=rule.points < 0 or (rule.points_from is not None and not for_ever),
        caps_beyond=len({"cap_per_week", "cap_ever"} & set(rule.caps)) + (len(group.caps) if group is not None else 0),
        is_plain=not (pooled or rule.once or rule.points_from or rule.dimension),
    )


def _lasting_days(rule: BehaviourRule, score: BehaviourScore) -> int:
    """Days until nothing is left of a day's points."""
    lasts = min(FADED_AFTER * (rule.half_life or score.half_life), rule.expires or timedelta.max)
    return math.ceil(lasts.total_seconds() / DAY_SECONDS)
