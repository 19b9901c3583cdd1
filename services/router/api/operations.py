"""/healthz, /readyz and /metrics: for operators, without a token and without personal data."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from services.router import auditing
from services.router.api.errors import ApiError, ErrorBody
from services.router.api.state import LedgerHere
from services.router.ledger import Ledger
from services.router.metrics import RouterMetrics
from services.router.tables import handoffs, outbox
from services.router.webhooks import registry

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    status: str = Field(examples=["ok"])


@router.get("/healthz", response_model=Health)
async def healthz() -> Health:
    """The process lives."""
    return Health(status="ok")


@router.get("/readyz", response_model=Health, responses={503: {"model": ErrorBody, "description": "not now, and why"}})
async def readyz(request: Request) -> Health:
    """Whether it can do its job now."""
    problems = request.app.state.watch.status.problems
    if problems:
        raise ApiError(503, "not_ready", "; ".join(problems))
    return Health(status="ok")


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request, ledger: LedgerHere) -> Response:
    """Prometheus."""
    known: RouterMetrics = request.app.state.watch.metrics
    await _refresh(known, ledger)
    return Response(generate_latest(known.registry), media_type=CONTENT_TYPE_LATEST)


async def _refresh(known: RouterMetrics, ledger: Ledger) -> None:
    """What only the database knows, asked when somebody wants to see it."""
    counted = select(handoffs.c.receiver, handoffs.c.status, func.count()).group_by("receiver", "status")
    async with ledger.engine.connect() as connection:
        known.outbox_depth.set(await connection.scalar(select(func.count()).select_from(outbox)) or 0)
        states, waiting, oldest = await registry.watch(connection)
        for state, count in states.items():
            known.webhooks.labels(state).set(count)
        known.webhook_waiting.set(waiting)
        known.webhook_oldest.set(oldest)
        known.handoffs.clear()
        for department, status, count in await connection.execute(counted):
            known.handoffs.labels(department, status).set(count)
        known.overdue.clear()
        for (department, what), count in (await auditing.overdue(connection, ledger.clock.now())).items():
            known.overdue.labels(department, what).set(count)
