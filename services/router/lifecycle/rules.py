"""The playbook, compiled for deciding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from services.router.lifecycle.criteria import Criterion, Moved, compile_condition
from services.router.lifecycle.deadlines import WorkCalendar
from services.router.lifecycle.teams import compile_teams
from services.router.lifecycle.territory import Territories
from shared.company import registrable_domain
from shared.playbook import Playbook
from shared.playbook.conditions import (
    AllOf,
    AnyOf,
    LeadCondition,
    LevelAtLeast,
    NotOf,
    ShownOften,
    SignalIs,
    SomeOf,
    TotalOver,
    leaves,
    thresholds,
)
from shared.playbook.handoffs import FollowUp, RecyclingRule, ResponseRule
from shared.playbook.schema import Stage
from shared.playbook.values import Label, WorkingTime
from shared.playbook.valve import Valve

LAST_STAGE_BEFORE_SALES = 4
"""Up to here a lead may still be excluded; from the next one on, signals are what sales people report."""

LAST_PROSPECT_STAGE = 6
"""Whoever is further is a customer, and stays one when a hand-off is rejected."""


@dataclass(frozen=True, slots=True)
class DueRule:
    """By when something is due, where `when` holds (None: always)."""

    when: Criterion | None
    within: WorkingTime


@dataclass(frozen=True, slots=True)
class StageRule:
    """A stage, its place on the way (`rank`), its compiled conditions, and the signals that it is entered by."""

    stage: Stage
    rank: tuple[int, int]
    when: Criterion | None
    signals: tuple[str, ...]
    respond: tuple[DueRule, ...]
    contact: tuple[DueRule, ...]


@dataclass(frozen=True, slots=True)
class RecyclingWay:
    """How leads come back into consideration, its condition compiled."""

    id: str
    rule: RecyclingRule
    when: Criterion | None


@dataclass(frozen=True, slots=True)
class FollowUpRule:
    """When customers are followed up, its condition compiled."""

    id: str
    rule: FollowUp
    when: Criterion | None


@dataclass(frozen=True, slots=True)
class CoolingRule:
    """A stage that a lead may fall out of as time passes: its condition, and the totals that it compares with.

    `only_falls`: nothing in it comes to hold because a score falls."""

    when: Criterion
    limits: tuple[float, ...]
    only_falls: bool


@dataclass(frozen=True, slots=True)
class ValveRule:
    """A valve; its marks as exact shares of a capacity, and whom it never holds, compiled."""

    valve: Valve
    low: Fraction
    high: Fraction
    never_holds: Criterion | None


class _Stages(dict[str, StageRule]):
    """By id. One that the playbook does not have (any more) is as the first: whoever is there goes on from the
    beginning, to whatever they have been enough for. Activating such a playbook is refused as long as leads are there;
    but one may come there at that moment."""

    def __missing__(self, id: str) -> StageRule:
        first = next(iter(self.values()))
        gone = first.stage.model_copy(update={"id": id, "label": Label(ja=id, en=id)})
        return replace(first, stage=gone)


class Rules:
    """What the lifecycle asks of a playbook. Raises `ValueError` naming what it cannot work with."""

    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook
        rules = [_stage_rule(index, stage, playbook) for index, stage in enumerate(playbook.stages)]
        self.stages = _Stages({rule.stage.id: rule for rule in rules})
        self.first = rules[0]
        self.way = sorted((rule for rule in rules[1:] if not rule.stage.excluded), key=lambda rule: rule.rank)
        self.onward = {rule.rank: [later for later in self.way if later.rank > rule.rank] for rule in rules}
        """By a stage's rank, those that are further on the way."""
        self.exclusions = [rule for rule in rules if rule.stage.excluded]
        self.cooling = {
            rule.stage.id: cooling for rule in self.way if (cooling := _cooling_rule(rule, playbook)) is not None
        }
        self.recycling = {
            id: RecyclingWay(id, rule, _compiled(rule.when, playbook)) for id, rule in playbook.recycling.items()
        }
        self.recycled_from = {
            stage.id: ways
            for stage in playbook.stages
            if (ways := [way for way in self.recycling.values() if stage.id in way.rule.from_])
        }
        self.recycled_by_signal = {
            stage: ways for stage, ways in self.recycled_from.items() if any(way.when is not None for way in ways)
        }
        follow_ups = [FollowUpRule(id, r, _compiled(r.when, playbook)) for id, r in playbook.follow_ups.items()]
        self.follow_ups = {
            stage.id: found
            for stage in playbook.stages
            if (found := [one for one in follow_ups if stage.id in one.rule.stages])
        }
        valves = [_valve_rule(valve, playbook) for valve in playbook.valves.values()]
        self.valves = {(rule.valve.from_, rule.valve.to, rule.valve.stage): rule for rule in valves}
        self.valves_from = {
            rule.valve.from_: [one for one in valves if one.valve.from_ == rule.valve.from_] for rule in valves
        }
        self.parked = {rule.through for rule in playbook.recycling.values() if rule.through is not None}
        self.guards = [(guard, compile_condition(guard.when, playbook)) for guard in playbook.guards]
        self.often = [leaf for guard in playbook.guards for leaf in leaves(guard.when) if isinstance(leaf, ShownOften)]
        """What guards count, and what ends with time therefore."""
        self.counted = frozenset(playbook.counted_signals())
        self.personal_domains = _domains(playbook)
        self.effective = compile_condition(playbook.effective, playbook) if playbook.effective else None
        self.roles = {id: compile_condition(r.when, playbook) for id, r in playbook.buying_group.roles.items()}
        self.milestones = {name: compile_condition(when, playbook) for name, when in playbook.milestones.items()}
        self.territories = Territories(playbook)
        self.calendars = {id: WorkCalendar(d.hours, playbook.zone) for id, d in playbook.departments.items()}
        self.teams = compile_teams(playbook)
        """By (department, team)."""


