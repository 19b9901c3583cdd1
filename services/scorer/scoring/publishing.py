"""What the world is told of a lead: the score record of its state."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from services.scorer.scoring.attributes import Attributes
from services.scorer.scoring.behaviour import Behaviour
from services.scorer.scoring.heard import Heard
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import from_ms
from services.scorer.scoring.touches import Levels, Signals
from services.scorer.scoring.trigger import trigger_of
from shared.events import Event
from shared.scores import Position, ScoreRecord, to_points


@dataclass(frozen=True)
class Publishing:
    """Makes score records, with the parts of one playbook."""

    playbook_id: str
    attributes: Attributes
    behaviour: Behaviour
    levels: Levels
    signals: Signals

    def record(self, state: LeadState, last: Heard, event: Event, highest: int, partition: int) -> ScoreRecord:
        """Of the state as `last` left it, which was heard of `event`; counts it in the state. `highest` is the highest
        total since the record before, in micro-points."""
        at, attribute, matched = state.time, self.attributes.total(state), last.matched
        contributions, decay = self.behaviour.explained(state)
        level, until = self.levels.level(state, at)
        touch = max(matched.touches, key=attrgetter("level")) if matched.touches else None
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
            trigger=trigger_of(event, touch),
            position=Position(partition, last.offset),
            playbook=self.playbook_id,
            historical=last.historical,
            level=level,
            level_until=from_ms(until) if until is not None else None,
            signals=self.signals.shown(state),
            reported=self.signals.facts(event, matched.showings),
            attributes={name: field.value for name, field in state.fields.items() if field.value is not None},
            contributions=self.attributes.contributions(state) + contributions,
            decay=decay,
        )
