"""The attribute score: points for what the lead is, and its grade."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import from_ms
from shared.playbook.checks import Predicate, compile_check
from shared.playbook.points import AttributeScore
from shared.points import to_micro, to_points
from shared.scores import Contribution

LOWEST_GRADE = "D"


class _Rule(NamedTuple):
    id: str
    field: str
    holds: Predicate
    micro: int
    group: str | None


class Attributes:
    """The attribute rules of a playbook, compiled."""

    def __init__(self, score: AttributeScore) -> None:
        self._rules = [
            _Rule(rule.id, rule.field, compile_check(rule.is_), to_micro(rule.points), rule.group)
            for rule in score.rules
        ]
        self._of_nobody = [number for number, rule in enumerate(self._rules) if rule.holds(None)]
        """The rules that hold of a lead of whom nothing is known."""
        self._at_most = {id: to_micro(group.at_most) for id, group in score.groups.items()}
        grades = sorted(((to_micro(points), grade) for grade, points in score.grades.items()), reverse=True)
        self._grades: list[tuple[int, str]] = list(grades)

    def total(self, state: LeadState) -> int:
        """Micro-points of all rules that hold."""
        if state.attribute is None or state.holding is None:
            state.holding = self._holding(state)
            state.attribute = sum(micro for _, micro in self._counted(state.holding))
        return state.attribute

    def grade(self, state: LeadState) -> str | None:
        """None where the playbook has no grades."""
        if not self._grades:
            return None
        total = self.total(state)
        return next((grade for least, grade in self._grades if total >= least), LOWEST_GRADE)

    def contributions(self, state: LeadState) -> list[Contribution]:
        """One per rule that holds and counts, with the event that told the field's value."""
        self.total(state)
        found = []
        for rule, micro in self._counted(state.holding or []):
            if not micro:
                continue
            told = state.fields.get(rule.field)
            found.append(
                Contribution(
                    rule=rule.id,
                    dimension="attribute",
                    points=to_points(micro),
                    times=1,
                    last=from_ms(told.time) if told else None,
                    event_id=told.event_id if told else "",
                    uncapped=None if micro == rule.micro else to_points(rule.micro),
                )
            )
        return found

    def _counted(self, holding: list[int]) -> Iterator[tuple[_Rule, int]]:
        """What each counts: the rules of a group in the playbook's order, until its maximum is reached."""
        used: defaultdict[str, int] = defaultdict(int)
        for rule in (self._rules[number] for number in holding):
            if rule.group is None:
                yield rule, rule.micro
                continue
            before = used[rule.group]
            used[rule.group] = min(self._at_most[rule.group], before + rule.micro)
            yield rule, used[rule.group] - before

    def _holding(self, state: LeadState) -> list[int]:
        """Asked only after a field has changed: the checks of the default playbook are a tenth of an event's cost."""
        known = state.fields
        if not known:
            return self._of_nobody
        return [
            number
            for number, rule in enumerate(self._rules)
            if rule.holds(known[rule.field].value if rule.field in known else None)
        ]
