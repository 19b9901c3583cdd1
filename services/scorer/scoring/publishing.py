"""What the world is told of a lead: the score record of its state."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from services.scorer.scoring.attributes import Attributes
from services.scorer.scoring.behaviour import Behaviour
from services.scorer.scoring.heard import Heard
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import BEFORE_ALL, from_ms
from services.scorer.scoring.touches import Levels, Signals
from services.scorer.scoring.trigger import playbook_trigger, trigger_of
from shared.events import Event
from shared.playbook.schema import Playbook
from shared.points import bounded, to_points
from shared.scores import BOUNDS, Contribution, Position, ScoreRecord, Trigger


class Cause:
    """Why a lead has a record: an event, or another playbook; with the last event that the record includes."""

    def __init__(self, lead_id: str, trigger: Trigger, position: Position) -> None:
        self.lead_id, self.trigger, self.position = lead_id, trigger, position
        self.historical = False
        self.reported: dict[str, dict[str, Any]] = {}


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
        matched = last.matched
        touch = max(matched.touches, key=attrgetter("level")) if matched.touches else None
        cause = Cause(event.key, trigger_of(event, touch), Position(partition, last.offset))
        cause.historical = last.historical
        if matched.showings:
            cause.reported = self._signals.facts(event.properties, matched.showings)
        return self._told(state, cause)

    def anew(self, state: LeadState, lead_id: str, position: Position) -> ScoreRecord:
        """The same at the state's time, because of the playbook itself. Never history: the playbook counts from now."""
        trigger = playbook_trigger(self._id, from_ms(state.time))
        return self._told(state, Cause(lead_id, trigger, position))

    def _told(self, state: LeadState, cause: Cause) -> ScoreRecord:
        """A record of the state, which counts it and keeps the total."""
        if state.is_internal:
            return self._of_nobody(state, cause)
        at, attribute = state.time, self._attributes.total(state)
        explained = self._behaviour.explain(state)
        level, until = self._levels.level(state, at)
        behaviour = explained.behaviour
        state.total = self.total(state, attribute + behaviour)
        bounds = _bounds(state.total - attribute - behaviour)
        state.seq += 1
        return ScoreRecord(
            lead_id=cause.lead_id,
            seq=state.seq,
            epoch=state.epoch,
            # Of a lead whose members have all left nothing is known any more.
            time=from_ms(at) if at != BEFORE_ALL else cause.trigger.time,
            attribute=to_points(attribute),
            behaviour=to_points(behaviour),
            total=to_points(state.total),
            trigger=cause.trigger,
            position=cause.position,
            playbook=self._id,
            historical=cause.historical,
            exact=state.exact,
            ignored=dict(state.ignored),
            at_least=self._bounds.at_least,
            at_most=self._bounds.at_most,
            grade=self._attributes.grade(state),
            dimensions=explained.dimensions,
            level=level,
            level_until=from_ms(until) if until is not None else None,
            list_kind=self._levels.list_kind(state),
            campaigns=self._levels.campaigns.shown(state, at) if state.campaigns else [],
            signals=self._signals.shown(state) if state.signals else {},
            reported=cause.reported,
            attributes={name: field.value for name, field in state.fields.items() if field.value is not None},
            contributions=self._attributes.contributions(state) + explained.contributions + bounds,
            decay=explained.decay,
            members=_members(state),
            merged_into=_merged_into(state),
        )

    def _of_nobody(self, state: LeadState, cause: Cause) -> ScoreRecord:
        """Of a lead that is no person to be scored: nothing of what it did counts."""
        self._behaviour.tidy(state)  # nobody asks what it is worth, by which days are forgotten otherwise
        state.seq += 1
        state.total = 0
        return ScoreRecord(
            lead_id=cause.lead_id,
            seq=state.seq,
            epoch=state.epoch,
            time=from_ms(state.time),
            attribute=0.0,
            behaviour=0.0,
            total=0.0,
            trigger=cause.trigger,
            position=cause.position,
            playbook=self._id,
            historical=cause.historical,
            ignored=dict(state.ignored),
            members=_members(state),
            merged_into=_merged_into(state),
        )


def _members(state: LeadState) -> list[str]:
    return sorted(state.links.parts) if state.links is not None else []


def _merged_into(state: LeadState) -> str | None:
    return (state.links.lead or None) if state.links is not None else None


def _bounds(micro: int) -> list[Contribution]:
    """What the bounds of the total take away, or give."""
    return [Contribution(rule=BOUNDS, dimension=BOUNDS, points=to_points(micro), times=1)] if micro else []
