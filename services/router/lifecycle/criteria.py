"""Transition criteria (domain C2): does a condition hold for a lead, and which of its parts made it so.

Conditions are compiled once per playbook; a test then costs one call per part, some ten thousand leads a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.router.lifecycle.known import NOTHING, Facts
from services.router.lifecycle.reasons import Leaf
from shared.playbook import Playbook
from shared.playbook.checks import compile_check
from shared.playbook.conditions import (
    AllOf,
    AnyOf,
    AttributeAtLeast,
    BehaviourAtLeast,
    FieldIs,
    GradeAtLeast,
    LeadCondition,
    LevelAtLeast,
    NotOf,
    ShownOften,
    SignalIs,
    SomeOf,
    TotalOver,
)
from shared.playbook.values import in_words
from shared.points import to_micro, to_points

Test = Callable[[Facts], bool]


@dataclass(frozen=True, slots=True)
class Criterion:
    """A compiled condition. It holds only where one of `signals` has been shown; None: that is not known."""

    holds: Test
    leaves: Callable[[Facts], list[Leaf]]
    signals: frozenset[str] | None = None

    def reason(self, facts: Facts) -> list[Leaf]:
        """The parts that hold."""
        return [leaf for leaf in self.leaves(facts) if leaf.met]

    def missing(self, facts: Facts) -> list[Leaf]:
        """The parts that do not hold yet."""
        return [leaf for leaf in self.leaves(facts) if not leaf.met]


Moved = tuple[str, float]
"""A stage, and the threshold in its condition that its valve moves."""


def compile_condition(  # noqa: PLR0911, PLR0912 - one per kind
    condition: LeadCondition, playbook: Playbook, moved: Moved | None = None
) -> Criterion:
    """`condition` as functions of the facts. The playbook gives the labels."""

    def parts_of(conditions: Sequence[LeadCondition]) -> list[Criterion]:
        return [compile_condition(part, playbook, moved) for part in conditions]

    match condition:
        case SignalIs():
            return _signal(condition.signal, condition.later_than, playbook)
        case ShownOften():
            return _often(condition, playbook)
        case TotalOver(total_over=points) if moved is not None and points == moved[1]:
            return _at_the_valve(*moved)
        case TotalOver():
            return _number("total_over", condition.total_over, lambda facts: facts.total, over=True)
        case AttributeAtLeast():
            return _number("attribute_at_least", condition.attribute_at_least, lambda facts: facts.attribute)
        case GradeAtLeast(grade_at_least=grade):
            return _number(
                "grade_at_least", playbook.attribute.grades[grade], lambda facts: facts.attribute, name=grade
            )
        case BehaviourAtLeast():
            return _number("behaviour_at_least", condition.behaviour_at_least, _behaviour)
        case LevelAtLeast():
            return _level(condition.level_at_least)
        case FieldIs():
            return _field(condition, playbook)
        case NotOf():
            return _not(compile_condition(condition.not_, playbook, moved))
        case AnyOf():
            return _some(1, parts_of(condition.any))
        case AllOf():
            return _some(len(condition.all), parts_of(condition.all))
        case SomeOf():
            return _some(condition.at_least, parts_of(condition.of))


def _signal(name: str, later_than: str | None, playbook: Playbook) -> Criterion:
    label = playbook.signals[name].label.model_dump()

    def is_shown(facts: Facts) -> bool:
        signal = facts.signals.get(name)
        return signal is not None and (facts.since is None or signal.last > facts.since)

    def is_later(facts: Facts) -> bool:
        other = facts.signals.get(later_than or "")
        return is_shown(facts) and (other is None or facts.signals[name].last > other.last)

    holds = is_shown if later_than is None else is_later

    def leaves(facts: Facts) -> list[Leaf]:
        signal = facts.signals.get(name)
        value = signal.last if signal else None
        return [Leaf(condition="signal", name=name, met=holds(facts), value=value, label=label)]

    return Criterion(holds, leaves, frozenset({name}))


def often_until(condition: ShownOften, facts: Facts) -> datetime | None:
    """Until when the lead has shown it that often, if nothing else happens; None: it has not by now."""
    signal = facts.signals.get(condition.often)
    if signal is None or len(signal.recent) < condition.times:
        return None
    until = signal.recent[condition.times - 1] + condition.within
    return until if facts.at < until else None


def _often(condition: ShownOften, playbook: Playbook) -> Criterion:
    shown, within = playbook.signals[condition.often].label, in_words(condition.within)
    label = {
        "ja": f"{within.ja}以内に「{shown.ja}」{condition.times}回以上",
        "en": f"“{shown.en}” {condition.times} times or more within {within.en}",
    }

    def leaves(facts: Facts) -> list[Leaf]:
        until, signal = often_until(condition, facts), facts.signals.get(condition.often)
        lately = [time for time in signal.recent if facts.at < time + condition.within] if signal else []
        value = len(lately)
        return [
            Leaf(
                condition="often",
                name=condition.often,
                met=until is not None,
                wanted=condition.times,
                value=value,
                label=label,
                at=until,
            )
        ]

    return Criterion(lambda facts: often_until(condition, facts) is not None, leaves, frozenset({condition.often}))


def _behaviour(facts: Facts) -> int:
    """What of the total is no attribute's; a total that does not count after a rejection leaves nothing."""
    return max(0, facts.total - facts.attribute)


