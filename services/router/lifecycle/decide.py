"""One decision: a lead, its open hand-off and a score record (or a person's answer) in, what changes out.

The result depends only on the sequence of records and answers; `now` gives nothing but dates of hand-offs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from services.router.lifecycle import handoffs
from services.router.lifecycle.cooling import open_after, timed
from services.router.lifecycle.criteria import Facts, because_of_playbook
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.handoffs import Case, Refusal
from services.router.lifecycle.model import (
    Decision,
    HandOff,
    HandOffChange,
    Lead,
    NotPossible,
    StageChange,
    Status,
)
from services.router.lifecycle.rules import LAST_PROSPECT_STAGE, Rules
from services.router.lifecycle.stages import Step, follow, walk
from shared.scores import ScoreRecord

COUNTED = ("epoch", "score_seq", "held_by", "mql_at", "sql_at", "cools_at", "merged_into")
"""All of a lead that a record changes which leads to no stage."""


def new_lead(lead_id: str, lane: int, rules: Rules) -> Lead:
    """A lead nobody knows yet: at the first stage, as everybody."""
    first = rules.first.stage
    return Lead(lead_id=lead_id, lane=lane, stage=first.id, reached=(first.id,), furthest=first.number)


def is_stale(lead: Lead, record: ScoreRecord) -> bool:
    """A repeated record: must change nothing. Only `seq` tells: the epoch falls again when a member leaves the lead
    and takes along that it was recycled."""
    return record.seq <= lead.score_seq


def decide(lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules, now: datetime) -> Decision:
    """What a record changes. The caller leaves stale ones out, and lets the lead cool first (`cooling`) where it was to
    cool by the record's time."""
    known, counting = facts_of(lead, record, rules)
    steps, held_by = walk(lead, known, counting, rules)
    lead = replace(
        lead,
        epoch=record.epoch,
        score_seq=record.seq,
        held_by=held_by,
        mql_at=lead.mql_at or _milestone("mql", known, record, rules),
        sql_at=lead.sql_at or _milestone("sql", known, record, rules),
    )
    if not steps:
        return Decision(lead=timed(lead, opened, record, rules))
    if lead.acquired_at is None:
        trigger = record.trigger
        lead = replace(lead, acquired_at=record.time, channel=trigger.channel, medium=trigger.medium)
    if changed := because_of_playbook(record):
        steps = [Step(step.source, step.target, [*step.reason, *changed]) for step in steps]
    lead, stages = follow(lead, steps, record.time, historical=record.historical)
    case = Case(counting, rules, now, record.historical)
    lead, changes = handoffs.assign(lead, opened, steps, case)
    return Decision(lead=timed(lead, open_after(opened, changes), record, rules), stages=stages, handoffs=changes)


def accept(lead: Lead, handoff: HandOff, person: str | None, by: str, now: datetime) -> Decision:
    """Raises `NotPossible` unless the hand-off is offered."""
    _refuse_unless(handoff, Status.OFFERED, "accept")
    lead, change = handoffs.accept(lead, handoff, person, by, now)
    return Decision(lead=lead, handoffs=[change])


def complete(lead: Lead, handoff: HandOff, by: str, now: datetime) -> Decision:
    """Raises `NotPossible` unless the hand-off is accepted."""
    _refuse_unless(handoff, Status.ACCEPTED, "complete")
    lead, change = handoffs.complete(lead, handoff, by, now)
    return Decision(lead=lead, handoffs=[change])


def reject(lead: Lead, handoff: HandOff, refusal: Refusal, now: datetime, rules: Rules) -> Decision:
    """The lead goes back to the stage that the playbook names, except a customer, who stays one.

    Raises `NotPossible` unless the hand-off is offered, `KeyError` for a reason code that the playbook lacks."""
    _refuse_unless(handoff, Status.OFFERED, "reject")
    lead, change = handoffs.reject(lead, handoff, refusal, now, rules)
    return Decision(lead=_back(lead, rules, change), stages=_way_back(lead, rules, change), handoffs=[change])


def _way_back(lead: Lead, rules: Rules, change: HandOffChange) -> list[StageChange]:
    target = rules.playbook.rejection.to
    if lead.stage == target or rules.stages[lead.stage].stage.number > LAST_PROSPECT_STAGE:
        return []
    return [
        StageChange(
            lead_id=lead.lead_id, seq=lead.seq + 1, source=lead.stage, target=target, at=change.at, reason=change.reason
        )
    ]


def _back(lead: Lead, rules: Rules, change: HandOffChange) -> Lead:
    moves = _way_back(lead, rules, change)
    if not moves:
        return lead
    reached = lead.reached if moves[0].target in lead.reached else (*lead.reached, moves[0].target)
    return replace(lead, stage=moves[0].target, seq=moves[0].seq, reached=reached)


def _milestone(name: Literal["mql", "sql"], facts: Facts, record: ScoreRecord, rules: Rules) -> datetime | None:
    criterion = rules.milestones.get(name)
    return record.time if criterion is not None and criterion.holds(facts) else None


def _refuse_unless(handoff: HandOff, status: Status, verb: str) -> None:
    if handoff.status is not status:
        who = f" by {handoff.person or handoff.team}" if handoff.status is Status.ACCEPTED else ""
        raise NotPossible(f"cannot {verb}: the hand-off is {handoff.status.value}{who}, not {status.value}")
