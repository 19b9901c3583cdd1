"""Scores of leads that come under several identities: what `links` decides, applied to their states."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import msgspec

from services.scorer.scoring.duplicates import fresh
from services.scorer.scoring.forgetting import forget, is_nothing
from services.scorer.scoring.heard import EMPTIED, LINK_GIVEN_UP, Heard, Remark
from services.scorer.scoring.links import Linking, snapshot, take_in
from services.scorer.scoring.parts import Links
from services.scorer.scoring.publishing import Publishing
from services.scorer.scoring.state import LeadState, decode_state
from services.scorer.scoring.times import BEFORE_ALL
from services.scorer.scoring.union import gathered_here, unite
from shared.between import link_of
from shared.events import Event, Kind
from shared.scores import ScoreRecord

Told = ScoreRecord | Event | Remark
"""What a lead's events lead to: score records, what other partitions are told, and what operators are."""
EventAt = Callable[[int], Event]
Booking = Callable[[LeadState, Iterable[Heard], int, EventAt], list[ScoreRecord]]


@dataclass(frozen=True)
class LinkedScoring:
    """`book` scores events of which none is a copy; `take_over` makes a state follow the playbook, whose rules `once`
    count once, and which is known by `reading`; `tidy` drops days that count no more."""

    linking: Linking
    publishing: Publishing
    book: Booking
    take_over: Callable[[LeadState], None]
    tidy: Callable[[LeadState], None]
    once: Collection[str]
    reading: int

    @staticmethod
    def concerns(state: LeadState, events: Sequence[Heard]) -> bool:
        """Whether the lead has members, or is one, or the events say so."""
        links = state.links
        if links is not None and (links.own or links.lead):
            return True
        for heard in events:  # noqa: SIM110 - a generator takes twice as long, and each lead of a batch is asked
            if heard.between or (heard.names and _is_new(links, heard)):
                return True
        return False

    def score(self, state: LeadState, events: Sequence[Heard], partition: int, event_at: EventAt) -> list[Told]:
        """As `Scorer.score`. A member has no score of its own: it tells its lead what it has gathered, and the world
        once that it is a member."""
        turn = _Turn(self, state, partition, event_at)
        own = {heard.offset for heard in fresh(state, [heard for heard in events if not heard.between])}
        for heard in events:
            if heard.between or (heard.offset in own and heard.names and _is_new(state.links, heard)):
                turn.meet(heard)
            elif heard.offset in own:
                turn.run.append(heard)
        turn.finish(events[-1])
        return turn.told


