"""What the person is told who passed a lead: what became of it (domain D4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from services.router.feedback.effects import Reported
from services.router.lifecycle.model import HandOff, Lead
from services.router.messages import (
    SOURCE,
    Company,
    ContactData,
    HandOffMessage,
    Party,
    StageName,
    contact_data,
    encode,
    handoff_type,
    stage_name,
)
from services.router.outbox import OutboxRow, message_row
from shared import cloudevents
from shared.feedback import AnyReport
from shared.playbook import Playbook
from shared.topics import Topics

REPORTED = handoff_type("reported")


class ReportedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has reported on a lead that `person` of the department `from` (none: nobody in particular) has passed
    by the hand-off `handoff_id`. `stage` is the lead's when the report came; what it leads to is told by itself."""

    handoff_id: str
    lead_id: str
    seq: int
    giver: Party = msgspec.field(name="from")
    receiver: Party = msgspec.field(name="to")
    person: str | None
    at: datetime
    report: AnyReport
    stage: StageName
    contact: ContactData
    company: Company
    playbook: str


def reported_row(message: ReportedMessage, lead: Lead, topics: Topics) -> OutboxRow:
    """To the giver. Its id is the same whenever the report is sent again."""
    headers = cloudevents.headers(
        id=f"reported:{message.report.report_id}", type=REPORTED, source=SOURCE, subject=lead.lead_id, time=message.at
    )
    return message_row(topics.handoffs(message.giver.department), lead, headers, encode(message))


def reported_message(  # noqa: PLR0913, PLR0917 - all that it tells
    reported: Reported,
    lead: Lead,
    handoff: HandOff,
    offered: HandOffMessage,
    contact: Mapping[str, str],
    playbook: Playbook,
) -> ReportedMessage:
    """`lead` with the message's `seq`; `offered` is the hand-off as it was offered."""
    return ReportedMessage(
        handoff_id=handoff.handoff_id,
        lead_id=lead.lead_id,
        seq=lead.seq,
        giver=offered.giver,
        receiver=msgspec.structs.replace(offered.receiver, person=handoff.person),
        person=handoff.giver_person,
        at=reported.at,
        report=msgspec.structs.replace(reported.report, report_id=reported.report_id),
        stage=stage_name(lead.stage, playbook),
        contact=contact_data(contact),
        company=msgspec.structs.replace(offered.company, name=contact.get("company.name") or offered.company.name),
        playbook=playbook.id,
    )
