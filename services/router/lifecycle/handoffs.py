"""Who owns a lead after its steps, and which hand-offs begin and end (domain D1, D2).

The giver stays responsible until the receiver accepts; a lead has never more than one open hand-off.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle.criteria import Facts, Leaf
from services.router.lifecycle.model import HandOff, HandOffChange, Lead, Status
from services.router.lifecycle.rules import Rules, StageRule
from services.router.lifecycle.stages import Step

_NAMESPACE = uuid.UUID("6f1d3c52-9a0b-5e0e-8f0c-7a5a6b1c9d21")


@dataclass(frozen=True, slots=True)
class Case:
    """What a decision is made on: the facts that count, and whether they are history."""

    facts: Facts
    rules: Rules
    now: datetime
    historical: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a receiver rejects, as a reason code of the playbook."""

    reason: str
    by: str
    note: str | None = None


def assign(lead: Lead, opened: HandOff | None, steps: list[Step], case: Case) -> tuple[Lead, list[HandOffChange]]:
    """Owner and hand-offs after `steps` (at least one). `opened` is the lead's open hand-off.

    Only the last step counts: a lead that passes through inside sales' stage in one record goes straight on.
    """
    last = steps[-1]
    owner = last.target.stage.owner
    changes: list[HandOffChange] = []
    if opened is not None and _is_outrun(opened, last):
        lead, change = _close(lead, opened, last, case.now)
        changes, opened = [change], None
    if lead.department is None:
        first = next((step.target.stage.owner for step in steps if step.target.stage.owner), None)
        lead = _own(lead, first, case)  # the first assignment is no hand-off
    if owner is None or owner == lead.department or opened is not None:
        return lead, changes
    if case.historical or last.target.stage.excluded or lead.department is None:
        return _own(lead, owner, case), changes
    lead, offer = _offer(lead, owner, last, case)
    return lead, [*changes, offer]


def _is_outrun(opened: HandOff, last: Step) -> bool:
    """Whether the lead's new stage ends an open hand-off: another department is next, nobody is to work the lead,
    or sales reports about a lead that its receiver has never accepted."""
    stage = last.target.stage
    if stage.excluded or stage.owner not in (None, opened.receiver):
        return True
    return last.reported and opened.status is not Status.ACCEPTED


def _close(lead: Lead, opened: HandOff, last: Step, now: datetime) -> tuple[Lead, HandOffChange]:
    """Completed if its receiver evidently worked the lead (accepted it, or sales reports the new stage), which also
    makes the receiver the owner; withdrawn otherwise."""
    accepted = opened.status is Status.ACCEPTED
    worked = (accepted or last.reported) and not last.target.stage.excluded
    if worked and not accepted:
        lead = _taken(lead, opened, opened.person, now)
    closed = replace(opened, status=Status.COMPLETED if worked else Status.WITHDRAWN)
    return _tell(lead, HandOffChange(handoff=closed, seq=lead.seq + 1, at=now, reason=last.reason))


def retreat(lead: Lead, opened: HandOff | None, step: Step, case: Case) -> tuple[Lead, list[HandOffChange]]:
    """Owner and hand-offs after a lead has cooled (`step`, back). `opened` is its open hand-off, accepted by nobody.

    An offer to another department than the new stage's is withdrawn. Whoever has accepted the lead before keeps it; a
    department that has it without ever having been asked (history), and comes later on the way, gives it back at once.
    """
    target = step.target
    owner = target.stage.owner
    changes: list[HandOffChange] = []
    if opened is not None and opened.receiver != owner:
        withdrawn = replace(opened, status=Status.WITHDRAWN)
        lead, change = _tell(lead, HandOffChange(handoff=withdrawn, seq=lead.seq + 1, at=case.now, reason=step.reason))
        changes, opened = [change], None
    if owner is None or lead.department in (None, owner) or opened is not None:
        return lead, changes
    if target.stage.excluded or (not lead.taken and _comes_later(lead.department, target, case)):
        return _own(lead, owner, case), changes
    if lead.taken:
        return lead, changes
    lead, offer = _offer(lead, owner, step, case)
    return lead, [*changes, offer]


