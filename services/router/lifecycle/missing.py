"""What is missing for a lead's next stages, in words and numbers (domain N4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from services.router.lifecycle import guards
from services.router.lifecycle.criteria import compile_condition
from services.router.lifecycle.known import Facts
from services.router.lifecycle.model import Lead
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.rules import Rules, StageRule
from shared.playbook import Playbook
from shared.playbook.conditions import (
    AllOf,
    AnyOf,
    BehaviourAtLeast,
    FieldIs,
    LeadCondition,
    LevelAtLeast,
    NotOf,
    SomeOf,
    TotalOver,
    leaves,
)
from shared.points import to_micro

Words = dict[str, str]
_TENTH = 100_000  # micro-points
_POINTS = {
    "total_over": ("あと{}点超", "more than {} points"),
    "attribute_at_least": ("属性スコアあと{}点", "{} points of attribute score"),
    "grade_at_least": ("属性スコアあと{}点", "{} points of attribute score"),
    "behaviour_at_least": ("行動スコアあと{}点", "{} points of behaviour score"),
}


class GivingAction(msgspec.Struct, frozen=True, kw_only=True):
    """An action of the catalogue that gives a certainty level."""

    channel: str
    action: str
    level: int
    label: Words


class Gap(Leaf, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a condition that is not met. `short_by`: so many points more, rounded up to a tenth; where the total is
    asked for it must be more than that. `actions` are those that would give a level."""

    short_by: float | None = None
    actions: tuple[GivingAction, ...] = ()


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps a lead from sales, whatever else it does; `until` time alone lets it go."""

    guard: str
    label: Words
    until: datetime | None = None


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """What would take a lead to a stage: `text` says all of it, with what is an alternative to what, and `parts` are
    its parts. The condition itself may be met: then only the guards hold the lead back.

    `counts_from`: until then points do not count, as the lead was recycled; what it shows itself does."""

    text: Words | None
    parts: list[Gap]
    held_by: list[Guarded]
    counts_from: datetime | None = None


def guarded(known: Facts, rules: Rules) -> list[Guarded]:
    """All guards that hold the lead back now."""
    return [
        Guarded(guard=guard.id, label=guard.label.model_dump(), until=guards.until(when, known, rules))
        for guard, when in rules.guards
        if when.holds(known)
    ]


def missing(lead: Lead, known: Facts, counting: Facts, rules: Rules, now: datetime) -> dict[str, Missing]:
    """By stage that the lead may enter next, in order of the way; `known` and `counting` as for `walk`, at `now`."""
    current = rules.stages[lead.stage]
    if current.stage.excluded or lead.merged_into is not None:
        return {}
    reached = {*lead.reached, lead.stage}
    held = guarded(known, rules)
    waits = lead.held_until
    found = {}
    for rule in rules.way:
        if rule.rank <= current.rank or rule.when is None or rule.stage.after not in {None, *reached}:
            continue
        held_by = held if rule.stage.guarded else []
        if held_by or not rule.when.holds(counting):
            counts_from = waits if waits is not None and waits > now and _asks_for_points(rule) else None
            found[rule.stage.id] = _missing(rule, counting, rules.playbook, held_by, counts_from)
    return found


def _missing(
    rule: StageRule, facts: Facts, playbook: Playbook, held_by: list[Guarded], counts_from: datetime | None
) -> Missing:
    if rule.when is None or rule.stage.when is None or rule.when.holds(facts):
        return Missing(text=None, parts=[], held_by=held_by)
    parts = [_gap(leaf, playbook) for leaf in rule.when.missing(facts)]
    text = _words(rule.stage.when, facts, playbook)
    return Missing(text=text, parts=parts, held_by=held_by, counts_from=counts_from)


def _asks_for_points(rule: StageRule) -> bool:
    asked = leaves(rule.stage.when) if rule.stage.when is not None else ()
    return any(isinstance(leaf, TotalOver | BehaviourAtLeast) for leaf in asked)


def _gap(leaf: Leaf, playbook: Playbook) -> Gap:
    is_number = leaf.condition in _POINTS
    return Gap(
        **msgspec.structs.asdict(leaf),
        short_by=_short_by(leaf) if is_number else None,
        actions=_giving(leaf.wanted, playbook) if leaf.condition == "level_at_least" else (),
    )


def _short_by(leaf: Leaf) -> float:
    return -(-(to_micro(leaf.wanted) - to_micro(leaf.value)) // _TENTH) / 10


def _giving(level: int, playbook: Playbook) -> tuple[GivingAction, ...]:
    return tuple(
        GivingAction(channel=channel_id, action=id, level=action.level, label=action.label.model_dump())
        for channel_id, channel in playbook.channels.items()
        for id, action in channel.actions.items()
        if action.level >= level
    )


def _words(condition: LeadCondition, facts: Facts, playbook: Playbook) -> Words:
    """What a condition that is not met still asks for."""
    match condition:
        case AnyOf(any=parts):
            return _some(1, parts, facts, playbook)
        case AllOf(all=parts):
            return _some(len(parts), parts, facts, playbook)
        case SomeOf(at_least=count, of=parts):
            return _some(count, parts, facts, playbook)
    return _leaf_words(condition, compile_condition(condition, playbook).leaves(facts)[0])


def _leaf_words(condition: LeadCondition, leaf: Leaf) -> Words:
    if leaf.condition in _POINTS:
        ja, en = _POINTS[leaf.condition]
        return {"ja": ja.format(f"{_short_by(leaf):g}"), "en": en.format(f"{_short_by(leaf):g}")}
    ja, en = leaf.label["ja"], leaf.label["en"]
    if isinstance(condition, LevelAtLeast):
        return {"ja": f"{ja}の行動", "en": en[:1].lower() + en[1:]}
    if isinstance(condition, FieldIs):
        return {"ja": f"「{ja}」の条件", "en": f"“{en}” as required"}
    return {"ja": f"「{ja}」でないこと", "en": f"no “{en}”"} if isinstance(condition, NotOf) else {"ja": ja, "en": en}


def _some(count: int, parts: Sequence[LeadCondition], facts: Facts, playbook: Playbook) -> Words:
    """At least so many of these: what is met already is left out."""
    unmet = [part for part in parts if not compile_condition(part, playbook).holds(facts)]
    wanted = count - (len(parts) - len(unmet))
    words = [_bracketed(part, len(unmet) > 1, facts, playbook) for part in unmet]
    ja, en = [one["ja"] for one in words], [one["en"] for one in words]
    if wanted == len(unmet):
        return {"ja": "と".join(ja), "en": " and ".join(en)}
    if wanted == 1:
        return {"ja": "、または".join(ja), "en": ", or ".join(en)}
    return {"ja": f"次のうち{wanted}つ: {'、'.join(ja)}", "en": f"{wanted} of: {', '.join(en)}"}


def _bracketed(part: LeadCondition, is_one_of_several: bool, facts: Facts, playbook: Playbook) -> Words:
    words = _words(part, facts, playbook)
    if not is_one_of_several or not isinstance(part, AnyOf | AllOf | SomeOf):
        return words
    return {language: f"({text})" for language, text in words.items()}