@dataclass
class _Turn:
    """One lead's part of a batch. `run` are events to be booked; `has_more`: its lead is to be told; `forgot`: somebody
    who was erased."""

    with_: LinkedScoring
    state: LeadState
    partition: int
    event_at: EventAt
    told: list[Told] = field(default_factory=list)
    run: list[Heard] = field(default_factory=list)
    has_more: bool = False
    forgot: bool = False

    def meet(self, heard: Heard) -> None:
        """What the event says about who is the same person, and then the event itself, if it is the lead's own."""
        self._book()
        state, event = self.state, self._event(heard)
        before, gone = _lead(state), _erased(event)
        if gone:
            self._forget(event, heard, gone)
        elif not self._follow(event, heard):
            return
        self.told += self.with_.linking.decide(state, event, heard.offset)
        if not heard.between:
            self.run.append(heard)
            self._book()
        has_moved = _lead(state) != before
        self.has_more = self.has_more or has_moved
        if has_moved and before and before != gone:
            self.told.append(snapshot(state, event, before, self.partition, heard.offset, leaves=True))
        is_known = state.time != BEFORE_ALL or bool(state.seq)
        # Whoever has known somebody who was erased may name them in its latest record.
        if is_known and (has_moved or gone or (event.kind is Kind.MEMBER and not _lead(state))):
            self._publish(heard)

    def finish(self, last: Heard) -> None:
        """After the lead's last event of the batch."""
        self._book()
        state, lead = self.state, _lead(self.state)
        if self.forgot and is_nothing(state):
            kept: list[Told] = [one for one in self.told if not isinstance(one, ScoreRecord)]
            self.told = [*kept, Remark(EMPTIED)]
            return
        if not (lead and self.has_more and (state.time != BEFORE_ALL or state.seq)):
            return
        if not state.seq:  # the id has never been heard of, and whoever asks for it is to find the lead
            self._publish(last)
        self.told.append(snapshot(state, self._event(last), lead, self.partition, last.offset))

    def _follow(self, event: Event, heard: Heard) -> bool:
        """False where nothing new has been said."""
        state, linking = self.state, self.with_.linking
        links = state.links = state.links or Links()
        given_up, is_new = links.given_up, True
        if event.kind is Kind.LINK:
            linking.follow(links, link_of(event))
        elif event.kind is Kind.MEMBER:
            is_new = take_in(state, links, event)
        else:
            self.told += linking.note(links, event, heard.offset, heard.names)
        self.told += [Remark(LINK_GIVEN_UP)] * (links.given_up - given_up)
        if event.kind is Kind.MEMBER and is_new:
            self._unite()
            self.has_more = True
        return is_new

    def _forget(self, event: Event, heard: Heard, gone: str) -> None:
        links = self.state.links = self.state.links or Links()
        told, has_less = forget(links, event, gone, heard.offset)
        self.told += told
        self.forgot = True
        if has_less:
            self._unite()
            self.has_more = True

    def _book(self) -> None:
        """The events of `run`: on what the lead has gathered itself, and on the union with its members."""
        run, self.run = self.run, []
        if not run:
            return
        state, seq, before = self.state, self.state.seq, len(self.told)
        if state.links is not None and state.links.own:
            for part in _mails_apart(run):
                self._book_own(state.links, part)
        else:
            self.told += self.with_.book(state, run, self.partition, self.event_at)
        if _lead(state):
            state.seq = seq
            del self.told[before:]  # it has no score of its own
        self.has_more = True

    def _book_own(self, links: Links, run: list[Heard]) -> None:
        with_, own = self.with_, decode_state(links.own)
        with_.take_over(own)
        records = with_.book(own, run, self.partition, self.event_at)
        links.own = gathered_here(own)
        if run[0].mailing is None:
            self.told += with_.book(self.state, run, self.partition, self.event_at)
        else:  # something may have been taken back
            self._unite()
            record = with_.publishing.record(self.state, run[0], self._event(run[0]), self.partition)
            # Only what it has gathered itself knows whether the event is a scanner's, and so no action at all.
            self.told.append(
                msgspec.structs.replace(record, trigger=records[-1].trigger, reported=records[-1].reported)
            )

    def _unite(self) -> None:
        links = self.state.links or Links()
        parts = [links.own, *(part.state for part in links.parts.values())]
        unite(self.state, parts, self.with_.once, self.with_.reading)
        self.with_.take_over(self.state)
        self.with_.tidy(self.state)
        if not links.parts and links.own:
            self.state.mails, links.own = decode_state(links.own).mails, b""

    def _publish(self, heard: Heard) -> None:
        self.told.append(self.with_.publishing.record(self.state, heard, self._event(heard), self.partition))

    def _event(self, heard: Heard) -> Event:
        return heard.event or self.event_at(heard.offset)


def _mails_apart(run: Sequence[Heard]) -> Iterable[list[Heard]]:
    """The same events in the same order, with those that are about a mail by themselves."""
    for is_about_mail, part in groupby(run, lambda heard: heard.mailing is not None):
        events = [*part]
        yield from ([heard] for heard in events) if is_about_mail else [events]


def _is_new(links: Links | None, heard: Heard) -> bool:
    """Whether the event says of somebody else what is not known yet."""
    if links is None or heard.takes_back:
        return True
    return any(name not in links.told and name not in links.claims for name in heard.names)


def _lead(state: LeadState) -> str:
    return state.links.lead if state.links is not None else ""


def _erased(event: Event) -> str:
    """Whom the event says to forget; empty: nobody."""
    if event.kind is not Kind.LINK:
        return ""
    what = link_of(event)
    return what.lead if what.erased else ""
