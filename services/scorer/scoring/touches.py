"""Certainty levels (確度) and signals: what the actions of a lead mean to the people who decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from services.scorer.scoring.attributes import Attributes
from services.scorer.scoring.campaigns import Campaigns
from services.scorer.scoring.outside import Being
from services.scorer.scoring.parts import SignalState
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import BEFORE_ALL, NEVER, from_ms
from services.scorer.scoring.union import add_signal
from shared.playbook.schema import Playbook
from shared.reading import kept_facts
from shared.scores import ListKind, Signal


@dataclass(frozen=True)
class Touch:
    """An action of the catalogue of channels."""

    channel: str
    action: str
    level: int

    @cached_property
    def id(self) -> str:
        return f"{self.channel}/{self.action}"


class Levels:
    """The catalogue of channels × actions, compiled."""

    def __init__(self, playbook: Playbook, attributes: Attributes) -> None:
        self.channels, self.campaigns = playbook.channels, Campaigns(playbook)
        self.touches = [
            (action.when, Touch(channel_id, action_id, action.level))
            for channel_id, channel in playbook.channels.items()
            for action_id, action in channel.actions.items()
        ]
        self._level = {touch.id: touch.level for _, touch in self.touches}
        being = Being(attributes, playbook.attribute)
        by_attributes = {
            id: [(rule.level, being.compile(rule.when)) for rule in channel.by_attributes]
            for id, channel in playbook.channels.items()
        }
        self._outside = {
            touch.id: by_attributes[touch.channel] for _, touch in self.touches if by_attributes[touch.channel]
        }
        self._outsiders, self._own = (
            frozenset(touch.id for _, touch in self.touches if playbook.channels[touch.channel].list == kind)
            for kind in ("outside", "house")
        )
        self._valid_for = int(playbook.levels.valid_for.total_seconds() * 1000)

    @staticmethod
    def add(state: LeadState, touches: Sequence[Touch], time: int) -> None:
        """Book every action that an event is."""
        state.level_ends = None
        for touch in touches:
            state.levels[touch.id] = max(time, state.levels.get(touch.id, time))

    def rises(self, state: LeadState, touches: Sequence[Touch], time: int) -> bool:
        """Whether an event, not yet booked, gives a higher level than those still valid after it, or the same one for
        longer: until then a lead may rest on it."""
        at, until = max(state.time, time), time + self._valid_for
        if not touches or at >= until:
            return False
        highest = max(self._of_action(touch.id, state) for touch in touches)
        level, valid_until = self.level(state, at)
        return highest > level or (highest == level and until > (valid_until or 0))

    def has_ended(self, state: LeadState, time: int) -> bool:
        """Whether the level that the lead had at its latest time has ended by `time`, or it is known by then that the
        lead was absent: another level may hold, or none, and when a lead cools depends on that."""
        if state.level_ends is None:
            until = self.level(state, state.time)[1]
            state.level_ends = NEVER if until is None else until
            if state.campaigns:
                state.level_ends = min(state.level_ends, self.campaigns.next_end(state, state.time))
        return time >= state.level_ends

    def level(self, state: LeadState, at: int) -> tuple[int, int | None]:
        """The highest level still valid at `at`, and until when; (0, None) when there is none."""
        best, best_until = 0, BEFORE_ALL
        for id, last in state.levels.items():
            until = last + self._valid_for
            if at >= until or id not in self._level:
                continue
            level = self._of_action(id, state)
            if level > best or (level == best and until > best_until):
                best, best_until = level, until
        if state.campaigns:
            for level, time in self.campaigns.levels(state, at):
                until = time + self._valid_for
                if at < until and (level > best or (level == best and until > best_until)):
                    best, best_until = level, until
        return (best, best_until) if best_until > BEFORE_ALL else (0, None)

    def list_kind(self, state: LeadState) -> ListKind:
        """Whether the lead is only known from outside lists (domain A4): it has done nothing by itself, neither an
        action of the other channels, to be on a house list among these, nor anything that gives points."""
        if self._outsiders.isdisjoint(state.levels):
            return "house"
        is_own = not self._own.isdisjoint(state.levels) or any(rule.times for rule in state.behaviour.values())
        return "house" if is_own else "outside"

    def _of_action(self, id: str, state: LeadState) -> int:
        """The level of an action, or a higher one that a lead of an outside list has for what it is."""
        level = self._level[id]
        for other, holds in self._outside.get(id, ()):
            if other > level and holds(state):
                level = other
        return level


@dataclass(frozen=True)
class Showing:
    """The signal that an event shows, and the paths of the facts that are kept of it. `is_awaited`: it matters when it
    was shown last."""

    signal: str
    keep: tuple[str, ...]
    is_awaited: bool = False


class Signals:
    """The signals of a playbook, compiled."""

    def __init__(self, playbook: Playbook) -> None:
        awaited, self._counted = playbook.awaited_signals(), playbook.counted_signals()
        self.showings = [
            (match, Showing(name, tuple(rule.keep), name in awaited))
            for name, rule in playbook.signals.items()
            for match in rule.any
        ]

    @staticmethod
    def is_news(state: LeadState, showings: Sequence[Showing]) -> bool:
        """Whether an event shows a signal that is new, carries facts along, or ends a silence."""
        return any(showing.keep or showing.is_awaited or showing.signal not in state.signals for showing in showings)

    def add(
        self, state: LeadState, event_id: str, properties: dict[str, Any], showings: Sequence[Showing], time: int
    ) -> None:
        """Book every signal that the event shows."""
        for name, kept in self.facts(properties, showings).items():
            recent = [time] if name in self._counted else []
            add_signal(state.signals, name, SignalState(time, time, 1, event_id, kept, recent))

    @staticmethod
    def facts(properties: dict[str, Any], showings: Sequence[Showing]) -> dict[str, dict[str, Any]]:
        """By each signal that an event shows, the facts that are kept of it."""
        return {showing.signal: kept_facts(properties, showing.keep) for showing in showings}

    @staticmethod
    def shown(state: LeadState) -> dict[str, Signal]:
        """As the score record has them."""
        return {
            name: Signal(
                first=from_ms(signal.first),
                last=from_ms(signal.last),
                times=signal.times,
                event_id=signal.event_id,
                kept=signal.kept,
                recent=[from_ms(time) for time in signal.recent],
            )
            for name, signal in state.signals.items()
        }
