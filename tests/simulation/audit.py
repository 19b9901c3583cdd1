"""What `GET /v1/audit` asks of Postgres (`services/router/auditing.py`), asked of the ledger in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime

from services.router.lifecycle.model import HandOff, Lead, Status
from services.router.lifecycle.surroundings import JointKey, joint_key
from tests.simulation.ledger import MemoryLedger


def audit(ledger: MemoryLedger, now: datetime) -> dict[str, list[str]]:
    """By name of the finding ids of leads, or of hand-offs where these are overdue or wait."""
    opened: dict[str, list[HandOff]] = defaultdict(list)
    joints: Counter[JointKey] = Counter()
    for one in ledger.handoffs.values():
        if one.is_open:
            opened[one.lead_id].append(one)
            if (key := joint_key(one)) is not None:
                joints[key] += 1
    every, open_ones = ledger.leads.values(), [one for ones in opened.values() for one in ones]
    return {
        "without_owner": [lead.lead_id for lead in every if _is_without_owner(lead, ledger)],
        "attached_to_nobody": [lead.lead_id for lead in every if _is_attached_to_nobody(lead, opened)],
        "with_two_handoffs": [lead_id for lead_id, ones in opened.items() if len(ones) > 1],
        "with_two_owners": [one.lead_id for one in open_ones if _is_anothers(one, ledger.leads[one.lead_id])]
        + [
            lead.lead_id
            for lead in every
            if lead.attached_to and _owner(lead) != _owner(ledger.leads[lead.attached_to])
        ],
        "offered_twice": [one.lead_id for one in open_ones if (key := joint_key(one)) is not None and joints[key] > 1],
        "overdue": [
            one.handoff_id for one in open_ones if one.status is Status.OFFERED and _is_past(one.respond_by, now)
        ],
        "contact_overdue": [
            one.handoff_id for one in open_ones if is_not_contacted(one, ledger.leads[one.lead_id], now)
        ],
        "follow_up_overdue": [
            lead.lead_id for lead in every if lead.lead_id not in opened and _is_past(lead.due_at, now)
        ],
        "waiting": [one.handoff_id for one in open_ones if one.status is Status.WAITING],
    }


def _is_without_owner(lead: Lead, ledger: MemoryLedger) -> bool:
    if lead.department is not None:
        return False
    return lead.acquired_at is not None or (lead.merged_into is not None and lead.merged_into not in ledger.leads)


def _is_attached_to_nobody(lead: Lead, opened: dict[str, list[HandOff]]) -> bool:
    if lead.attached_to is None:
        return False
    return not any(lead.lead_id in one.attached for one in opened.get(lead.attached_to, ()))


def _is_anothers(one: HandOff, lead: Lead) -> bool:
    return one.status is Status.ACCEPTED and (lead.department, lead.person) != (one.receiver, one.person)


def is_not_contacted(one: HandOff, lead: Lead, now: datetime) -> bool:
    """Whether somebody has accepted it, and by the deadline for that nobody has got in touch."""
    if one.status is not Status.ACCEPTED or not _is_past(one.contact_by, now):
        return False
    return lead.contacted_at is None or (lead.owned_at is not None and lead.contacted_at < lead.owned_at)


def _is_past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment < now


def _owner(lead: Lead) -> tuple[str | None, str | None, str | None]:
    return lead.department, lead.team, lead.person