def _number(kind: str, points: float, part: Callable[[Facts], int], *, over: bool = False, name: str = "") -> Criterion:
    limit = to_micro(points)
    label = {
        "total_over": {"ja": f"スコア{points:g}点超", "en": f"Score over {points:g}"},
        "attribute_at_least": {"ja": f"属性スコア{points:g}点以上", "en": f"Attribute score {points:g} or more"},
        "grade_at_least": {"ja": f"属性ランク{name}以上", "en": f"Grade {name} or better"},
        "behaviour_at_least": {"ja": f"行動スコア{points:g}点以上", "en": f"Behaviour score {points:g} or more"},
    }[kind]

    if not over:
        limit -= 1  # whole micro-points

    def holds(facts: Facts) -> bool:
        return part(facts) > limit

    def leaves(facts: Facts) -> list[Leaf]:
        value = 0.0 if part(facts) == NOTHING else to_points(part(facts))
        return [Leaf(condition=kind, met=holds(facts), wanted=points, value=value, label=label)]

    return Criterion(holds, leaves)


def _at_the_valve(stage: str, normal: float) -> Criterion:
    """The total over what the stage's valve asks for; as `_number` where that is the normal threshold."""
    usual, limit = _number("total_over", normal, lambda facts: facts.total, over=True), to_micro(normal)

    def asked(facts: Facts) -> int:
        return limit if facts.valve is None or facts.valve[0] != stage else facts.valve[1]

    def leaves(facts: Facts) -> list[Leaf]:
        if (now := asked(facts)) == limit:
            return usual.leaves(facts)
        return _number("total_over", to_points(now), lambda facts: facts.total, over=True).leaves(facts)

    return Criterion(lambda facts: facts.total > asked(facts), leaves)


def _level(wanted: int) -> Criterion:
    label = {"ja": f"確度{wanted}以上", "en": f"Certainty level {wanted} or higher"}

    def leaves(facts: Facts) -> list[Leaf]:
        met = facts.level >= wanted
        return [Leaf(condition="level_at_least", met=met, wanted=wanted, value=facts.level, label=label)]

    return Criterion(lambda facts: facts.level >= wanted, leaves)


def _field(condition: FieldIs, playbook: Playbook) -> Criterion:
    passes, name = compile_check(condition.is_), condition.field
    label = playbook.fields[name].label.model_dump()
    wanted = condition.is_.model_dump(exclude_unset=True, by_alias=True)

    def leaves(facts: Facts) -> list[Leaf]:
        value = facts.fields.get(name)
        return [Leaf(condition="field", name=name, met=passes(value), wanted=wanted, value=value, label=label)]

    return Criterion(lambda facts: passes(facts.fields.get(name)), leaves)


def _not(inner: Criterion) -> Criterion:
    def leaves(facts: Facts) -> list[Leaf]:
        return [
            msgspec.structs.replace(leaf, condition=f"not {leaf.condition}", met=not leaf.met)
            for leaf in inner.leaves(facts)
        ]

    return Criterion(lambda facts: not inner.holds(facts), leaves)


def _some(count: int, parts: list[Criterion]) -> Criterion:
    asked = [part for part in parts if part.signals is not None]
    others = [part.holds for part in parts if part.signals is None]
    named = frozenset().union(*(part.signals or () for part in asked))
    needed = None if others else named
    if count == len(parts) and asked:
        needed = asked[0].signals
    tests = [part.holds for part in asked]
    holds = _one(named, tests, others) if count == 1 else _several(count, needed, [*tests, *others])
    return Criterion(holds, lambda facts: [leaf for part in parts for leaf in part.leaves(facts)], needed)


def _one(named: frozenset[str], asked: list[Test], others: list[Test]) -> Test:
    """Of all leads few have shown any of the signals that a condition names: those are told by one look. Loops, as
    `any` of a generator takes twice the time, and these are asked several times for each record."""

    def holds(facts: Facts) -> bool:
        if not named.isdisjoint(facts.signals):
            for test in asked:
                if test(facts):
                    return True
        for test in others:  # noqa: SIM110
            if test(facts):
                return True
        return False

    return holds


def _several(count: int, needed: frozenset[str] | None, tests: list[Test]) -> Test:
    """`count` of the tests, which none passes that has shown none of the signals `needed` (None: not known)."""

    def holds(facts: Facts) -> bool:
        if needed is not None and needed.isdisjoint(facts.signals):
            return False
        left, spare = count, len(tests) - count
        for test in tests:
            if test(facts):
                left -= 1
                if left == 0:
                    return True
            elif (spare := spare - 1) < 0:
                return False
        return False

    return holds
