"""Reports and deals as the API shows them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping

from services.router.feedback.effects import Reported
from shared.feedback import type_of


class PointsInfo(BaseModel):
    """What was reported of the four things to understand for a deal."""

    issue: str | None
    problem: str | None
    solution: str | None
    benefit: str | None


class DealInfo(BaseModel):
    """A deal as it was last reported."""

    deal_id: str
    status: str = Field(description="registered, quoted, won, lost, stalled; the last two are not in the pipeline")
    amount: Decimal | None
    expected_date: date | None = Field(description="when the order is expected")
    product: str | None
    inside_sales: str | None
    field_sales: str | None
    partner: str | None
    presales: str | None
    lost_reason: str | None
    registered_at: datetime | None
    quoted_at: datetime | None
    won_at: datetime | None
    lost_at: datetime | None
    stalled_at: datetime | None


class ReportInfo(BaseModel):
    """A report as it was taken."""

    report_id: str
    lead_id: str = Field(description="the lead that it was filed under")
    type: str
    at: datetime = Field(description="when it happened")
    received_at: datetime
    by: str = Field(description="the person who reported; if none was named, the token's name")
    token: str = Field(description="name of the token by which it came; feedback: it was read from the topic")
    handoff_id: str | None
    report: dict[str, Any] = Field(description="as it was sent")


def deal_info(row: RowMapping) -> dict[str, Any]:
    """Of a row of `deals`."""
    expected = row["expected_at"]
    return {**row, "expected_date": expected.date() if expected else None}


def report_info(reported: Reported) -> dict[str, Any]:
    """As `ReportInfo`."""
    report = reported.report
    return {
        "report_id": reported.report_id,
        "lead_id": reported.lead_id,
        "type": type_of(report),
        "at": reported.at,
        "received_at": reported.received_at,
        "by": report.by or reported.by,
        "token": reported.by,
        "handoff_id": report.handoff_id,
        "report": msgspec.to_builtins(msgspec.structs.replace(report, report_id=reported.report_id)),
    }


def report_moment(reported: Reported) -> dict[str, Any]:
    """As a `Moment` of a timeline, without its place."""
    told = report_info(reported)
    shared = {name: told[name] for name in ("at", "by", "handoff_id", "report")}
    return {**shared, "kind": "report", "reason": [], "note": reported.report.note}
