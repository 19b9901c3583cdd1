"""The attribute score: points for what the lead is."""

from __future__ import annotations

from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import from_ms
from shared.playbook.checks import compile_check
from shared.playbook.schema import AttributeScore
from shared.scores import Contribution, to_micro, to_points


class Attributes:
    """The attribute rules of a playbook, compiled."""

    def __init__(self, score: AttributeScore) -> None:
        self._rules = [(rule.id, rule.field, compile_check(rule.is_), to_micro(rule.points)) for rule in score.rules]

    def total(self, state: LeadState) -> int:
        """Micro-points of all rules that hold; reckoned anew after a field has changed."""
        if state.attribute is None:
            state.attribute = sum(micro for _, _, micro in self._holding(state))
        return state.attribute

    def contributions(self, state: LeadState) -> list[Contribution]:
        """One per rule that holds, dated by the field's value."""
        return [
            Contribution(
                rule=id,
                dimension="attribute",
                points=to_points(micro),
                times=1,
                last=from_ms(state.fields[field].time) if field in state.fields else None,
            )
            for id, field, micro in self._holding(state)
        ]

    def _holding(self, state: LeadState) -> list[tuple[str, str, int]]:
        known = state.fields
        return [
            (id, field, micro)
            for id, field, holds, micro in self._rules
            if holds(known[field].value if field in known else None)
        ]
