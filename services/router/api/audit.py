"""/v1/audit: proof that no baton was dropped (domain N7)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy import func, select

from services.router.api import schemas
from services.router.api.auth import Reader
from services.router.api.errors import responses
from services.router.api.state import LedgerHere
from services.router.lifecycle.model import OPEN, Status
from services.router.tables import handoffs, leads

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("", response_model=schemas.Audit, responses=responses())
async def audit(_: Reader, ledger: LedgerHere) -> Any:
    """Asked of the rows themselves, although the database's constraints forbid the first two."""
    ownerless = select(leads.c.lead_id).where(leads.c.acquired_at.is_not(None), leads.c.department.is_(None))
    doubled = (
        select(handoffs.c.lead_id)
        .where(handoffs.c.status.in_(OPEN))
        .group_by(handoffs.c.lead_id)
        .having(func.count() > 1)
    )
    overdue = (
        select(handoffs)
        .where(handoffs.c.status == Status.OFFERED, handoffs.c.respond_by < ledger.clock.now())
        .order_by(handoffs.c.respond_by)
    )
    async with ledger.engine.connect() as connection:
        return {
            "without_owner": (await connection.scalars(ownerless)).all(),
            "with_two_handoffs": (await connection.scalars(doubled)).all(),
            "overdue": (await connection.execute(overdue)).mappings().all(),
        }
