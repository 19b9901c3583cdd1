"""What people answer to a hand-off (domain N7). Whoever comes too late is told in which state it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle.case import Case
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.known import all_facts
from services.router.lifecycle.model import Decision, Emitted, HandOff, HandOffChange, Lead, NotPossible, Status
from services.router.lifecycle.offers import contact_by, tell
from services.router.lifecycle.owning import take_over
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.recycling import go_back, rejected_back
from services.router.lifecycle.rotation import taken
from services.router.lifecycle.rules import LAST_PROSPECT_STAGE, Rules
from services.router.lifecycle.settling import settled
from services.router.lifecycle.stages import held_back
from services.router.lifecycle.surroundings import Surroundings
from services.router.lifecycle.turning import next_offer, steps_left
from shared.events import Kind
from shared.scores import ScoreRecord

REJECTED = "Hand-off Rejected"
"""The event by which a rejection reaches the rules (domain D4), with `reason` and `handoff_id` as properties."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a receiver rejects, as a reason code of the playbook; and which team it should have gone to, if known."""

    reason: str
    by: str
    note: str | None = None
    team: str | None = None


def case_of(lead: Lead, record: ScoreRecord, rules: Rules, now: datetime, around: Surroundings) -> Case:
    """What people's answers are decided on, and deadlines: never history."""
    return Case(record, facts_of(lead, record, rules)[1], rules, now, now, around)


def accept(lead: Lead, handoff: HandOff, person: str | None, by: str, case: Case) -> Decision:
    """The receiver takes the lead over: from now on it is the owner. Raises `NotPossible` unless it is offered.

    `person`: who of the receivers it is; None: the one it was offered to."""
    _refuse_unless(handoff, Status.OFFERED, "accept")
    who = person or handoff.person
    _count_turn(handoff, who, case)
    accepted = replace(handoff, status=Status.ACCEPTED, person=who, contact_by=contact_by(handoff, who, case))
    change = HandOffChange(handoff=accepted, seq=lead.seq + 1, at=case.now, reason=[], by=by)
    lead, change = tell(take_over(lead, handoff, who, case.now), change)
    return settled(Decision(lead=lead, handoffs=[change]), handoff, case)


def complete(lead: Lead, handoff: HandOff, by: str, case: Case) -> Decision:
    """The receiver has done what it was for, and stays the owner. Raises `NotPossible` unless it is accepted."""
    _refuse_unless(handoff, Status.ACCEPTED, "complete")
    completed = replace(handoff, status=Status.COMPLETED)
    lead, change = tell(lead, HandOffChange(handoff=completed, seq=lead.seq + 1, at=case.now, reason=[], by=by))
    return settled(Decision(lead=lead, handoffs=[change]), handoff, case)


def reject(lead: Lead, handoff: HandOff, refusal: Refusal, case: Case) -> Decision:
    """The giver keeps the lead, which is recycled; or somebody else is asked, where the reason says so, and always for
    customers, who do not go back; but nobody if the lead is to be left alone by now. Raises `NotPossible` unless the
    hand-off is offered, `KeyError` for a reason code that the playbook lacks."""
    _refuse_unless(handoff, Status.OFFERED, "reject")
    rules = case.rules
    is_customer = rules.stages[lead.stage].stage.number > LAST_PROSPECT_STAGE
    again = (is_customer or _is_reassigned(refusal.reason, rules)) and steps_left(handoff, rules)
    held = held_back(rules.stages[handoff.stage], all_facts(case.record, case.at), rules) if again else []
    reason = [rejection_reason(refusal.reason, rules), *held]
    change = HandOffChange(
        handoff=replace(handoff, status=Status.REJECTED, reject_reason=refusal.reason),
        seq=lead.seq + 1,
        at=case.now,
        reason=reason,
        by=refusal.by,
        note=refusal.note,
    )
    lead, change = tell(lead, change)
    told = _rejection_event(handoff, refusal, case.now)
    if again and not held:
        lead, offered = next_offer(lead, change.handoff, reason, case, refusal.team)
        decision = Decision(lead=lead, handoffs=[change, offered], events=[told])
    elif is_customer:
        decision = Decision(lead=lead, handoffs=[change], events=[told])
    else:
        decision = go_back(lead, rejected_back(rules), reason, case)
        decision = replace(decision, handoffs=[change, *decision.handoffs], events=[told, *decision.events])
    return settled(decision, handoff, case)


def rejection_reason(reason: str, rules: Rules) -> Leaf:
    """A reason code as a part of a `reason`."""
    return Leaf(condition="rejected", name=reason, met=True, label=rules.playbook.rejection.reasons[reason].label)


def _count_turn(handoff: HandOff, who: str | None, case: Case) -> None:
    """Whoever takes what was not offered to them has had a turn."""
    team = case.rules.teams.get((handoff.receiver, handoff.team))
    person = None if team is None or who is None or who == handoff.person else team.person(who)
    if team is not None and person is not None:
        around, lead_id = case.surroundings, handoff.lead_id
        around.take_turn(team, taken(person, around.team(team, lead_id)), lead_id)


def _is_reassigned(reason: str, rules: Rules) -> bool:
    return rules.playbook.rejection.reasons[reason].then == "reassign"


def _rejection_event(handoff: HandOff, refusal: Refusal, now: datetime) -> Emitted:
    return Emitted(
        id=f"rejected:{handoff.handoff_id}",
        kind=Kind.TRACK,
        name=REJECTED,
        at=now,
        properties={"reason": refusal.reason, "handoff_id": handoff.handoff_id, "department": handoff.receiver},
    )


def _refuse_unless(handoff: HandOff, status: Status, verb: str) -> None:
    if handoff.status is not status:
        who = f" by {handoff.person or handoff.team}" if handoff.status is Status.ACCEPTED else ""
        raise NotPossible(f"cannot {verb}: the hand-off is {handoff.status.value}{who}, not {status.value}")
