"""What is due by the clock: an answer to an offer, a first contact, a reminder of these, the follow-up of a customer.

Each comes once, at its moment or as soon as somebody looks again, whatever happened in between."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle.case import Case
from services.router.lifecycle.following_up import follow_up, next_follow_up
from services.router.lifecycle.model import Alert, Alerted, Decision, HandOff, Lead, Status
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.turning import expire
from shared.scores import ScoreRecord

_SOON = {Status.OFFERED: Alerted.RESPOND_SOON, Status.ACCEPTED: Alerted.CONTACT_SOON}


def due_at(lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules) -> datetime | None:
    """The next moment at which something is due; None: nothing is. `opened` is the lead's open hand-off."""
    if opened is None:
        return next_follow_up(lead, record, rules)
    deadline = deadline_of(lead, opened)
    moments = (next_follow_up(lead, record, rules), deadline, _reminder(lead, opened, deadline, rules))
    return min((moment for moment in moments if moment is not None), default=None)


def deadline_of(lead: Lead, opened: HandOff) -> datetime | None:
    """By when its receiver must answer, or get in touch with the lead, or until when it waits at a valve; None: nothing
    is waited for."""
    if opened.status in (Status.OFFERED, Status.WAITING):
        return opened.respond_by
    is_waited_for = opened.status is Status.ACCEPTED and not _is_contacted(lead)
    return opened.contact_by if is_waited_for else None


def tick(lead: Lead, opened: HandOff | None, case: Case) -> Decision:
    """The first thing that is due by `case.now`; if nothing is, nothing changes."""
    deadline = None if opened is None else deadline_of(lead, opened)
    if opened is not None and deadline is not None:
        if deadline <= case.now:
            return expire(lead, opened, case)
        reminder = _reminder(lead, opened, deadline, case.rules)
        if reminder is not None and reminder <= case.now:
            return _remind(lead, opened, deadline, reminder, case)
    return follow_up(lead, case)


def _is_contacted(lead: Lead) -> bool:
    return lead.contacted_at is not None and (lead.owned_at is None or lead.contacted_at >= lead.owned_at)


def _reminder(lead: Lead, opened: HandOff, deadline: datetime | None, rules: Rules) -> datetime | None:
    """When the receiver is reminded of the deadline; None: they have been, or it began later than that."""
    if deadline is None or opened.status is Status.WAITING:
        return None
    moment = deadline - rules.playbook.handoffs.remind_before
    began = opened.offered_at if opened.status is Status.OFFERED else lead.owned_at
    is_told = lead.reminded_at is not None and lead.reminded_at >= moment
    return None if is_told or (began is not None and moment <= began) else moment


def _remind(lead: Lead, opened: HandOff, deadline: datetime, reminder: datetime, case: Case) -> Decision:
    alert = Alert(
        lead_id=lead.lead_id,
        seq=lead.seq + 1,
        kind=_SOON[opened.status],
        at=case.now,
        department=opened.receiver,
        team=opened.team,
        person=opened.person,
        handoff_id=opened.handoff_id,
        due=deadline,
    )
    return Decision(lead=replace(lead, seq=alert.seq, reminded_at=reminder), alerts=[alert])