def _domains(playbook: Playbook) -> frozenset[str]:
    """As DNS writes them."""
    written = {domain: registrable_domain(domain) for domain in playbook.companies.personal_domains}
    if unknown := [domain for domain, found in written.items() if found is None]:
        raise ValueError(
            f"companies.personal_domains: {', '.join(unknown)}: expected domains that can exist, such as cable.jp"
        )
    return frozenset(found for found in written.values() if found)


def _stage_rule(index: int, stage: Stage, playbook: Playbook) -> StageRule:
    return StageRule(
        stage=stage,
        rank=(stage.number, index),
        when=None if stage.when is None else compile_condition(stage.when, playbook, _moved(stage, playbook)),
        signals=tuple(sorted({leaf.signal for leaf in _leaves(stage.when) if isinstance(leaf, SignalIs)})),
        respond=_due_rules(stage.respond, playbook),
        contact=_due_rules(stage.contact, playbook),
    )


def _valve_rule(valve: Valve, playbook: Playbook) -> ValveRule:
    # As written, in hundredths of a per cent: 0.9 as a float is a little more than 135 of 150.
    low, high = (Fraction(round(share * 10_000), 10_000) for share in (valve.low, valve.high))
    return ValveRule(valve, low, high, _compiled(valve.never_holds, playbook))


def _moved(stage: Stage, playbook: Playbook) -> Moved | None:
    return next(((stage.id, valve.normal) for valve in playbook.valves.values() if valve.stage == stage.id), None)


def _leaves(condition: LeadCondition | None) -> list[LeadCondition]:
    return [] if condition is None else list(leaves(condition))


def _due_rules(rules: Iterable[ResponseRule], playbook: Playbook) -> tuple[DueRule, ...]:
    return tuple(DueRule(_compiled(rule.when, playbook), rule.within) for rule in rules)


def _compiled(condition: LeadCondition | None, playbook: Playbook) -> Criterion | None:
    return None if condition is None else compile_condition(condition, playbook)


def _cooling_rule(rule: StageRule, playbook: Playbook) -> CoolingRule | None:
    """None for what does not end with time, and for customers."""
    condition, when = rule.stage.when, rule.when
    if condition is None or when is None or rule.stage.number > LAST_PROSPECT_STAGE or not _ends_with_time(condition):
        return None
    moved = (valve.thresholds for valve in playbook.valves.values() if valve.stage == rule.stage.id)
    limits = tuple(sorted(thresholds([condition]).union(*moved)))
    return CoolingRule(when, limits, not _denies_a_score(condition))


def _ends_with_time(condition: LeadCondition) -> bool:
    return any(isinstance(leaf, TotalOver | LevelAtLeast) for leaf in leaves(condition))


def _denies_a_score(condition: LeadCondition) -> bool:
    match condition:
        case NotOf(not_=part):
            return _ends_with_time(part)
        case AnyOf(any=parts) | AllOf(all=parts) | SomeOf(of=parts):
            return any(_denies_a_score(part) for part in parts)
    return False
