"""What a schema cannot see: names that refer to nothing, and names given twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from shared.playbook.channel_checks import campaign_actions, channel_references
from shared.playbook.conditions import (
    AllOf,
    AnyOf,
    AttributeAtLeast,
    EventMatch,
    FieldIs,
    GradeAtLeast,
    LeadCondition,
    NotOf,
    ShownOften,
    SignalIs,
    SomeOf,
    leaves,
)
from shared.playbook.contradictions import contradiction, no_account, no_country, no_prefecture
from shared.playbook.findings import Finding, Path, unknown
from shared.playbook.handoff_checks import handoff_references, stages_of_recycling
from shared.playbook.schema import CONTACT_FIELDS, LeadField, Playbook
from shared.playbook.staffing_checks import staffing
from shared.playbook.values import Check
from shared.playbook.valve_checks import never_held, valve_references

RESERVED_DIMENSIONS = ("attribute", "behaviour", "bounds")


def crosscheck(playbook: Playbook) -> list[Finding]:
    """Every reference that leads nowhere, as (path in the file, what was expected)."""
    return [
        *_rules(playbook),
        *_behaviour(playbook),
        *_event_matches(playbook),
        *campaign_actions(playbook),
        *_stages(playbook),
        *handoff_references(playbook),
        *valve_references(playbook),
        *_conditions(playbook),
        *staffing(playbook),
        *_never(playbook),
    ]


def _rules(playbook: Playbook) -> Iterator[Finding]:
    ids = {
        "attribute": [rule.id for rule in playbook.attribute.rules],
        "behaviour": [rule.id for rule in playbook.behaviour.rules],
    }
    count = Counter(id for section in ids.values() for id in section)
    for section, rules in ids.items():
        for index, id in enumerate(rules):
            if count[id] > 1:
                yield (section, "rules", index, "id"), f"the id '{id}' is used more than once; expected unique ids"
    for index, attribute in enumerate(playbook.attribute.rules):
        path: Path = ("attribute", "rules", index)
        if attribute.field not in playbook.fields:
            yield (*path, "field"), unknown("field", attribute.field, playbook.fields)
        elif _looks_into_personal_data(attribute.field, attribute.is_, playbook):
            yield (*path, "is"), _only_presence(attribute.field)
        if attribute.group is not None and attribute.group not in playbook.attribute.groups:
            yield (*path, "group"), unknown("group", attribute.group, playbook.attribute.groups)


def _behaviour(playbook: Playbook) -> Iterator[Finding]:
    score = playbook.behaviour
    for index, rule in enumerate(score.rules):
        path: Path = ("behaviour", "rules", index)
        if rule.dimension is not None and rule.dimension not in playbook.dimensions:
            yield (*path, "dimension"), unknown("dimension", rule.dimension, playbook.dimensions)
        if rule.group is None:
            continue
        group = score.groups.get(rule.group)
        if group is None:
            yield (*path, "group"), unknown("group", rule.group, score.groups)
        elif group.cap_ever is not None:
            # Otherwise an earlier event could set free what a later one has used, and no day could be forgotten.
            if {"cap_per_week", "cap_ever"} & set(rule.caps):
                yield path, f"the group '{rule.group}' has a cap_ever: expected no cap of the rule but cap_per_day"
            if rule.points < 0:
                yield (*path, "points"), f"the group '{rule.group}' has a cap_ever: expected points of 0 or more"
    for name in playbook.dimensions:
        if name in RESERVED_DIMENSIONS:
            yield ("dimensions", name), f"'{name}' has a meaning already; expected another name"


def _event_matches(playbook: Playbook) -> Iterator[Finding]:
    for path, match in _all_matches(playbook):
        for name, check in match.traits.items():
            if name not in playbook.fields:
                yield (*path, "traits", name), unknown("field", name, playbook.fields)
            elif _looks_into_personal_data(name, check, playbook):
                yield (*path, "traits", name), _only_presence(name)
    yield from channel_references(playbook, _all_matches(playbook))


def _all_matches(playbook: Playbook) -> Iterator[tuple[Path, EventMatch]]:
    for name, signal in playbook.signals.items():
        for index, match in enumerate(signal.any):
            yield ("signals", name, "any", index), match
    for channel_id, channel in playbook.channels.items():
        for action_id, action in channel.actions.items():
            yield ("channels", channel_id, "actions", action_id, "when"), action.when
    for index, rule in enumerate(playbook.behaviour.rules):
        yield ("behaviour", "rules", index, "when"), rule.when
    if (scanners := playbook.not_people.scanners) is not None:
        for part, matches in (("acts", scanners.acts), ("sent", scanners.sent)):
            for index, match in enumerate(matches):
                yield ("not_people", "scanners", part, index), match


def _stages(playbook: Playbook) -> Iterator[Finding]:
    earlier: list[str] = []
    recycled_into = stages_of_recycling(playbook)
    if playbook.stages[0].when is not None:
        yield ("stages", 0, "when"), "the first stage is where every lead begins; expected no condition"
    for index, stage in enumerate(playbook.stages):
        path: Path = ("stages", index)
        if stage.id in earlier:
            yield (*path, "id"), f"the stage '{stage.id}' was already given; expected unique ids"
        if index and stage.when is None and stage.id not in recycled_into:
            yield (*path, "when"), "expected 'when': by what a lead enters this stage; only recycling needs none"
        if index and stage.owner is None:
            yield (*path, "owner"), "expected 'owner': a department, so that no lead is without one"
        if stage.owner is not None and stage.owner not in playbook.departments:
            yield (*path, "owner"), unknown("department", stage.owner, playbook.departments)
        if stage.after is not None and stage.after not in earlier:
            yield (*path, "after"), f"'{stage.after}' is no earlier stage; expected one of {', '.join(earlier)}"
        earlier.append(stage.id)
    if playbook.rejection.to not in earlier:
        yield ("rejection", "to"), unknown("stage", playbook.rejection.to, earlier)


def _conditions(playbook: Playbook) -> Iterator[Finding]:
    for whole, known in (
        (_whole_conditions, ()),
        (never_held, ()),
        (_conditions_on_what_a_lead_is, ()),
        (_conditions_on_contacts, CONTACT_FIELDS),
    ):
        for path, condition in whole(playbook):
            for place, part in _parts(path, condition):
                yield from _references(place, part, playbook, known)
                if isinstance(part, ShownOften):
                    yield from _where_it_may_end(place, part)
    for path, condition in _conditions_on_what_a_lead_is(playbook):
        if not all(isinstance(leaf, FieldIs | AttributeAtLeast | GradeAtLeast) for leaf in leaves(condition)):
            yield path, "expected what the lead is: field, attribute_at_least or grade_at_least, not what it has done"


def _where_it_may_end(path: Path, condition: ShownOften) -> Iterator[Finding]:
    """What has been often lately will not have been some day: then a guard lets go, and nothing else may happen."""
    if path[0] != "guards":
        yield path, "'often' ends with time alone; expected it in the conditions of guards only"
    elif "not" in path:
        yield path, "'often' within 'not' would begin to hold a lead back with time; expected it outside"
    if not condition.within:
        yield (*path, "within"), "expected more than no time"


def _whole_conditions(playbook: Playbook) -> Iterator[tuple[Path, LeadCondition]]:
    for index, stage in enumerate(playbook.stages):
        if stage.when is not None:
            yield ("stages", index, "when"), stage.when
        for part, responses in (("respond", stage.respond), ("contact", stage.contact)):
            for number, response in enumerate(responses):
                if response.when is not None:
                    yield ("stages", index, part, number, "when"), response.when
    for index, guard in enumerate(playbook.guards):
        yield ("guards", index, "when"), guard.when
    for name, milestone in playbook.milestones.items():
        yield ("milestones", name), milestone
    for id, way in playbook.recycling.items():
        if way.when is not None:
            yield ("recycling", id, "when"), way.when
    for id, follow_up in playbook.follow_ups.items():
        if follow_up.when is not None:
            yield ("follow_ups", id, "when"), follow_up.when


def _conditions_on_what_a_lead_is(playbook: Playbook) -> Iterator[tuple[Path, LeadCondition]]:
    """Those that an outside list has its levels by."""
    for id, channel in playbook.channels.items():
        for index, rule in enumerate(channel.by_attributes):
            yield ("channels", id, "by_attributes", index, "when"), rule.when


def _conditions_on_contacts(playbook: Playbook) -> Iterator[tuple[Path, LeadCondition]]:
    """Those that are asked by the router, which has the contact data."""
    for role_id, role in playbook.buying_group.roles.items():
        yield ("buying_group", "roles", role_id, "when"), role.when
    if playbook.effective is not None:
        yield ("effective",), playbook.effective


def _all_conditions(playbook: Playbook) -> Iterator[tuple[Path, LeadCondition]]:
    for path, condition in (
        *_whole_conditions(playbook),
        *_conditions_on_what_a_lead_is(playbook),
        *_conditions_on_contacts(playbook),
    ):
        yield from _parts(path, condition)


def _parts(path: Path, condition: LeadCondition) -> Iterator[tuple[Path, LeadCondition]]:
    """A condition and those that it is made of."""
    yield path, condition
    match condition:
        case NotOf(not_=inner):
            yield from _parts((*path, "not"), inner)
        case AnyOf(any=parts) | AllOf(all=parts) | SomeOf(of=parts):
            key = {AnyOf: "any", AllOf: "all", SomeOf: "of"}[type(condition)]
            for index, part in enumerate(parts):
                yield from _parts((*path, key, index), part)
        case _:
            pass


def _references(
    path: Path, condition: LeadCondition, playbook: Playbook, known: Collection[str] = ()
) -> Iterator[Finding]:
    """`known` are personal fields whose values can be asked for here."""
    match condition:
        case SignalIs(signal=name) if name not in playbook.signals:
            yield (*path, "signal"), unknown("signal", name, playbook.signals)
        case SignalIs(later_than=str(name)) if name not in playbook.signals:
            yield (*path, "later_than"), unknown("signal", name, playbook.signals)
        case ShownOften(often=name) if name not in playbook.signals:
            yield (*path, "often"), unknown("signal", name, playbook.signals)
        case GradeAtLeast(grade_at_least=grade) if grade not in playbook.attribute.grades:
            yield (*path, "grade_at_least"), unknown("grade", grade, playbook.attribute.grades)
        case FieldIs(field=name) if name not in playbook.fields:
            yield (*path, "field"), unknown("field", name, playbook.fields)
        case FieldIs(field=name, is_=check) if name not in known and _looks_into_personal_data(name, check, playbook):
            yield (*path, "is"), _only_presence(name)
        case SomeOf(at_least=count, of=parts) if count > len(parts):
            yield (*path, "at_least"), f"only {len(parts)} are given of which {count} must hold"
        case _:
            pass


def _never(playbook: Playbook) -> Iterator[Finding]:
    """Checks that nothing can pass: a rule that never matches looks like one that nobody has met yet."""
    for index, rule in enumerate(playbook.attribute.rules):
        yield from _never_passes(("attribute", "rules", index, "is"), rule.is_, playbook.fields.get(rule.field))
    for path, match in _all_matches(playbook):
        for name, check in match.where.items():
            yield from _never_passes((*path, "where", name), check, None)
        for name, check in match.traits.items():
            yield from _never_passes((*path, "traits", name), check, playbook.fields.get(name))
    for path, condition in _all_conditions(playbook):
        if isinstance(condition, FieldIs):
            yield from _never_passes((*path, "is"), condition.is_, playbook.fields.get(condition.field))


def _never_passes(path: Path, check: Check, field: LeadField | None) -> Iterator[Finding]:
    problem = contradiction(check)
    if problem is None and field is not None and field.kind == "prefecture":
        problem = no_prefecture(check)
    if problem is None and field is not None and field.kind == "country":
        problem = no_country(check)
    if problem is None and field is not None and field.kind == "target_account":
        problem = no_account(check)
    if problem is not None:
        yield path, problem


def _looks_into_personal_data(field: str, check: Check, playbook: Playbook) -> bool:
    return playbook.fields[field].personal and check.model_fields_set != {"present"}


def _only_presence(field: str) -> str:
    return f"'{field}' is personal data, of which only presence is kept; expected {{present: true}}"
