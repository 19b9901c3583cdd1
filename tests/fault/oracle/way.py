"""A lead's way through the stages.

One event is one decision: the stages that can be entered after it are entered at once, in order, and only the last of
them decides about hand-offs. A lead goes back when it is recycled, for what it has shown or because nothing happens.
And between two events it may cool: when its stage rests on points or a level, nobody has taken the lead, and time takes
away what the stage rests on. Whatever time does is dated at its own moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.fault.oracle.calls import Happened
from tests.fault.oracle.conditions import asks_for_score, by_signal, counts, holds, signals_of
from tests.fault.oracle.counting import NEVER, Counted, Line, counted
from tests.fault.oracle.hands import Cause, Hands
from tests.fault.oracle.playbook import Book, StageOnTheWay, WayBack
from tests.fault.oracle.score import Card

LAST_NUMBER_BEFORE_CUSTOMERS = 6

LAST_NUMBER_BEFORE_REPORTS = 4
"""Up to this stage a lead may be excluded; into later ones, signals are what sales people report."""

RECYCLED, LED_ON, COOLED = range(3)
"""What time does to a lead; of several things at once, the first."""


@dataclass(frozen=True)
class StageStep:
    """`at` a moment in ms since 1970; `event_id` is empty where time or somebody's answer has led there."""

    source: str
    target: str
    at: int
    event_id: str
    historical: bool


@dataclass(frozen=True)
class RouterTold:
    """An event that the router puts into the log: a lead is to begin its behaviour score anew `at` a moment (ms since
    1970), or somebody has rejected a hand-off."""

    kind: str
    at: int
    reason: str
    handoff_id: str = ""


