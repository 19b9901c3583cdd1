"""Apply events to a lead's state and say what changed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter

from services.scorer.scoring.attributes import Attributes
from services.scorer.scoring.behaviour import Behaviour
from services.scorer.scoring.duplicates import first_copy
from services.scorer.scoring.fields import FieldReader
from services.scorer.scoring.heard import Heard, Hearing
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import from_ms
from services.scorer.scoring.touches import Levels, Signals
from services.scorer.scoring.trigger import trigger_of
from shared.events import Logged
from shared.playbook.conditions import thresholds
from shared.playbook.schema import Playbook
from shared.scores import Position, ScoreRecord, to_micro, to_points


class Scorer:
    """A playbook, compiled. The same for the service, for replays and for tests over simulated years."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook_id = playbook.id
        self._fields = FieldReader(playbook.fields)
        self._attributes = Attributes(playbook.attribute)
        self._behaviour = Behaviour(playbook.behaviour, playbook.zone)
        self._levels = Levels(playbook)
        self._signals = Signals(playbook)
        self._hearing = Hearing(self._fields, self._behaviour, self._levels, self._signals)
        self._thresholds = sorted(to_micro(points) for points in thresholds(playbook.lead_conditions()))

    def new_state(self) -> LeadState:
        """A lead of whom nothing is known."""
        return LeadState()

    def apply(self, state: LeadState, events: Sequence[Logged], partition: int) -> list[ScoreRecord]:
        """Apply one lead's events, in log order, to `state`, which is changed.

        Gives the score records in order. An event that tells something new (a signal, a higher level, a changed field)
        has a record of its own; others share one, which ends when a threshold is passed and between history and live
        events: so decisions do not depend on how the log was cut into batches. Copies of a message change nothing.
        """
        if state.playbook != self._playbook_id:
            state.follow(self._playbook_id)
        records: list[ScoreRecord] = []
        last: Heard | None = None
        highest = 0
        for offset, day, event in events:
            if not first_copy(state, event, day):
                continue
            heard = self._hearing.hear(offset, event)
            news = self._is_news(state, heard)
            # A total from before must not meet facts that came after it.
            if last and (news or event.historical != last.event.historical):
                records.append(self._record(state, last, highest, partition))
                last = None
            before, goes_on = state.total, last is not None
            self._book(state, heard)
            last = heard
            highest = max(highest, state.total) if goes_on else state.total
            if news or self._passes(before, state.total):
                records.append(self._record(state, last, highest, partition))
                last = None
        if last:
            records.append(self._record(state, last, highest, partition))
        return records

    def _passes(self, before: int, now: int) -> bool:
        """Whether some threshold was not passed before, and is now."""
        return bisect_left(self._thresholds, before) < bisect_left(self._thresholds, now)

    def _is_news(self, state: LeadState, heard: Heard) -> bool:
        """Whether it tells more than points: asked before the event is booked."""
        return bool(
            (heard.fields and self._fields.changes(state, heard.fields))
            or (heard.showings and self._signals.is_news(state, heard.showings))
            or (heard.touches and self._levels.rises(state, heard.touches, heard.time))
        )

    def _book(self, state: LeadState, heard: Heard) -> None:
        event, time = heard.event, heard.time
        state.time = max(state.time, time)
        if heard.fields:
            self._fields.keep(state, heard.fields, time, event.id)
        if heard.touches:
            self._levels.add(state, heard.touches, time)
        if heard.showings:
            self._signals.add(state, event, heard.showings, time)
        state.total = self._attributes.total(state) + self._behaviour.book(state, heard.rules, time)

    def _record(self, state: LeadState, last: Heard, highest: int, partition: int) -> ScoreRecord:
        """Of the state as `last` left it."""
        at, event, attribute = state.time, last.event, self._attributes.total(state)
        contributions, decay = self._behaviour.explained(state)
        level, until = self._levels.level(state, at)
        state.seq += 1
        return ScoreRecord(
            lead_id=event.key,
            seq=state.seq,
            epoch=state.epoch,
            time=from_ms(at),
            attribute=to_points(attribute),
            behaviour=to_points(state.total - attribute),
            total=to_points(state.total),
            highest_total=to_points(highest),
            trigger=trigger_of(event, max(last.touches, key=attrgetter("level"), default=None)),
            position=Position(partition, last.offset),
            playbook=self._playbook_id,
            historical=event.historical,
            level=level,
            level_until=from_ms(until) if until is not None else None,
            signals=self._signals.shown(state),
            reported=self._signals.facts(event, last.showings),
            attributes={name: field.value for name, field in state.fields.items() if field.value is not None},
            contributions=self._attributes.contributions(state) + contributions,
            decay=decay,
        )
