"""Leads before a valve: what they would pass it with, were it open further than usual."""

from __future__ import annotations

from msgspec.structs import replace

from services.router.lifecycle.known import Facts
from services.router.lifecycle.model import HandOff, Lead
from services.router.lifecycle.rules import Rules, ValveRule
from services.router.lifecycle.stages import Step, walk
from services.router.lifecycle.valves import may_come_early
from shared.points import to_micro


def steps_into(rule: ValveRule, lead: Lead, known: Facts, counting: Facts, asked: float, rules: Rules) -> list[Step]:  # noqa: PLR0913, PLR0917 - as `walk`, a valve, and what it asks for
    """The steps by which the lead enters the valve's stage, if that asks for so much; empty: it does not. `known` and
    `counting` as for `walk`."""
    valve = (rule.valve.stage, to_micro(asked))
    steps, _ = walk(lead, replace(known, valve=valve), replace(counting, valve=valve), rules)
    return steps if steps and steps[-1].target.stage.id == rule.valve.stage else []


def stage_before(lead: Lead, opened: HandOff | None, known: Facts, counting: Facts, rules: Rules) -> str | None:
    """The stage whose valve the lead would pass, if it opened as far as it can; None: there is none."""
    if not may_come_early(lead, opened, rules):
        return None
    for rule in rules.valves_from.get(lead.department or "", ()):
        if steps_into(rule, lead, known, counting, rule.valve.thresholds[0], rules):
            return rule.valve.stage
    return None
