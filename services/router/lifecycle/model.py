"""A lead on its way, its hand-offs, and what a decision changes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from services.router.lifecycle.criteria import Leaf


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


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """`department`, `team` and `person` own it now; None before contact data is obtained. `taken`: the owner has
    accepted it, or has evidently worked it.

    `seq` numbers the messages about it, `handoffs` its hand-offs. `furthest` is the highest stage number it was at.
    `merged_into`: the lead that this one is part of. `cools_at`: when what its stage rests on will have ended; None:
    never, as far as is known now.
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


class HandOff(msgspec.Struct, frozen=True, kw_only=True):
    """A lead on its way from one department to another. The giver owns it until the receiver accepts."""

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
    """A hand-off came into a state; `handoff` is as it is afterwards, `reason` why."""

    handoff: HandOff
    seq: int
    at: datetime
    reason: list[Leaf]
    by: str | None = None
    note: str | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The lead afterwards and what led there, in order of `seq`."""

    lead: Lead
    stages: list[StageChange] = []
    handoffs: list[HandOffChange] = []


class NotPossible(Exception):
    """A hand-off is not in a state in which this can be done; the message says in which it is."""
