"""One decision: a lead, its open hand-off and a score record (or a person's answer) in, what changes out.

The result depends only on the sequence of records and answers; `now` gives nothing but dates of hand-offs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from services.router.lifecycle.case import Case
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.going_on import go_on, turned_back
from services.router.lifecycle.known import Facts
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.passing import come_early, pass_waiting, still_waits
from services.router.lifecycle.reasons import because_of_playbook
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.settling import settled
from services.router.lifecycle.stages import Step, held_or_led
from services.router.lifecycle.surroundings import Surroundings
from services.router.lifecycle.visits import visit
from shared.scores import ScoreRecord

COUNTED = (
    "held_by",
    "mql_at",
    "sql_at",
    "cools_at",
    "merged_into",
    "due_at",
    "contacted_at",
    "valve_stage",
)
"""Of a lead, beside its `score_seq`, all that a record may change which leads to no stage."""


def new_lead(lead_id: str, lane: int, rules: Rules) -> Lead:
    """A lead nobody knows yet: at the first stage, as everybody."""
    first = rules.first.stage
    return Lead(lead_id=lead_id, lane=lane, stage=first.id, reached=(first.id,), furthest=first.number)


def is_stale(lead: Lead, record: ScoreRecord) -> bool:
    """A repeated record: must change nothing. Only `seq` tells: one from before the lead was recycled still tells what
    it is; its epoch tells what counts, and falls again when a member leaves, and takes along that it was recycled."""
    return record.seq <= lead.score_seq


def decide(  # noqa: PLR0913, PLR0917 - a lead, its hand-off and score, and what is around them
    lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules, now: datetime, around: Surroundings
) -> Decision:
    """What a record changes. The caller leaves stale ones out, and lets time move the lead first (`settling`) where it
    was to move by the record's time."""
    known, counting = facts_of(lead, record, rules)
    steps, held_by = held_or_led(lead, opened, known, counting, rules)
    lead = replace(
        lead,
        score_seq=record.seq,
        held_by=held_by,
        mql_at=lead.mql_at or _milestone("mql", known, record, rules),
        sql_at=lead.sql_at or _milestone("sql", known, record, rules),
        contacted_at=_contacted(lead, record, rules),
    )
    case = Case(record, counting, rules, now, record.time, around, record.historical)
    decision = _follow(lead, opened, steps, case) if steps else _at_the_valve(lead, opened, known, case)
    decision = turned_back(decision, opened, case)
    if opened is not None and held_by is None and still_waits(opened, decision):
        decision = pass_waiting(decision, opened, case, in_turn=False)
    if (alert := visit(decision.lead, record, rules, now)) is not None:
        lead = replace(decision.lead, seq=alert.seq, alerted_at=alert.at)
        decision = replace(decision, lead=lead, alerts=[alert])
    return settled(decision, opened, case)


def _at_the_valve(lead: Lead, opened: HandOff | None, known: Facts, case: Case) -> Decision:
    """A lead that goes no further as usual. Few leads are such that a valve might let them pass."""
    is_asked = lead.valve_stage is not None or lead.department in case.rules.valves_from
    return come_early(lead, opened, known, case) if is_asked else Decision(lead=lead)


def _follow(lead: Lead, opened: HandOff | None, steps: list[Step], case: Case) -> Decision:
    record = case.record
    if lead.acquired_at is None:
        trigger = record.trigger
        lead = replace(lead, acquired_at=record.time, channel=trigger.channel, medium=trigger.medium)
    if record.historical:
        # Nobody is to follow up now what would have been due then.
        lead = replace(lead, followed_up_at=case.now)
    if changed := because_of_playbook(record):
        steps = [Step(step.source, step.target, [*step.reason, *changed]) for step in steps]
    return go_on(lead, opened, steps, case)


def _contacted(lead: Lead, record: ScoreRecord, rules: Rules) -> datetime | None:
    """When sales last got in touch with the lead, as far as is known."""
    signal = record.signals.get(rules.playbook.handoffs.first_contact or "")
    if signal is None or (lead.contacted_at is not None and lead.contacted_at >= signal.last):
        return lead.contacted_at
    return signal.last


def _milestone(name: Literal["mql", "sql"], facts: Facts, record: ScoreRecord, rules: Rules) -> datetime | None:
    criterion = rules.milestones.get(name)
    return record.time if criterion is not None and criterion.holds(facts) else None
