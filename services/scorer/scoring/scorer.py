"""Apply events to a lead's state and say what changed."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from services.scorer.scoring.accounts import Accounts
from services.scorer.scoring.attributes import Attributes
from services.scorer.scoring.behaviour import Behaviour
from services.scorer.scoring.duplicates import fresh
from services.scorer.scoring.fields import FieldReader
from services.scorer.scoring.forgetting import farewell
from services.scorer.scoring.heard import Heard, Hearing
from services.scorer.scoring.linked import LinkedScoring, Told
from services.scorer.scoring.links import Linking
from services.scorer.scoring.mails import MailScoring
from services.scorer.scoring.parts import Act
from services.scorer.scoring.people import INTERNAL, People
from services.scorer.scoring.publishing import Publishing
from services.scorer.scoring.reading import reading_of
from services.scorer.scoring.scanners import About, ScannerRules
from services.scorer.scoring.state import LeadState, copied
from services.scorer.scoring.touches import Levels, Signals
from shared.events import Event, Logged
from shared.playbook.schema import Playbook
from shared.points import to_micro
from shared.privacy import Consent
from shared.scores import Position, ScoreRecord

_ROUNDING = 1000
"""Micro-points: a record tells of each rule to the next one."""


class Scorer:
    """A playbook, compiled. The same for the service, for replays and for tests over simulated years."""

    def __init__(self, playbook: Playbook) -> None:
        self.playbook_id, self._reading = playbook.id, reading_of(playbook)
        self._fields = FieldReader(playbook.fields, Accounts(playbook.target_accounts), playbook.attribute)
        self._attributes = Attributes(playbook.attribute)
        self._behaviour = Behaviour(playbook.behaviour, playbook.zone)
        self._levels = Levels(playbook, self._attributes)
        self._signals = Signals(playbook)
        self._publishing = Publishing(playbook, self._attributes, self._behaviour, self._levels, self._signals)
        self._thresholds = sorted(to_micro(points) for points in playbook.totals_that_matter())
        self._lowest = min(self._thresholds, default=math.inf)
        people, linking = People(playbook.not_people, Consent(playbook.privacy)), Linking(playbook.identity)
        scanners = ScannerRules(playbook.not_people.scanners)
        once = frozenset(rule.id for rule in playbook.behaviour.rules if rule.once)
        self._linked = LinkedScoring(
            linking, self._publishing, self._records, self._take_over, self._behaviour.tidy, once, self._reading
        )
        self._mails = MailScoring(scanners, self._behaviour, once, self._book)
        self.hear = Hearing(people, scanners, linking, self._fields, self._behaviour, self._levels, self._signals).hear
        """`(Event, offset, day) -> Heard`: the part of the work that needs no state."""

    def new_state(self) -> LeadState:
        """A lead of whom nothing is known."""
        return LeadState()

    def apply(self, state: LeadState, events: Sequence[Logged], partition: int) -> list[ScoreRecord]:
        """Hear and score whole events; gives the score records alone."""
        found = {logged.offset: logged.event for logged in events}
        heard = [self.hear(logged.event, logged.offset, logged.day) for logged in events]
        told = self.score(state, heard, partition, found.__getitem__)
        return [one for one in told if isinstance(one, ScoreRecord)]

    def score(
        self, state: LeadState, events: Sequence[Heard], partition: int, event_at: Callable[[int], Event]
    ) -> list[Told]:
        """Apply one lead's events, in log order, to `state`, which is changed.

        Gives the score records in order, and what others are told of who is the same person.

        An event that tells something new (a signal, a changed field, another level, a new start) has a record of its
        own, and so has one that takes the total past a threshold of the playbook, or may find that it has fallen to one
        since the latest event or record. The others share one, which ends between history and live events. So decisions
        do not depend on how the log was cut into batches. Copies of a message change nothing.
        `event_at` gives the event at an offset once more: a record tells of the last that it includes.
        """
        if state.playbook != self.playbook_id:
            self._take_over(state)
        if self._linked.concerns(state, events):
            return self._linked.score(state, events, partition, event_at)
        told: list[Told] = [*self._records(state, fresh(state, events), partition, event_at)]
        return told

    def _records(
        self, state: LeadState, events: Iterable[Heard], partition: int, event_at: Callable[[int], Event]
    ) -> list[ScoreRecord]:
        """Of events of which none is a copy."""
        is_other, state.taken_over = state.taken_over, False
        records: list[ScoreRecord] = []
        last: Heard | None = None
        most = self._most(state)  # no more can the total be by now
        shown, shown_at = state.total, state.time  # by the latest record

        def publish(last: Heard) -> None:
            nonlocal shown, shown_at
            event = last.event or event_at(last.offset)
            records.append(self._publishing.record(state, last, event, partition))
            shown, shown_at = state.total, state.time

        for told in events:
            heard, taken = self._judged(state, told)
            before = state.total
            most += heard.matched.gain
            news = (
                is_other
                or bool(taken)
                or self._is_news(state, heard)
                or (before > self._lowest and self._may_have_fallen(state, before, state.time, heard.time))
                or (shown > self._lowest and self._may_have_fallen(state, shown, shown_at, heard.time))
            )
            # A total from before must not meet facts that came after it.
            if last is not None and (news or heard.historical != last.historical):
                publish(last)
                last = None
            self._book(state, heard)
            if taken:
                self._mails.take_back(state, taken)
            last, is_other = heard, False
            # Most leads are far below all thresholds: what their total is at most says enough.
            if not news and most <= self._lowest:
                state.total = most
                continue
            if not news:
                state.total = self._exact_total(state)
            if news or self._pass_a_threshold(before, state.total):
                publish(last)
                last = None
            most = self._most(state)
        if last is not None:
            publish(last)
        return records

    def rescore(self, state: LeadState, lead_id: str, position: Position, at: int) -> ScoreRecord | None:
        """Let a state of another playbook follow this one, without an event. Gives the lead's record at the moment `at`
        (ms), or at its latest time if that is later; None where there is nothing to tell: it has never had a
        record, or is a member of another one.

        At `at`, because the new rules begin to count then: by its latest time a lead that has long been cold would be
        hot, and handed to sales. The state itself stays at its latest time, as if this had been its playbook always."""
        self._take_over(state)
        if not state.seq or (state.links is not None and state.links.lead):
            return None
        state.total = self._exact_total(state)
        state.seq += 1
        seen = copied(state)
        seen.seq, seen.time = seen.seq - 1, max(seen.time, at)
        return self._publishing.anew(seen, lead_id, position)

    @staticmethod
    def erase(state: LeadState, event: Event, offset: int) -> list[Event]:
        """The lead is erased by an event at its place. Gives what to tell those who know of it; they forget it."""
        return farewell(state.links, event, offset)

    def _judged(self, state: LeadState, heard: Heard) -> tuple[Heard, Sequence[Act]]:
        """What of an event is to be booked, and which earlier acts are to be taken back because of it."""
        # Of members' acts, and of its own among theirs, the lead only knows what is left of them.
        if heard.mailing is None or (state.links is not None and state.links.own):
            return heard, ()
        return self._mails.judge(state, heard, heard.mailing)

    def _take_over(self, state: LeadState) -> None:
        """A new state, or one of another playbook. What was counted is worth what this one says; but what the other one
        understood differently of an event is gone, and the state remembers that."""
        if state.reading not in {0, self._reading} or not self._behaviour.can_follow(state):
            state.exact = False
        state.reading, state.taken_over = self._reading, bool(state.seq)
        state.follow(self.playbook_id)

    def _exact_total(self, state: LeadState) -> int:
        return self._publishing.total(state, self._attributes.total(state) + self._behaviour.worth(state))

    def _most(self, state: LeadState) -> int:
        """What the total may become by itself at most."""
        return state.total + self._behaviour.may_rise(state) + _ROUNDING if self._thresholds else state.total

    def _pass_a_threshold(self, one: int, other: int) -> bool:
        """Whether some threshold lies between two totals."""
        return bisect_left(self._thresholds, one) != bisect_left(self._thresholds, other)

    def _may_have_fallen(self, state: LeadState, total: int, at: int, until: int) -> bool:
        """Whether what was `total` at a moment may have fallen to a threshold until a later one, by what was known
        then: of the latest event, or of the latest record, as whoever reads records lets the lead cool by that. Too
        often is said rather than too seldom: a record more changes no decision."""
        if until <= state.time:
            return False
        left = self._behaviour.share_left(state, until - at)
        if left is None:
            return True
        attributes = self._attributes.total(state)
        least = math.floor(attributes + (total - attributes) * left) - _ROUNDING
        return self._pass_a_threshold(least, total)

    def _is_news(self, state: LeadState, heard: Heard) -> bool:
        """Whether it tells more than points: asked before the event is booked."""
        touches, showings = heard.matched.touches, heard.matched.showings
        return bool(
            heard.recycles
            or (heard.ignored == INTERNAL and not state.is_internal)
            or (heard.fields and self._fields.changes(state, heard.fields))
            or (showings and self._signals.is_news(state, showings))
            or heard.matched.takings  # may make a level, or show that the lead was not absent after all
            or (touches and self._levels.rises(state, touches, heard.time))
            or (state.levels and self._levels.has_ended(state, heard.time))
        )

    def _book(self, state: LeadState, heard: Heard) -> None:
        matched, time, event = heard.matched, heard.time, heard.event
        state.time = max(state.time, time)
        if heard.recycles:
            self._behaviour.recycle(state, time)
        if heard.ignored:
            state.ignored[heard.ignored] = state.ignored.get(heard.ignored, 0) + 1
        if state.level_ends is not None and time >= state.level_ends:
            state.level_ends = None
        if matched.touches:
            self._levels.add(state, matched.touches, time)
            if matched.takings:
                self._levels.campaigns.book(state, matched.takings, time)
        if event is not None:
            self._fields.keep(state, heard.fields, time, event.id)
        if matched.showings:
            properties = event.properties if event is not None else {}
            self._signals.add(state, heard.id, properties, matched.showings, time)
        self._behaviour.book(state, matched.earnings, time, heard.id)
        if state.mails is not None and matched.about is not About.ACT:
            self._mails.keep_up(state, heard)
