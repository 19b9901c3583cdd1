"""Apply events to a lead's state and say what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.scorer.scoring.attributes import Attributes
from services.scorer.scoring.behaviour import Behaviour
from services.scorer.scoring.duplicates import first_copy
from services.scorer.scoring.fields import FieldReader
from services.scorer.scoring.heard import Heard, Hearing
from services.scorer.scoring.publishing import Publishing
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.touches import Levels, Signals
from shared.events import Event, Logged
from shared.playbook.conditions import thresholds
from shared.playbook.schema import Playbook
from shared.scores import ScoreRecord, to_micro

UNREACHED = 10**15
"""Micro-points that no lead has."""


class Scorer:
    """A playbook, compiled. The same for the service, for replays and for tests over simulated years."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook_id = playbook.id
        self._fields = FieldReader(playbook.fields)
        self._attributes = Attributes(playbook.attribute)
        self._behaviour = Behaviour(playbook.behaviour, playbook.zone)
        self._levels = Levels(playbook)
        self._signals = Signals(playbook)
        self._publishing = Publishing(playbook.id, self._attributes, self._behaviour, self._levels, self._signals)
        limits = [to_micro(points) for points in thresholds(playbook.lead_conditions())]
        self._lowest = min(limits, default=UNREACHED)
        self.hear = Hearing(self._fields, self._behaviour, self._levels, self._signals).hear
        """`(Logged) -> Heard`: the part of the work that needs no state."""

    def new_state(self) -> LeadState:
        """A lead of whom nothing is known."""
        return LeadState()

    def apply(self, state: LeadState, events: Sequence[Logged], partition: int) -> list[ScoreRecord]:
        """Hear and score whole events."""
        found = {logged.offset: logged.event for logged in events}
        return self.score(state, [self.hear(logged) for logged in events], partition, found.__getitem__)

    def score(
        self, state: LeadState, events: Sequence[Heard], partition: int, event_at: Callable[[int], Event]
    ) -> list[ScoreRecord]:
        """Apply one lead's events, in log order, to `state`, which is changed.

        Gives the score records in order. An event that tells something new (a signal, a changed field, another level)
        has a record of its own. So has one that finds or leaves the total over the lowest threshold of the playbook:
        when the lead cools depends on each of these. The others share one, which ends between history and live events.
        So decisions do not depend on how the log was cut into batches. Copies of a message change nothing.
        `event_at` gives the event at an offset once more: a record tells of the last that it includes.
        """
        if state.playbook != self._playbook_id:
            state.follow(self._playbook_id)
        records: list[ScoreRecord] = []
        last: Heard | None = None
        highest = 0

        def publish(last: Heard) -> None:
            event = last.event or event_at(last.offset)
            records.append(self._publishing.record(state, last, event, highest, partition))

        for heard in events:
            if not first_copy(state, heard.digest, heard.day):
                continue
            before = state.total
            news = before > self._lowest or self._is_news(state, heard)
            # A total from before must not meet facts that came after it.
            if last is not None and (news or heard.historical != last.historical):
                publish(last)
                last = None
            self._book(state, heard)
            total = state.total
            if last is None or total > highest:
                highest = total
            last = heard
            if news or total > self._lowest:
                publish(last)
                last = None
        if last is not None:
            publish(last)
        return records

    def _is_news(self, state: LeadState, heard: Heard) -> bool:
        """Whether it tells more than points: asked before the event is booked."""
        _, touches, showings = heard.matched
        return bool(
            (heard.fields and self._fields.changes(state, heard.fields))
            or (showings and self._signals.is_news(state, showings))
            or (touches and self._levels.rises(state, touches, heard.time))
            or (state.levels and self._levels.has_ended(state, heard.time))
        )

    def _book(self, state: LeadState, heard: Heard) -> None:
        (rules, touches, showings), time, event = heard.matched, heard.time, heard.event
        state.time = max(state.time, time)
        if state.level_ends is not None and time >= state.level_ends:
            state.level_ends = None
        if touches:
            self._levels.add(state, touches, time)
        if event is not None:
            self._fields.keep(state, heard.fields, time, event.id)
            self._signals.add(state, event, showings, time)
        state.total = self._attributes.total(state) + self._behaviour.book(state, rules, time)