@dataclass
class Way:
    """Where a lead is, since `stage_at`; `hands`: in whose hands; `imported_at`: when its latest event was told of, if
    that is history."""

    book: Book
    lead_id: str
    hands: Hands = field(init=False)
    stage: StageOnTheWay = field(init=False)
    reached: list[StageOnTheWay] = field(init=False)
    stage_at: int | None = None
    line: Line = NEVER
    steps: list[StageStep] = field(default_factory=list)
    told: list[RouterTold] = field(default_factory=list)
    imported_at: int | None = None

    def __post_init__(self) -> None:
        self.hands = Hands(self.book, self.lead_id)
        self.stage = self.book.stages[0]
        self.reached = [self.stage]

    def after(self, event: Happened, card: Card) -> None:
        """Go as far as the event allows; `card` includes it."""
        self.imported_at = event.received_at if event.historical else None
        cause = Cause(card.time, event.id, card.fields, self.imported_at)
        self._go_on(card, cause)
        self._turn_back(card, cause)

    def pass_time(self, card: Card, until: int) -> None:
        """Nothing happens up to `until`; `card` is of the events before."""
        while (due := self._due(card, until)) is not None:
            at, what, back = due
            then = card.later(at)
            cause = Cause(at, "", card.fields)
            if what == RECYCLED and back is not None:
                self._recycle(back, then, cause)
                continue
            if what == COOLED:
                self._enter([self._colder(then)], cause)
                self.hands.take_back(self.stage, cause)
            elif self.line.parked is not None and self.stage.id == self.line.parked:
                self._enter([self.book.stage(self.line.target)], cause)
                self.hands.drop(self.stage, cause)
            else:
                if self.imported_at is not None and at <= self.imported_at:
                    cause = Cause(at, "", card.fields, self.imported_at)
                self._go_on(then, cause)
            self._turn_back(then, cause)

    def accept(self, at: int) -> None:
        """The receiver of the open hand-off has accepted it."""
        self.hands.accept(at)

    def reject(self, reason: str, card: Card, at: int) -> None:
        """The receiver of the open hand-off has rejected it. Customers do not go back; and nobody else is asked about
        whoever is to be left alone by then."""
        assert self.hands.offer is not None
        self.told.append(RouterTold("rejected", at, reason, self.hands.offer.handoff_id))
        is_customer = self.stage.rank[0] > LAST_NUMBER_BEFORE_CUSTOMERS
        asked_again = is_customer or reason in self.book.reassigned
        held = self._is_held_back(self.hands.offer.stage, card.later(max(at, card.time)))
        again = self.hands.reject(reassign=asked_again and not held)
        if not again and not is_customer:
            self._recycle(self.book.rejection, card, Cause(at, "", card.fields))

    def _is_held_back(self, stage: str, card: Card) -> bool:
        return self.book.stage(stage).guarded and any(holds(when, card) for _, when in self.book.guards)

    def _due(self, card: Card, until: int) -> tuple[int, int, WayBack | None] | None:
        """What time does first, and when; None: nothing by `until`. While it waits for it, only the end of that."""
        if self.stage.id == self.line.parked:
            return (self.line.held, LED_ON, None) if self.line.held <= until else None
        found: list[tuple[int, int, WayBack | None]] = []
        if not self.hands.offer or self.hands.is_accepted:
            ends = [(self._silent_until(*back.silence, card), back) for back in self._ways_back() if back.silence]
            if ends:
                at, back = min(ends, key=lambda end: end[0])
                found.append((max(at, card.time), RECYCLED, back))
        passed = max(card.time, self.stage_at or card.time)
        if self.line is not NEVER and self.line.held >= passed and any(self._next(card.later(self.line.held))):
            found.append((self.line.held, LED_ON, None))
        found += [(at, LED_ON, None) for at in self._let_go(card) if passed <= at and any(self._next(card.later(at)))]
        until = min([until, *(at for at, _, _ in found)])
        if (cooled := self._cools(card, until)) is not None:
            found.append((cooled, COOLED, None))
        return min((one for one in found if one[0] <= until), key=lambda one: one[:2], default=None)

    def _let_go(self, card: Card) -> Iterator[int]:
        """When guards end that hold for how often something was done lately."""
        for when in (when for _, when in self.book.guards):
            ends = {shown + within for name, within in counts(when) for shown in card.times_shown(name)}
            for at in sorted(end for end in ends if end > card.time):
                if holds(when, card.later(at - 1)) and not holds(when, card.later(at)):
                    yield at

    def _silent_until(self, signal: str, silent_for: int, card: Card) -> int:
        moments = (self.stage_at, self.hands.owned_at, card.last_shown(signal))
        return max((moment for moment in moments if moment is not None), default=card.time) + silent_for

    def _cools(self, card: Card, until: int) -> int | None:
        """The first millisecond at which its stage's condition holds no more. What does not count until the waiting
        time is over counts from then on: before and after it, a condition that ends does not come back by itself."""
        if not self._can_cool():
            return None
        start = card.time if self.stage_at is None else max(card.time, self.stage_at)
        for first, last in ((start, min(until, self.line.held - 1)), (max(start, self.line.held), until)):
            if first <= last and (found := self._first_unmet(card, first, last)) is not None:
                return found
        return None

    def _first_unmet(self, card: Card, first: int, last: int) -> int | None:
        card = card.later(first)
        if not self._holds(self.stage, self._counted(card)):
            return first
        if self._holds(self.stage, self._counted(card.later(last))):
            return None
        while last - first > 1:
            middle = (first + last) // 2
            if self._holds(self.stage, self._counted(card.later(middle))):
                first = middle
            else:
                last = middle
        return last

    def _can_cool(self) -> bool:
        when = self.stage.when
        if when is None or self.stage.excluded or self.stage.rank[0] > LAST_NUMBER_BEFORE_CUSTOMERS:
            return False
        return asks_for_score(when) and not self.hands.is_worked and self.stage.id != self.line.target

    def _colder(self, card: Card) -> StageOnTheWay:
        """Where a lead belongs that has cooled: the furthest place before, and nowhere else if it is to be left out."""
        for stage in self.book.stages:
            if stage.excluded and self._may_follow(stage) and self._holds(stage, card):
                return stage
        guarded = any(holds(when, card) for _, when in self.book.guards)
        found = [self.book.stages[0], *self._come_after(card), *self._landing()]
        for stage in self.book.stages:
            before = stage.rank < self.stage.rank and not stage.excluded and not (stage.guarded and guarded)
            if before and self._may_follow(stage) and self._holds(stage, self._counted(card)):
                found.append(stage)
        return max((one for one in found if one.rank < self.stage.rank), key=lambda stage: stage.rank)

    def _come_after(self, card: Card) -> list[StageOnTheWay]:
        """The nearest stage that this one comes after and that the lead does not fall out of at once."""
        after = self.stage.after
        while after is not None:
            stage = self.book.stage(after)
            if stage.when is None or not asks_for_score(stage.when) or self._holds(stage, self._counted(card)):
                return [stage]
            after = stage.after
        return []

    def _landing(self) -> list[StageOnTheWay]:
        """Where it was last recycled to."""
        return [self.book.stage(self.line.target)] if self.line.target else []

    def _go_on(self, card: Card, cause: Cause) -> None:
        entered = self._enter(self._next(card), cause)
        if entered:
            reported = entered[-1].rank[0] > LAST_NUMBER_BEFORE_REPORTS and entered[-1].when is not None
            reported = reported and by_signal(entered[-1].when or {}, self._counted(card))
            self.hands.hand_over(entered, reported, cause)

    def _next(self, card: Card) -> list[StageOnTheWay]:
        """The stages that it goes through, in order."""
        found: list[StageOnTheWay] = []
        while (stage := self._one_further(found[-1] if found else self.stage, found, card)) is not None:
            found.append(stage)
        return found

    def _one_further(self, here: StageOnTheWay, gone: Sequence[StageOnTheWay], card: Card) -> StageOnTheWay | None:
        known = self._counted(card)
        if here.excluded:
            return self._freed() if here is self.stage and not gone and not self._holds(here, card) else None
        if here.rank[0] <= LAST_NUMBER_BEFORE_REPORTS:
            for stage in self.book.stages:
                if stage.excluded and self._may_follow(stage, gone) and self._holds(stage, card):
                    return stage
        further = (
            stage
            for stage in sorted(self.book.stages, key=lambda stage: stage.rank)
            if stage.rank > here.rank
            and not stage.excluded
            and self._may_follow(stage, gone)
            and self._holds(stage, known)
            and not (stage.guarded and any(holds(when, card) for _, when in self.book.guards))
            and not (known.waits and self._holds(stage, known.if_idle()))
        )
        return next(further, None)

    def _freed(self) -> StageOnTheWay:
        """From an exclusion: to the stage that it comes after, or to where it was recycled, and on from there."""
        after = [self.book.stage(self.stage.after)] if self.stage.after else [self.book.stages[0]]
        return max([*after, *self._landing()], key=lambda stage: stage.rank)

    def _ways_back(self) -> Iterator[WayBack]:
        return (back for back in self.book.recycling if self.stage.id in back.sources)

    def _turn_back(self, card: Card, cause: Cause) -> None:
        """It is recycled for what it has shown since it came to its stage; or, if that rests on signals which were told
        late, since it showed these."""
        known, moments = self._counted(card), [] if self.stage_at is None else [self.stage_at]
        rests_on = {name for name in signals_of(self.stage.when or {}) if known.has_shown(name)}
        if rests_on:
            moments.append(max(card.last_shown(name) or 0 for name in rests_on))
        since = max(self.line.at, min(moments) - 1) if moments else self.line.at
        known = Counted(card, self.line, since)
        for back in self._ways_back():
            if back.when is not None and holds(back.when, known):
                self._recycle(back, card, cause)
                return

    def _recycle(self, back: WayBack, card: Card, cause: Cause) -> None:
        """A line is drawn, and the lead goes to its stage; or out of the way, if it is to be left out."""
        stage = self.book.stage(back.through or back.target)
        epoch = cause.at if back.restarts else self.line.epoch
        self.line = Line(cause.at, cause.at + back.hold, epoch, back.target, back.through)
        out = [one for one in self.book.stages if one.excluded and self._may_follow(one, [stage])]
        out = [one for one in out if self._holds(one, card)]
        self._enter([*([stage] if stage is not self.stage else []), *out[:1]], cause)
        self.hands.recycle(self.stage, cause)
        if back.restarts:
            self.told.append(RouterTold("recycle", cause.at, back.id))

    def _enter(self, stages: Sequence[StageOnTheWay], cause: Cause) -> Sequence[StageOnTheWay]:
        for stage in stages:
            self.steps.append(StageStep(self.stage.id, stage.id, cause.at, cause.event_id, cause.told_at is not None))
            self.stage, self.stage_at = stage, cause.at
            self.reached.append(stage)
        return stages

    def _counted(self, card: Card) -> Counted:
        return counted(card, self.line)

    def _may_follow(self, stage: StageOnTheWay, gone: Sequence[StageOnTheWay] = ()) -> bool:
        return stage.after is None or stage.after in [reached.id for reached in (*self.reached, *gone)]

    def _holds(self, stage: StageOnTheWay, known: Card | Counted) -> bool:
        return stage.when is not None and holds(stage.when, known)
