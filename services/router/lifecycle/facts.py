"""What a lead's criteria look at, drawn from its latest record."""

from __future__ import annotations

from msgspec.structs import replace

from services.router.lifecycle.known import Facts, all_facts, facts_since
from services.router.lifecycle.model import Lead
from services.router.lifecycle.rules import Rules
from shared.points import to_micro
from shared.scores import ScoreRecord


def facts_of(lead: Lead, record: ScoreRecord, rules: Rules) -> tuple[Facts, Facts]:
    """All facts, and those that count since the lead was last recycled. What it has passed a valve with counts as long
    as it is at that stage."""
    known = all_facts(record)
    if lead.valve_over is not None and lead.valve_stage is not None:
        known = replace(known, valve=(lead.valve_stage, to_micro(lead.valve_over)))
    if lead.line_at is None:
        return known, known
    valid_for = rules.playbook.levels.valid_for
    return known, facts_since(known, record, lead.line_at, lead.held_until, lead.epoch, valid_for)
