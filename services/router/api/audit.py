"""/v1/audit: proof that no baton was dropped (domain N7)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.router import auditing
from services.router.api import schemas
from services.router.api.auth import Reader
from services.router.api.errors import responses
from services.router.api.state import LedgerHere

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("", response_model=schemas.Audit, responses=responses())
async def audit(
    _: Reader,
    ledger: LedgerHere,
    limit: Annotated[int, Query(ge=1, le=10_000, description="of each finding at most")] = 1000,
) -> Any:
    """What must never be, asked of the rows themselves, and what is overdue or waits now."""
    async with ledger.engine.connect() as connection:
        return await auditing.findings(connection, ledger.clock.now(), limit)
