"""Conditions on what a lead is: of its fields, attribute score and grade, which outside lists get their level from."""

from __future__ import annotations

from collections.abc import Callable

from services.scorer.scoring.attributes import Attributes
from services.scorer.scoring.state import LeadState
from shared.playbook.checks import compile_check
from shared.playbook.conditions import (
    AllOf,
    AnyOf,
    AttributeAtLeast,
    FieldIs,
    GradeAtLeast,
    LeadCondition,
    NotOf,
    SomeOf,
)
from shared.playbook.points import AttributeScore
from shared.points import to_micro

Holds = Callable[[LeadState], bool]


class Being:
    """Compiles such conditions. What they ask changes with a field alone."""

    def __init__(self, attributes: Attributes, score: AttributeScore) -> None:
        self._attributes, self._grades = attributes, score.grades

    def compile(self, condition: LeadCondition) -> Holds:  # noqa: PLR0911 - one per kind
        """A function of the state. Raises `ValueError` for a condition that asks for what a lead has done, which the
        playbook's loader refuses."""
        match condition:
            case FieldIs():
                return _field(condition)
            case AttributeAtLeast(attribute_at_least=points):
                return self._at_least(points)
            case GradeAtLeast(grade_at_least=grade):
                return self._at_least(self._grades[grade])
            case NotOf(not_=inner):
                holds = self.compile(inner)
                return lambda state: not holds(state)
            case AnyOf(any=parts):
                return _some(1, list(map(self.compile, parts)))
            case AllOf(all=parts):
                return _some(len(parts), list(map(self.compile, parts)))
            case SomeOf(at_least=count, of=parts):
                return _some(count, list(map(self.compile, parts)))
        raise ValueError(f"expected a condition on what the lead is instead of {type(condition).__name__}")

    def _at_least(self, points: float) -> Holds:
        limit = to_micro(points)
        return lambda state: self._attributes.total(state) >= limit


def _field(condition: FieldIs) -> Holds:
    passes, name = compile_check(condition.is_), condition.field
    return lambda state: passes(state.fields[name].value if name in state.fields else None)


def _some(count: int, parts: list[Holds]) -> Holds:
    return lambda state: sum(part(state) for part in parts) >= count
