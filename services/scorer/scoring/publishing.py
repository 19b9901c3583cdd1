"""What the world is told of a lead: the score record of its state."""

from __future__ import annotations

from operator import attrgetter

from services.scorer.scoring.attributes import Attributes
from services.scorer.scoring.behaviour import Behaviour
from services.scorer.scoring.heard import Heard
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import BEFORE_ALL, from_ms
from services.scorer.scoring.touches import Levels, Signals
from services.scorer.scoring.trigger import trigger_of
from shared.events import Event
from shared.playbook.schema import Playbook
from shared.scores import BOUNDS, Contribution, Position, ScoreRecord, bounded, to_points


class Publishing:
    """Makes score records, with the parts of one playbook."""

    def __init__(
        self, playbook: Playbook, attributes: Attributes, behaviour: Behaviour, levels: Levels, signals: Signals
    ) -> None:
        self._id, self._bounds = playbook.id, playbook.total
        self._is_unbounded = not playbook.total.model_fields_set
        self._attributes, self._behaviour, self._levels, self._signals = attributes, behaviour, levels, signals

    def total(self, state: LeadState, micro: int) -> int:
        """The total of a lead whose rules add up to so many micro-points."""
        if state.ignored and state.is_internal:
            return 0
        return micro if self._is_unbounded else bounded(micro, self._bounds.at_least, self._bounds.at_most)

    def record(self, state: LeadState, last: Heard, event: Event, partition: int) -> ScoreRecord:
        """Of the state as `last` left it, which was heard of `event`; counts it in the state, and keeps the total."""
        if state.is_internal:
            return self._of_nobody(state, last, event, partition)
        at, attribute, matched = state.time, self._attributes.total(state), last.matched
        explained = self._behaviour.explain(state)
        level, until = self._levels.level(state, at)
        touch = max(matched.touches, key=attrgetter("level")) if matched.touches else None
        behaviour = explained.behaviour
        state.total = self.total(state, attribute + behaviour)
        bounds = _bounds(state.total - attribute - behaviour)
        state.seq += 1
        return ScoreRecord(
            lead_id=event.key,
            seq=state.seq,
            epoch=state.epoch,
            time=from_ms(at if at != BEFORE_ALL else last.time),  # nothing is known of a lead whose members have left
            attribute=to_points(attribute),
            behaviour=to_points(behaviour),
            total=to_points(state.total),
            trigger=trigger_of(event, touch),
            position=Position(partition, last.offset),
            playbook=self._id,
            historical=last.historical,
            exact=state.exact,
            ignored=dict(state.ignored),
            at_least=self._bounds.at_least,
            at_most=self._bounds.at_most,
            grade=self._attributes.grade(state),
            dimensions=explained.dimensions,
            level=level,
            level_until=from_ms(until) if until is not None else None,
            campaigns=self._levels.campaigns.shown(state, at) if state.campaigns else [],
            signals=self._signals.shown(state),
            reported=self._signals.facts(event, matched.showings),
            attributes={name: field.value for name, field in state.fields.items() if field.value is not None},
            contributions=self._attributes.contributions(state) + explained.contributions + bounds,
            decay=explained.decay,
            members=sorted(state.links.parts) if state.links is not None else [],
            merged_into=(state.links.lead or None) if state.links is not None else None,
        )

    def _of_nobody(self, state: LeadState, last: Heard, event: Event, partition: int) -> ScoreRecord:
        """Of a lead that is no person to be scored: nothing of what it did counts."""
        state.seq += 1
        state.total = 0
        return ScoreRecord(
            lead_id=event.key,
            seq=state.seq,
            epoch=state.epoch,
            time=from_ms(state.time),
            attribute=0.0,
            behaviour=0.0,
            total=0.0,
            trigger=trigger_of(event, None),
            position=Position(partition, last.offset),
            playbook=self._id,
            historical=last.historical,
            ignored=dict(state.ignored),
        )


def _bounds(micro: int) -> list[Contribution]:
    """What the bounds of the total take away, or give."""
    return [Contribution(rule=BOUNDS, dimension=BOUNDS, points=to_points(micro), times=1)] if micro else []
