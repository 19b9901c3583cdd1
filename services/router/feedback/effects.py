"""What a report comes to: an event, a deal, points of the lead, and whom else it concerns. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.router.contact import ContactDatum
from services.router.deals import Deal, amount, midnight
from services.router.lifecycle.model import HandOff
from services.router.lifecycle.rules import LAST_PROSPECT_STAGE, Rules
from services.router.messages import POINTS, SOURCE
from shared.acceptance import EARLIEST
from shared.events import Event, Kind, happened
from shared.feedback import (
    AnyReport,
    Call,
    CaseClosed,
    CaseOpened,
    Churned,
    DealReport,
    Health,
    Lost,
    Note,
    Nps,
    PointsReport,
    Quote,
    ReportInvalid,
    Satisfaction,
    Usage,
    Visit,
    Won,
)
from shared.playbook import Playbook

CLOCKS_DIFFER = timedelta(minutes=5)
"""A report may be dated so long after now: it is taken for one of now."""
_DEALS = DealReport | Quote | Won | Lost
_OF_SALES = Visit | Won | Lost
_OF_CUSTOMERS = Nps | CaseOpened | CaseClosed | Satisfaction | Usage | Health | Churned
_ABOUT_THE_REPORT = frozenset({"type", "report_id", "at", "by"})
_FREE_TEXT = frozenset({"note", "text", "value", "result", "with_whom", *POINTS})
"""Stays in Postgres: no rule looks at it, and it may name people."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A report with its id, about the lead `lead_id`. `at`: when it happened, never after `received_at`; `by`: the name
    of the token, or of the topic, by which it came."""

    report: AnyReport
    report_id: str
    lead_id: str
    at: datetime
    received_at: datetime
    by: str


def moment_of(report: AnyReport, now: datetime) -> datetime:
    """When it happened. Raises `ReportInvalid` if that is to come, or is not of this century."""
    at = report.at or now
    if at - now > CLOCKS_DIFFER:
        raise ReportInvalid(
            f"at: {at.isoformat()} is still to come (it is {now.isoformat()}): report what has happened"
        )
    if at < EARLIEST:
        raise ReportInvalid(f"at: {at.isoformat()} is before the year {EARLIEST.year}")
    return happened(at, now)


def event_of(reported: Reported) -> Event:
    """For the log: what people did is part of the lead's history like anything else."""
    return Event(
        kind=Kind.TRACK,
        id=f"report:{reported.report_id}",
        source=SOURCE,
        key=reported.lead_id,
        time=reported.at,
        received_at=reported.received_at,
        name=event_name(reported.report),
        properties=_properties(reported.report),
    )


def event_name(report: AnyReport) -> str:
    """The name that the playbook's signals look for."""
    match report:
        case Call(outcome="unanswered"):
            return "Call Unanswered"
        case DealReport(status="stalled"):
            return "Deal Stalled"
    return report.event


def deal_of(reported: Reported) -> Deal | None:
    """What a report tells of a deal."""
    report, at = reported.report, reported.at
    if not isinstance(report, _DEALS):
        return None
    dates: dict[str, datetime] = {}
    match report:
        case DealReport(status="stalled"):
            dates = {"stalled_at": at}
        case DealReport(status="quoted"):
            dates = {"registered_at": at, "quoted_at": at}
        case DealReport():
            dates = {"registered_at": at}
        case Quote():
            dates = {"quoted_at": at}
        case Won():
            dates = {"won_at": at}
        case Lost():
            dates = {"lost_at": at}
    told: dict[str, Any] = {name: getattr(report, name, None) for name in ("product", "partner", "presales")}
    return Deal(
        lead_id=reported.lead_id,
        deal_id=report.deal_id,
        amount=amount(getattr(report, "amount", None)),
        inside_sales=report.inside_sales,
        field_sales=report.field_sales,
        expected_at=midnight(getattr(report, "expected_date", None)),
        lost_reason=getattr(report, "reason", None),
        **told | dates,
    )


def points_of(reported: Reported) -> list[ContactDatum]:
    """The points of a deal, kept as contact data is: the newest of each counts, whichever id of the lead it was told
    under, and hand-offs carry it."""
    report = reported.report
    if not isinstance(report, PointsReport):
        return []
    told = {name: getattr(report, name) for name in POINTS}
    return [
        ContactDatum(
            lead_id=reported.lead_id, field=POINTS[name], value=text, at=reported.at, event_id=reported.report_id
        )
        for name, text in told.items()
        if text is not None
    ]


def contact_events(playbook: Playbook) -> frozenset[str]:
    """Names of events by which alone it is seen that somebody has got in touch with the lead."""
    rule = playbook.signals.get(playbook.handoffs.first_contact or "")
    matches = rule.any if rule is not None else []
    return frozenset(name for match in matches if match.model_fields_set <= {"event"} for name in match.names)


def is_of_customer(report: AnyReport, stage: int) -> bool | None:
    """Whether whoever passed the customer is told of a report about a lead at the stage of that number; False: whoever
    passed the prospect is (domain D4); None: nobody."""
    if isinstance(report, Visit | Note) and stage > LAST_PROSPECT_STAGE:
        return True
    if isinstance(report, _OF_SALES):
        return False
    return True if isinstance(report, _OF_CUSTOMERS) else None


def passed_by(handoffs: Iterable[HandOff], of_customer: bool, rules: Rules) -> HandOff | None:
    """The first of `handoffs` by which the lead was passed as a prospect, or as a customer."""
    for handoff in handoffs:
        rule = rules.stages.get(handoff.stage)
        if rule is not None and (rule.stage.number > LAST_PROSPECT_STAGE) == of_customer:
            return handoff
    return None


def _properties(report: AnyReport) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(report)
    properties = {name: value for name, value in told.items() if name not in _ABOUT_THE_REPORT | _FREE_TEXT}
    if isinstance(report, PointsReport):
        properties["told"] = [name for name in POINTS if name in told]
    return properties
