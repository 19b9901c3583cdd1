"""The attribute score: points for what the lead is."""

from __future__ import annotations

from typing import NamedTuple

from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import from_ms
from shared.playbook.checks import Predicate, compile_check
from shared.playbook.schema import AttributeScore
from shared.scores import Contribution, to_micro, to_points


class _Rule(NamedTuple):
    id: str
    field: str
    holds: Predicate
    micro: int


class Attributes:
    """The attribute rules of a playbook, compiled."""

    def __init__(self, score: AttributeScore) -> None:
        self._rules = [
            _Rule(rule.id, rule.field, compile_check(rule.is_), to_micro(rule.points)) for rule in score.rules
        ]

    def total(self, state: LeadState) -> int:
        """Micro-points of all rules that hold."""
        if state.attribute is None or state.holding is None:
            state.holding = self._holding(state)
            state.attribute = sum(self._rules[number].micro for number in state.holding)
        return state.attribute

    def contributions(self, state: LeadState) -> list[Contribution]:
        """One per rule that holds, dated by the field's value."""
        self.total(state)
        return [
            Contribution(
                rule=rule.id,
                dimension="attribute",
                points=to_points(rule.micro),
                times=1,
                last=from_ms(state.fields[rule.field].time) if rule.field in state.fields else None,
            )
            for rule in (self._rules[number] for number in state.holding or ())
        ]

    def _holding(self, state: LeadState) -> list[int]:
        """Asked only after a field has changed: the checks of the default playbook are a tenth of an event's cost."""
        known = state.fields
        return [
            number
            for number, rule in enumerate(self._rules)
            if rule.holds(known[rule.field].value if rule.field in known else None)
        ]
