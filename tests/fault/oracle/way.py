"""A lead's way through the stages, and who hands it to whom.

One event is one decision: the stages that can be entered after it are entered at once, in order, and only the last of
them decides about hand-offs. Between two events a lead may cool: when its stage rests on points or a level, nobody has
taken the lead, and time takes away what the stage rests on, the lead goes back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fault.oracle.calls import Happened
from tests.fault.oracle.conditions import asks_for_score, by_signal, holds
from tests.fault.oracle.places import prefecture
from tests.fault.oracle.playbook import Book, StageOnTheWay
from tests.fault.oracle.score import Card
from tests.fault.oracle.values import same

HAND_OFF_IDS = uuid.UUID("6f1d3c52-9a0b-5e0e-8f0c-7a5a6b1c9d21")
"""Arbitrary but fixed: the n-th hand-off of a lead is uuid5 of this and `<lead id>:<n>`, n from 1."""

LAST_NUMBER_BEFORE_CUSTOMERS = 6

LAST_NUMBER_BEFORE_REPORTS = 4
"""Up to this stage a lead may be excluded; into later ones, signals are what sales people report."""


@dataclass(frozen=True)
class StageStep:
    """`event_id` is empty where the lead has cooled."""

    source: str
    target: str
    event_id: str
    historical: bool


@dataclass(frozen=True)
class HandOffStep:
    """A hand-off came into `status`: offered, completed or withdrawn. `event_id` is the event that caused it, empty if
    the lead has cooled."""

    handoff_id: str
    status: str
    giver: str
    giver_team: str | None
    receiver: str
    team: str
    stage: str
    event_id: str


@dataclass
class Way:
    """Where a lead is. `owner` is (department, team), and `is_taken` when its people have worked the lead; `offer` the
    open hand-off as it was offered."""

    book: Book
    lead_id: str
    stage: StageOnTheWay = field(init=False)
    reached: list[StageOnTheWay] = field(init=False)
    owner: tuple[str, str] | None = None
    is_taken: bool = False
    offer: HandOffStep | None = None
    offers: int = 0
    steps: list[StageStep] = field(default_factory=list)
    handoffs: list[HandOffStep] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage = self.book.stages[0]
        self.reached = [self.stage]

    def after(self, event: Happened, card: Card) -> None:
        """Go as far as the event allows; `card` includes it."""
        entered = []
        for stage in self._next(card):
            self.steps.append(StageStep(self.stage.id, stage.id, event.id, event.historical))
            self.stage = stage
            self.reached.append(stage)
            entered.append(stage)
        if entered:
            self._hand_over(entered, event, card)

    def cool(self, card: Card, until: int) -> None:
        """Let time pass up to `until`, with nothing happening; `card` is of the events before."""
        while (cooled := self._cooled(card, until)) is not None:
            stage = self._back(cooled)
            self.steps.append(StageStep(self.stage.id, stage.id, "", False))
            self.stage = stage
            self.reached.append(stage)
            self._take_back(stage, cooled)

    def _cooled(self, card: Card, until: int) -> Card | None:
        """The lead at the first millisecond at which its stage's condition holds no more."""
        if not self._can_cool() or self._holds(self.stage, card.later(until)):
            return None
        if not self._holds(self.stage, card):
            return card.later(card.time)
        before, after = card.time, until
        while after - before > 1:
            middle = (before + after) // 2
            if self._holds(self.stage, card.later(middle)):
                before = middle
            else:
                after = middle
        return card.later(after)

    def _can_cool(self) -> bool:
        when = self.stage.when
        if when is None or self.stage.excluded or self.stage.rank[0] > LAST_NUMBER_BEFORE_CUSTOMERS:
            return False
        return asks_for_score(when) and (self.offer is not None or not self.is_taken)

    def _back(self, card: Card) -> StageOnTheWay:
        """Where a lead belongs that has cooled: the furthest place before, and nowhere else if it is to be left out."""
        for stage in self.book.stages:
            if stage.excluded and self._may_follow(stage) and self._holds(stage, card):
                return stage
        guarded = any(holds(when, card) for _, when in self.book.guards)
        found = [self.book.stages[0], *self._come_after(card)]
        for stage in self.book.stages:
            before = stage.rank < self.stage.rank and not stage.excluded and not (stage.guarded and guarded)
            if before and self._may_follow(stage) and self._holds(stage, card):
                found.append(stage)
        return max(found, key=lambda stage: stage.rank)

    def _come_after(self, card: Card) -> list[StageOnTheWay]:
        """The nearest stage that this one comes after and that the lead does not fall out of at once."""
        by_id = {stage.id: stage for stage in self.book.stages}
        after = self.stage.after
        while after is not None:
            stage = by_id[after]
            if stage.when is None or not asks_for_score(stage.when) or self._holds(stage, card):
                return [stage]
            after = stage.after
        return []

    def _take_back(self, stage: StageOnTheWay, card: Card) -> None:
        assert self.owner is not None
        if self.offer is not None and self.offer.receiver != stage.owner:
            self.handoffs.append(replace(self.offer, status="withdrawn", event_id=""))
            self.offer = None
        if stage.owner in (None, self.owner[0]) or self.offer is not None:
            return
        of_owner = [one.rank for one in self.book.stages if one.owner == self.owner[0] and not one.excluded]
        if stage.excluded or (not self.is_taken and all(rank > stage.rank for rank in of_owner)):
            self._own(stage, card)
        elif not self.is_taken:
            self._make_offer(stage, "", card)

    def _next(self, card: Card) -> Iterator[StageOnTheWay]:
        while (stage := self._one_further(card)) is not None:
            yield stage

    def _one_further(self, card: Card) -> StageOnTheWay | None:
        if self.stage.excluded:
            return None if self._holds(self.stage, card) else self._back_from_exclusion()
        if self.stage.rank[0] <= LAST_NUMBER_BEFORE_REPORTS:
            for stage in self.book.stages:
                if stage.excluded and self._may_follow(stage) and self._holds(stage, card):
                    return stage
        further = (
            stage
            for stage in sorted(self.book.stages, key=lambda stage: stage.rank)
            if stage.rank > self.stage.rank
            and not stage.excluded
            and self._may_follow(stage)
            and self._holds(stage, card)
            and not (stage.guarded and any(holds(when, card) for _, when in self.book.guards))
        )
        return next(further, None)

    def _back_from_exclusion(self) -> StageOnTheWay:
        """To the stage that it comes after, and on from there."""
        return next((stage for stage in self.book.stages if stage.id == self.stage.after), self.book.stages[0])

    def _may_follow(self, stage: StageOnTheWay) -> bool:
        return stage.after is None or stage.after in [reached.id for reached in self.reached]

    def _holds(self, stage: StageOnTheWay, card: Card) -> bool:
        return stage.when is not None and holds(stage.when, card)

    def _hand_over(self, entered: list[StageOnTheWay], event: Happened, card: Card) -> None:
        """The first owner takes the lead without being asked; then a change of department is a hand-off."""
        for stage in entered:
            if self.owner is None and stage.owner is not None:
                self._own(stage, card)
        last = entered[-1]
        if self.offer is not None:
            self._close_if_outrun(last, event, card)
        if last.owner is None or self.owner is None or self.offer is not None or last.owner == self.owner[0]:
            return
        if event.historical or last.excluded:  # it happened without us, or nobody is to work the lead
            self._own(last, card)
        else:
            self._make_offer(last, event.id, card)

    def _own(self, stage: StageOnTheWay, card: Card) -> None:
        assert stage.owner is not None
        self.owner, self.is_taken = (stage.owner, self._team(stage.owner, card)), False

    def _make_offer(self, stage: StageOnTheWay, event_id: str, card: Card) -> None:
        assert stage.owner is not None
        assert self.owner is not None
        self.offers += 1
        self.offer = HandOffStep(
            handoff_id=str(uuid.uuid5(HAND_OFF_IDS, f"{self.lead_id}:{self.offers}")),
            status="offered",
            giver=self.owner[0],
            giver_team=self.owner[1],
            receiver=stage.owner,
            team=self._team(stage.owner, card),
            stage=stage.id,
            event_id=event_id,
        )
        self.handoffs.append(self.offer)

    def _close_if_outrun(self, last: StageOnTheWay, event: Happened, card: Card) -> None:
        """A report from sales shows that the receiver has worked the lead, though it never said so; otherwise the offer
        is withdrawn when it is another department's turn, or when nobody is to work the lead."""
        assert self.offer is not None
        offer, reported = self.offer, _is_reported(last, card)
        if not reported and not last.excluded and last.owner in (None, offer.receiver):
            return
        status = "completed" if reported else "withdrawn"
        if reported:
            self.owner, self.is_taken = (offer.receiver, offer.team), True
        self.handoffs.append(replace(offer, status=status, event_id=event.id))
        self.offer = None

    def _team(self, department: str, card: Card) -> str:
        """The first team whose territory the lead is in; else the one without a territory."""
        known = card.fields
        teams = self.book.teams[department]
        for team, territory in teams:
            if territory and all(self._lies_in(known.get(name), name, values) for name, values in territory.items()):
                return team
        return next((team for team, territory in teams if not territory), teams[0][0])

    def _lies_in(self, value: Any, name: str, values: Any) -> bool:
        if self.book.fields[name].is_prefecture:
            return value is not None and prefecture(str(value)) in [prefecture(one) for one in values]
        return any(same(value, one) for one in values)


def _is_reported(stage: StageOnTheWay, card: Card) -> bool:
    """Sales people say so: a signal, and not the score or the level alone, led into one of the later stages."""
    return stage.rank[0] > LAST_NUMBER_BEFORE_REPORTS and stage.when is not None and by_signal(stage.when, card)
