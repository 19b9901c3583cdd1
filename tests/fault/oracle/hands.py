"""In whose hands a lead is: its owner, and the hand-offs by which it goes from one department to another."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fault.oracle.places import prefecture
from tests.fault.oracle.playbook import Book, StageOnTheWay
from tests.fault.oracle.values import same

HAND_OFF_IDS = uuid.UUID("6f1d3c52-9a0b-5e0e-8f0c-7a5a6b1c9d21")
"""Arbitrary but fixed: the n-th hand-off of a lead is uuid5 of this and `<lead id>:<n>`, n from 1."""

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class HandOffStep:
    """A hand-off came into `status`. `event_id` is the event that caused it, empty if time or somebody's answer did."""

    handoff_id: str
    status: str
    giver: str
    giver_team: str | None
    receiver: str
    team: str
    stage: str
    event_id: str


@dataclass(frozen=True)
class Cause:
    """When something happens (ms since 1970) and by which event (empty: by none); `fields` are the lead's then.
    `told_at`: when we were told of it, if that is history."""

    at: int
    event_id: str
    fields: Fields
    told_at: int | None = None


@dataclass
class Hands:
    """`owner` is (department, team), since `owned_at`, and `is_taken` when its people have worked the lead; `offer` the
    open hand-off as it stands, the `attempt`-th in a row."""

    book: Book
    lead_id: str
    owner: tuple[str, str] | None = None
    owned_at: int | None = None
    is_taken: bool = False
    offer: HandOffStep | None = None
    attempt: int = 1
    offers: int = 0
    handoffs: list[HandOffStep] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        return self.offer is not None and self.offer.status == "accepted"

    @property
    def is_worked(self) -> bool:
        """Nobody takes the lead from whoever works it. An offer to the next department nobody has taken yet."""
        return self.is_taken if self.offer is None else self.is_accepted

    def hand_over(self, entered: Sequence[StageOnTheWay], reported: bool, cause: Cause) -> None:
        """The first owner takes the lead without being asked; then a change of department is a hand-off."""
        for stage in entered:
            if self.owner is None and stage.owner is not None:
                self.own(stage.owner, cause)
        last = entered[-1]
        if self.offer is not None:
            self._close_if_outrun(self.offer, last, reported, cause)
        if last.owner is None or self.owner is None or self.offer is not None or last.owner == self.owner[0]:
            return
        if cause.told_at is not None or last.excluded:  # it happened without us, or nobody is to work the lead
            self.own(last.owner, cause)
        elif not self._is_ahead_of(last):
            self._make_offer(last, cause)
        elif not self.is_taken:
            self.own(last.owner, cause)

    def _is_ahead_of(self, stage: StageOnTheWay) -> bool:
        """Whether all stages of the lead's department come after one."""
        assert self.owner is not None
        of_owner = [one.rank for one in self.book.stages if one.owner == self.owner[0] and not one.excluded]
        return all(rank > stage.rank for rank in of_owner)

    def _close_if_outrun(self, offer: HandOffStep, last: StageOnTheWay, reported: bool, cause: Cause) -> None:
        """Completed by another department's turn, or by a report from sales, if the receiver has accepted it, or the
        report shows that it has worked the lead without saying so; withdrawn otherwise, also from an exclusion."""
        accepted = self.is_accepted
        goes_on = last.owner in (None, offer.receiver) and (accepted or not reported)
        if goes_on and not last.excluded:
            return
        worked = (accepted or reported) and not last.excluded
        if worked and not accepted:
            self._take_over(offer, cause.at)
        self._turn("completed" if worked else "withdrawn", cause.event_id)

    def take_back(self, stage: StageOnTheWay, cause: Cause) -> None:
        """The lead has cooled and gone back to a stage; nobody works it."""
        if self.offer is not None and self.offer.receiver != stage.owner:
            self._turn("withdrawn", "")
        if self.owner is None or stage.owner in (None, self.owner[0]) or self.offer is not None:
            return
        assert stage.owner is not None
        if stage.excluded or (not self.is_taken and self._is_ahead_of(stage)):
            self.own(stage.owner, cause)
        elif not self.is_taken:
            self._make_offer(stage, cause)

    def recycle(self, stage: StageOnTheWay, cause: Cause) -> None:
        """The lead has gone back to a stage, whose department has it at once."""
        if self.offer is not None:
            self._turn("completed" if self.is_accepted else "withdrawn", cause.event_id)
        self.drop(stage, cause)

    def drop(self, stage: StageOnTheWay, cause: Cause) -> None:
        """Whoever has had the lead has done with it."""
        if stage.owner is not None and (self.owner is None or stage.owner != self.owner[0]):
            self.own(stage.owner, cause)
        self.is_taken = False

    def own(self, department: str, cause: Cause) -> None:
        self.owner, self.is_taken = (department, self._team(department, cause.fields)), False
        self.owned_at = cause.at if cause.told_at is None else cause.told_at  # nobody here knew it before

    def accept(self, at: int) -> None:
        assert self.offer is not None
        self._take_over(self.offer, at)
        self.offer = replace(self.offer, status="accepted", event_id="")
        self.handoffs.append(self.offer)

    def reject(self, *, reassign: bool) -> bool:
        """Whether somebody else is asked instead, of the same team."""
        assert self.offer is not None
        rejected = self.offer
        self._turn("rejected", "")
        if not reassign or self.attempt > self.book.asked_again:
            return False
        self.attempt += 1
        self._offer(rejected)
        return True

    def _make_offer(self, stage: StageOnTheWay, cause: Cause) -> None:
        assert stage.owner is not None
        assert self.owner is not None
        team = self._team(stage.owner, cause.fields)
        self.attempt = 1
        self._offer(HandOffStep("", "", *self.owner, stage.owner, team, stage.id, cause.event_id))

    def _offer(self, like: HandOffStep) -> None:
        self.offers += 1
        id = str(uuid.uuid5(HAND_OFF_IDS, f"{self.lead_id}:{self.offers}"))
        self.offer = replace(like, handoff_id=id, status="offered", event_id=like.event_id if not like.status else "")
        self.handoffs.append(self.offer)

    def _take_over(self, offer: HandOffStep, at: int) -> None:
        self.owner, self.is_taken, self.owned_at = (offer.receiver, offer.team), True, at

    def _turn(self, status: str, event_id: str) -> None:
        """The open hand-off ends."""
        assert self.offer is not None
        self.handoffs.append(replace(self.offer, status=status, event_id=event_id))
        self.offer = None

    def _team(self, department: str, known: Fields) -> str:
        """The first team whose territory the lead is in; else the one without a territory."""
        teams = self.book.teams[department]
        for team, territory in teams:
            if territory and all(self._lies_in(known.get(name), name, values) for name, values in territory.items()):
                return team
        return next((team for team, territory in teams if not territory), teams[0][0])

    def _lies_in(self, value: Any, name: str, values: Any) -> bool:
        if self.book.fields[name].is_prefecture:
            return value is not None and prefecture(str(value)) in [prefecture(one) for one in values]
        return any(same(value, one) for one in values)
