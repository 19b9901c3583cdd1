"""Two ids turn out to be one lead: the further stage and its owner survive, and one open hand-off at most (domain,
"Merging two leads"). The scorer says who belongs to whom; here is what becomes of stages and hand-offs."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle.model import Decision, HandOff, HandOffChange, Lead, StageChange, Status
from services.router.lifecycle.offers import handoff_id
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.stages import Step, follow
from shared.scores import ScoreRecord

_FIRST = ("acquired_at", "mql_at", "sal_at", "sql_at")
_LAST = ("line_at", "held_until", "contacted_at", "alerted_at", "reminded_at", "followed_up_at")


def left(lead: Lead, record: ScoreRecord) -> Lead:
    """A lead whose record says that it is a member of another one. It keeps its stage, its owner and its hand-off until
    that one takes them over: nobody drops it in between."""
    return replace(lead, score_seq=record.seq, merged_into=record.merged_into, cools_at=None, due_at=None)


def returned(lead: Lead, rules: Rules) -> Lead:
    """A member that is a lead of its own again: it begins anew, with its own history."""
    return replace(_at_the_beginning(lead, rules), merged_into=None)


def given_back(lead: Lead, rules: Rules) -> Lead:
    """Whoever was split off belongs to the first department of the way, wherever its own history has led it."""
    if lead.department is None:
        return lead
    owner = next(rule.stage.owner for rule in rules.way if rule.stage.owner)
    return replace(lead, department=owner, team=rules.territories.team(owner, {}), person=None, taken=False)


def has_something(member: Lead, rules: Rules) -> bool:
    """Whether its lead has not taken it over yet."""
    return member.stage != rules.first.stage.id or member.department is not None


def absorb(  # noqa: PLR0913, PLR0917 - two leads, and their hand-offs
    lead: Lead, opened: HandOff | None, member: Lead, its: HandOff | None, rules: Rules, now: datetime
) -> tuple[Decision, Decision]:
    """What the lead and its member are afterwards. The hand-off that survives goes on under the lead's id."""
    reason = [_merged(member.lead_id, lead.lead_id)]
    gone = _emptied(member, lead.lead_id, rules)
    gone, its_changes = _close(gone, its, reason, now)
    ahead = rules.stages[member.stage].rank > rules.stages[lead.stage].rank
    lead = replace(lead, reached=_both(lead.reached, member.reached), furthest=max(lead.furthest, member.furthest))
    # Not its epoch: when the member leaves, the lead's scores would never reach it again.
    lead = replace(lead, recycled=lead.recycled + member.recycled, recycling=lead.recycling or member.recycling)
    lead = replace(lead, **{name: _earlier(getattr(lead, name), getattr(member, name)) for name in _FIRST})
    lead = replace(lead, **{name: _later(getattr(lead, name), getattr(member, name)) for name in _LAST})
    stages: list[StageChange] = []
    changes: list[HandOffChange] = []
    if ahead:
        lead, stages = follow(lead, [Step(lead.stage, rules.stages[member.stage], reason)], now, historical=False)
        lead = replace(lead, valve_stage=member.valve_stage, valve_over=member.valve_over)
        lead, changes = _close(lead, opened, reason, now)
        opened = None
    if ahead or lead.department is None:
        lead = replace(
            lead,
            department=member.department,
            team=member.team,
            person=member.person,
            taken=member.taken,
            owned_at=member.owned_at,
            attached_to=None,
        )
        if its is not None and opened is None:
            lead, taken_over = _go_on(lead, its, reason, now)
            changes += taken_over
    return Decision(lead=lead, stages=stages, handoffs=changes), Decision(lead=gone, handoffs=its_changes)


def _emptied(member: Lead, lead_id: str, rules: Rules) -> Lead:
    return replace(
        _at_the_beginning(member, rules),
        merged_into=lead_id,
        department=None,
        team=None,
        person=None,
        held_by=None,
        taken=False,
        acquired_at=None,
        cools_at=None,
        due_at=None,
        owned_at=None,
        attached_to=None,
        recycled=0,
        recycling=None,
        valve_stage=None,
        valve_over=None,
    )


def _at_the_beginning(lead: Lead, rules: Rules) -> Lead:
    first = rules.first.stage
    return replace(lead, stage=first.id, reached=(first.id,), furthest=first.number, stage_at=None)


def _close(lead: Lead, opened: HandOff | None, reason: list[Leaf], now: datetime) -> tuple[Lead, list[HandOffChange]]:
    if opened is None:
        return lead, []
    merged = replace(opened, status=Status.MERGED)
    change = HandOffChange(handoff=merged, seq=lead.seq + 1, at=now, reason=reason)
    return replace(lead, seq=change.seq), [change]


def _go_on(lead: Lead, its: HandOff, reason: list[Leaf], now: datetime) -> tuple[Lead, list[HandOffChange]]:
    """The member's hand-off under the lead's id, in the same state, with the same person and deadline."""
    number = lead.handoffs + 1
    offered = replace(
        its,
        handoff_id=handoff_id(lead.lead_id, number),
        lead_id=lead.lead_id,
        status=Status.WAITING if its.status is Status.WAITING else Status.OFFERED,
        person=None,
        attached=tuple(id for id in its.attached if id != lead.lead_id),
    )
    changes = [HandOffChange(handoff=offered, seq=lead.seq + 1, at=now, reason=reason)]
    if its.status is Status.ACCEPTED:
        accepted = replace(offered, status=Status.ACCEPTED, person=its.person)
        changes.append(HandOffChange(handoff=accepted, seq=lead.seq + 2, at=now, reason=reason))
    return replace(lead, handoffs=number, seq=lead.seq + len(changes)), changes


def _merged(member: str, lead: str) -> Leaf:
    label = {"ja": "同一人物と判明", "en": "Found to be the same person"}
    return Leaf(condition="merged", name=f"{member} → {lead}", met=True, label=label)


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return (*one, *(stage for stage in other if stage not in one))


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)
