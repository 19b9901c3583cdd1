"""Reports in Postgres, and what belongs to them. Every function works inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import RowMapping, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router.feedback.effects import Reported
from services.router.lifecycle.model import Status
from services.router.tables import deals, handoff_changes, handoffs, reports
from shared.feedback import decode_report, encode_report, type_of

_PASSED = (Status.ACCEPTED, Status.COMPLETED)


async def insert_report(connection: AsyncConnection, reported: Reported, seq: int) -> bool:
    """Whether it is new: a report is kept once, whoever sends it at the same time. `seq`: of the lead's latest
    message."""
    row = {
        "report_id": reported.report_id,
        "lead_id": reported.lead_id,
        "type": type_of(reported.report),
        "at": reported.at,
        "received_at": reported.received_at,
        "by": reported.by,
        "handoff_id": reported.report.handoff_id,
        "content": _content(reported),
        "seq": seq,
    }
    inserted = insert(reports).values(row).on_conflict_do_nothing().returning(reports.c.report_id)
    return (await connection.execute(inserted)).first() is not None


async def same_report(connection: AsyncConnection, reported: Reported, ids: Sequence[str]) -> Reported | None:
    """The report that is there under this id, if it is the same; None: it is another one. `ids`: of the lead."""
    query = select(reports).where(reports.c.report_id == reported.report_id)
    row = (await connection.execute(query)).mappings().one()
    is_same = row["content"] == _content(reported) and row["lead_id"] in ids
    return reported_of(row) if is_same else None


async def latest_reports(connection: AsyncConnection, ids: Sequence[str], limit: int) -> list[Reported]:
    """Of a lead, the latest first."""
    query = select(reports).where(reports.c.lead_id.in_(ids))
    rows = await connection.execute(query.order_by(reports.c.at.desc(), reports.c.report_id).limit(limit))
    return [reported_of(row) for row in rows.mappings()]


async def reports_of(connection: AsyncConnection, lead_id: str) -> Sequence[RowMapping]:
    """All about one lead id."""
    return (await connection.execute(select(reports).where(reports.c.lead_id == lead_id))).mappings().all()


async def deals_of_lead(connection: AsyncConnection, ids: Sequence[str]) -> Sequence[RowMapping]:
    """Of a lead, the latest registered first."""
    query = select(deals).where(deals.c.lead_id.in_(ids)).order_by(deals.c.registered_at.desc(), deals.c.deal_id)
    return (await connection.execute(query)).mappings().all()


async def handoffs_worked(connection: AsyncConnection, ids: Sequence[str]) -> Sequence[RowMapping]:
    """Hand-offs that a lead was taken over by, the latest first."""
    # Two may have been offered in one moment, on a clock of whole milliseconds.
    seq = select(func.min(handoff_changes.c.seq)).where(handoff_changes.c.handoff_id == handoffs.c.handoff_id)
    query = select(handoffs).where(handoffs.c.lead_id.in_(ids), handoffs.c.status.in_(_PASSED))
    rows = await connection.execute(query.order_by(handoffs.c.offered_at.desc(), seq.scalar_subquery().desc()))
    return rows.mappings().all()


async def handoff_named(connection: AsyncConnection, handoff_id: str) -> RowMapping | None:
    """The one of this id; None: there is none."""
    query = select(handoffs).where(handoffs.c.handoff_id == handoff_id)
    return (await connection.execute(query)).mappings().one_or_none()


def reported_of(row: RowMapping) -> Reported:
    """A report as it was taken."""
    return Reported(
        report=decode_report(row["content"]),
        report_id=row["report_id"],
        lead_id=row["lead_id"],
        at=row["at"],
        received_at=row["received_at"],
        by=row["by"],
    )


def _content(reported: Reported) -> bytes:
    return encode_report(msgspec.structs.replace(reported.report, report_id=reported.report_id))