def _comes_later(department: str | None, target: StageRule, case: Case) -> bool:
    """Whether all stages of a department come after `target`."""
    return all(rule.rank > target.rank for rule in case.rules.way if rule.stage.owner == department)


def _offer(lead: Lead, receiver: str, last: Step, case: Case) -> tuple[Lead, HandOffChange]:
    respond_by, priority = _response(last.target, receiver, case)
    lead = replace(lead, handoffs=lead.handoffs + 1)
    handoff = HandOff(
        handoff_id=handoff_id(lead.lead_id, lead.handoffs),
        lead_id=lead.lead_id,
        status=Status.OFFERED,
        giver=lead.department or receiver,
        giver_team=lead.team,
        receiver=receiver,
        team=case.rules.territories.team(receiver, case.facts.fields),
        person=None,
        stage=last.target.stage.id,
        offered_at=case.now,
        respond_by=respond_by,
        priority=priority,
    )
    return _tell(lead, HandOffChange(handoff=handoff, seq=lead.seq + 1, at=case.now, reason=last.reason))


def _response(rule: StageRule, receiver: str, case: Case) -> tuple[datetime | None, str]:
    """Deadline and priority: `high` where the answer is due within working hours rather than days."""
    for criterion, within in rule.respond:
        if criterion is None or criterion.holds(case.facts):
            return case.rules.calendars[receiver].deadline(case.now, within), "normal" if within.days else "high"
    return None, "normal"


def accept(lead: Lead, handoff: HandOff, person: str | None, by: str, now: datetime) -> tuple[Lead, HandOffChange]:
    """The receiver takes the lead over: from now on it is the owner."""
    accepted = replace(handoff, status=Status.ACCEPTED, person=person)
    change = HandOffChange(handoff=accepted, seq=lead.seq + 1, at=now, reason=[], by=by)
    return _tell(_taken(lead, handoff, person, now), change)


def reject(lead: Lead, handoff: HandOff, refusal: Refusal, now: datetime, rules: Rules) -> tuple[Lead, HandOffChange]:
    """The giver keeps the lead; what it has done until now does not count any more."""
    lead = replace(lead, line_at=now, held_until=now + rules.playbook.rejection.hold, cools_at=None)
    change = HandOffChange(
        handoff=replace(handoff, status=Status.REJECTED, reject_reason=refusal.reason),
        seq=lead.seq + 1,
        at=now,
        reason=[rejection_reason(refusal.reason, rules)],
        by=refusal.by,
        note=refusal.note,
    )
    return _tell(lead, change)


def complete(lead: Lead, handoff: HandOff, by: str, now: datetime) -> tuple[Lead, HandOffChange]:
    """The receiver has done what the hand-off was for, and stays the owner."""
    completed = replace(handoff, status=Status.COMPLETED)
    return _tell(lead, HandOffChange(handoff=completed, seq=lead.seq + 1, at=now, reason=[], by=by))


def rejection_reason(reason: str, rules: Rules) -> Leaf:
    """A reason code as a part of a `reason`."""
    label = rules.playbook.rejection.reasons[reason].model_dump()
    return Leaf(condition="rejected", name=reason, met=True, label=label)


def handoff_id(lead_id: str, number: int) -> str:
    """Deterministic: reading the log again gives the same ids."""
    return str(uuid.uuid5(_NAMESPACE, f"{lead_id}:{number}"))


def _tell(lead: Lead, change: HandOffChange) -> tuple[Lead, HandOffChange]:
    return replace(lead, seq=change.seq), change


def _taken(lead: Lead, handoff: HandOff, person: str | None, now: datetime) -> Lead:
    return replace(
        lead,
        department=handoff.receiver,
        team=handoff.team,
        person=person,
        sal_at=lead.sal_at or now,
        taken=True,
        cools_at=None,  # a lead that somebody works is not taken from them
    )


def _own(lead: Lead, department: str | None, case: Case) -> Lead:
    if department is None:
        return lead
    team = case.rules.territories.team(department, case.facts.fields)
    return replace(lead, department=department, team=team, person=None, taken=False)
