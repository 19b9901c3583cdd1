"""What a lead's state consists of: accumulators, whose result does not depend on the order in which events arrive.

Times are milliseconds since 1970 in UTC; points are micro-points; days are ordinals of the playbook's calendar.
"""

from __future__ import annotations

from typing import Any

import msgspec

from services.scorer.scoring.times import BEFORE_ALL


class FieldValue(msgspec.Struct, gc=False, array_like=True):
    """A field's newest value; of personal fields only `True`."""

    value: str | float | int | bool | None
    time: int
    event_id: str


class RuleState(msgspec.Struct, gc=False, array_like=True):
    """What one behaviour rule gathered: by calendar day how often, before any cap; of a rule that takes its points from
    a property the sum of that, in millionths. A rule that counts once has only its earliest day.

    `times` counts all, `last` and `event_id` are the latest one's, also where its day is forgotten; `forgot` is the
    latest such day, 0 where there is none. `spare` are days that count for nothing as earlier ones have used up what
    counts, once or ever, until these count no more themselves (see `line`). `packed` are the days where they are stored
    in fewer bytes (see `squeezing`); empty in memory."""

    days: dict[int, int]
    times: int = 0
    last: int = BEFORE_ALL
    event_id: str = ""
    forgot: int = 0
    spare: dict[int, int] = msgspec.field(default_factory=dict)
    packed: bytes = b""


class SignalState(msgspec.Struct, gc=False, array_like=True):
    """When a signal was shown; `event_id` and `kept` are those of its latest event. `recent`: its latest times, the
    last one first, if a guard asks how often it was shown lately."""

    first: int
    last: int
    times: int
    event_id: str
    kept: dict[str, Any]
    recent: list[int] = msgspec.field(default_factory=list)


class Member(msgspec.Struct, gc=False, array_like=True):
    """What an identity has sent, and up to which place in its partition: as part of a lead `state`, what it gathered
    itself; as a member `brings`, the parts that come by it, its own among them. None: it has left."""

    position: int
    state: bytes
    brings: list[str] = msgspec.field(default_factory=list)


class Links(msgspec.Struct, gc=False, array_like=True):
    """Who an identity belongs to, and who belongs to it (see `links`). `claims`: the identities that rank higher and
    are the same person, with who says so (at which place of its own, and whether it still does); `barred` those of
    which a user has taken that back; `told` those that rank lower and know of it. `lead`: of whom this one is a member;
    `passed_on`: to which others that has been told. `given_up` counts what was too much for one of them to keep.

    With members, the rest of the state is the union of `own` and of all `parts`."""

    claims: dict[str, dict[str, tuple[int, bool]]] = msgspec.field(default_factory=dict)
    barred: list[str] = msgspec.field(default_factory=list)
    told: list[str] = msgspec.field(default_factory=list)
    lead: str = ""
    passed_on: dict[str, str] = msgspec.field(default_factory=dict)
    own: bytes = b""
    parts: dict[str, Member] = msgspec.field(default_factory=dict)
    members: dict[str, Member] = msgspec.field(default_factory=dict)
    given_up: int = 0


class Participation(msgspec.Struct, gc=False, array_like=True):
    """The latest time of each action of a lead in one campaign. `ends` is when the campaign does, `told` the time of
    the latest event that says so; both missing where none does."""

    actions: dict[str, int]
    ends: int | None = None
    told: int | None = None


CampaignStates = dict[str, dict[str, Participation]]
"""By channel and campaign."""


class Act(msgspec.Struct, gc=False, array_like=True):
    """What a lead did with a mail; mail and link as hashes, 0 where none is told. What it adds to the lead by itself is
    there unless it is a scanner's: by rule the day and how much (None: on a day that counts no more), the facts kept by
    signal, actions, and parts taken in campaigns. `lately`: the signals of which a guard asks how often they were shown
    lately."""

    time: int
    event_id: str
    mail: int
    link: int
    is_scanners: bool = False
    counted: dict[str, tuple[int, int | None]] = msgspec.field(default_factory=dict)
    shown: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    done: list[str] = msgspec.field(default_factory=list)
    took: CampaignStates = msgspec.field(default_factory=dict)
    lately: list[str] = msgspec.field(default_factory=list)

    def forget(self) -> None:
        """It adds nothing; what is left makes other acts a scanner's."""
        self.event_id = ""
        self.counted, self.shown, self.done, self.took, self.lately = {}, {}, [], {}, []

    @property
    def behaviour(self) -> dict[str, RuleState]:
        return {
            id: RuleState({}, 1, self.time, self.event_id, day)
            if amount is None
            else RuleState({day: amount}, 1, self.time, self.event_id)
            for id, (day, amount) in self.counted.items()
        }

    @property
    def signals(self) -> dict[str, SignalState]:
        return {
            name: SignalState(self.time, self.time, 1, self.event_id, kept, [self.time] if name in self.lately else [])
            for name, kept in self.shown.items()
        }

    @property
    def levels(self) -> dict[str, int]:
        return dict.fromkeys(self.done, self.time)

    @property
    def campaigns(self) -> CampaignStates:
        return self.took


class Mails(msgspec.Struct, gc=False, array_like=True):
    """What is known of a lead's latest mails (see `mails`): when they were sent, as (time, mail), and the acts,
    both by their times.

    The others are what the lead has without these acts, by all rules, signals and actions that acts have concerned; of
    a signal None where that is nothing; of campaigns None while no act took part in one."""

    sent: list[tuple[int, int]] = msgspec.field(default_factory=list)
    acts: list[Act] = msgspec.field(default_factory=list)
    behaviour: dict[str, RuleState] = msgspec.field(default_factory=dict)
    signals: dict[str, SignalState | None] = msgspec.field(default_factory=dict)
    levels: dict[str, int] = msgspec.field(default_factory=dict)
    campaigns: CampaignStates | None = None


class Account(msgspec.Struct, gc=False, frozen=True, array_like=True):
    """A rule's days up to the one that ends at `end`: `micro` is what they are worth then, `earned` what they counted
    before they faded, `told` what they would have without caps."""

    micro: int = 0
    end: int = 0
    earned: int = 0
    told: int = 0
