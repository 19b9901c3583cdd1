"""What sales tools read on `alerts`: what the owner of a lead, or the receiver of a hand-off, must know at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from services.router.lifecycle.model import Alert, Lead
from services.router.lifecycle.reasons import Leaf
from services.router.messages import ContactData, StageName, contact_data, stage_name
from shared.playbook import Playbook
from shared.scores import ScoreRecord, Trigger


def alert_type(kind: str) -> str:
    """The CloudEvents type of an alert."""
    return f"tasuki.alert.{kind}"


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`kind`: visit (the lead is on the site now), respond_soon and contact_soon (a deadline comes up), follow_up (a
    customer is to be followed up). `due`: by when to act."""

    lead_id: str
    seq: int
    kind: str
    at: datetime
    department: str
    team: str | None
    person: str | None
    handoff_id: str | None
    due: datetime | None
    reason: list[Leaf]
    stage: StageName
    score: float
    level: int
    trigger: Trigger | None
    contact: ContactData
    company: str | None
    playbook: str


def alert_message(
    alert: Alert, lead: Lead, record: ScoreRecord, contact: Mapping[str, str], playbook: Playbook
) -> AlertMessage:
    """`trigger` is the event of a visit; deadlines have none."""
    return AlertMessage(
        lead_id=alert.lead_id,
        seq=alert.seq,
        kind=alert.kind.value,
        at=alert.at,
        department=alert.department,
        team=alert.team,
        person=alert.person,
        handoff_id=alert.handoff_id,
        due=alert.due,
        reason=alert.reason,
        stage=stage_name(lead.stage, playbook),
        score=record.total,
        level=record.level,
        trigger=record.trigger if alert.due is None else None,
        contact=contact_data(contact),
        company=contact.get("company.name"),
        playbook=playbook.id,
    )
