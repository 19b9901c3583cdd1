"""A lead on its way, its hand-offs, and what a decision changes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from services.router.lifecycle.reasons import Leaf
from shared.events import Kind


class Status(StrEnum):
    """Where a hand-off stands (domain, "Owner while a hand-off is under way")."""

    WAITING = "waiting"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"
    MERGED = "merged"


OPEN = frozenset({Status.WAITING, Status.OFFERED, Status.ACCEPTED})


class Lead(msgspec.Struct, frozen=True):  # from a row by place, which takes a fifth of the time
    """`department`, `team` and `person` own it now; None before contact data is obtained. `taken`: the owner has
    accepted it, or has evidently worked it.

    `seq` numbers the messages about it, `handoffs` its hand-offs. `furthest` is the highest stage number it was at.
    `merged_into`: the lead that this one is part of. `cools_at`: when what its stage rests on will have ended, or it is
    recycled because nothing happens; None: never, as far as is known now. `due_at`: the next moment at which a deadline
    of its hand-off, or the follow-up of a customer, is due by the clock.

    `line_at`: what it did until then counts no more, as it was recycled (`recycled` times, last by the rule
    `recycling`); its total does not count until `held_until`, nor that of a score older than `epoch` (ms since 1970).
    `stage_at`, `owned_at`: since when it is at its stage, and its owner's. `contacted_at`: when sales last got in touch
    with it; `reminded_at`: the latest moment of a reminder that has been told. `attached_to`: the lead whose hand-off
    it has joined. `valve_stage`: the stage whose valve it has passed with a total over `valve_over`, which is less than
    the usual one; or, if that is None, that it would enter if the valve opened further.
    """

    lead_id: str
    lane: int
    stage: str
    reached: tuple[str, ...] = ()
    furthest: int = 1
    department: str | None = None
    team: str | None = None
    person: str | None = None
    held_by: str | None = None
    line_at: datetime | None = None
    held_until: datetime | None = None
    epoch: int = 0
    score_seq: int = -1
    seq: int = 0
    handoffs: int = 0
    channel: str | None = None
    medium: str | None = None
    acquired_at: datetime | None = None
    mql_at: datetime | None = None
    sal_at: datetime | None = None
    sql_at: datetime | None = None
    taken: bool = False
    cools_at: datetime | None = None
    merged_into: str | None = None
    stage_at: datetime | None = None
    owned_at: datetime | None = None
    due_at: datetime | None = None
    alerted_at: datetime | None = None
    contacted_at: datetime | None = None
    reminded_at: datetime | None = None
    followed_up_at: datetime | None = None
    attached_to: str | None = None
    recycled: int = 0
    recycling: str | None = None
    valve_stage: str | None = None
    valve_over: float | None = None


class HandOff(msgspec.Struct, frozen=True, kw_only=True):
    """A lead on its way from one department to another. The giver owns it until the receiver accepts.

    Of a lead that was offered several times each offer is a hand-off of its own, the `attempt`-th; `previous` is the id
    of the one before, `tried` are the people it was offered to before, `queued` is why it
    was offered to the team's queue and to no person. `contact_by`: by when whoever has accepted it
    must get in touch with the lead. `points`: the total at the offer, or with which it began to wait; `valve`: what the
    receiver's valve said to it, if anything.

    A hand-off that waits is offered to nobody yet: `respond_by` is then until when it waits at most.

    `company` and `company_part` are the lead's company and its own department there, as far as they were known at the
    offer; `attached` are its colleagues of that department who have joined the hand-off."""

    handoff_id: str
    lead_id: str
    status: Status
    giver: str
    giver_team: str | None
    receiver: str
    team: str
    person: str | None
    stage: str
    offered_at: datetime
    respond_by: datetime | None
    priority: str
    reject_reason: str | None = None
    giver_person: str | None = None
    attempt: int = 1
    previous: str | None = None
    tried: tuple[str, ...] = ()
    queued: str | None = None
    contact_by: datetime | None = None
    points: float | None = None
    valve: str | None = None
    company: str | None = None
    company_part: str | None = None
    attached: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


class StageChange(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is the event's time, or when the lead was rejected or cooled."""

    lead_id: str
    seq: int
    source: str
    target: str
    at: datetime
    reason: list[Leaf]
    historical: bool = False


class HandOffChange(msgspec.Struct, frozen=True, kw_only=True):
    """A hand-off came into a state; `handoff` is as it is afterwards, `reason` why. `joined`: its state is as before,
    but a colleague has joined it, or left."""

    handoff: HandOff
    seq: int
    at: datetime
    reason: list[Leaf]
    by: str | None = None
    note: str | None = None
    joined: bool = False


class Alerted(StrEnum):
    """What the owner of a lead is told."""

    VISIT = "visit"
    RESPOND_SOON = "respond_soon"
    CONTACT_SOON = "contact_soon"
    FOLLOW_UP = "follow_up"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the owner of a lead, or the receiver of its hand-off, must know at once. `due`: by when to act."""

    lead_id: str
    seq: int
    kind: Alerted
    at: datetime
    department: str
    team: str | None
    person: str | None
    handoff_id: str | None = None
    due: datetime | None = None
    reason: list[Leaf] = []


class Emitted(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the router itself tells the log: what people decided about a lead is part of its history."""

    id: str
    kind: Kind
    at: datetime
    name: str = ""
    properties: dict[str, Any] = {}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The lead afterwards and what led there, in order of `seq`."""

    lead: Lead
    stages: list[StageChange] = []
    handoffs: list[HandOffChange] = []
    alerts: list[Alert] = []
    events: list[Emitted] = []


class NotPossible(Exception):
    """A hand-off is not in a state in which this can be done; the message says in which it is."""
