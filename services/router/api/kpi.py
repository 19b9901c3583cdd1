"""/v1/kpi: the numbers of the articles (domain E1 to E3), from the ledger itself."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from fastapi import APIRouter
from sqlalchemy import ColumnElement, func, select

from services.router.api import schemas
from services.router.api.auth import Reader
from services.router.api.errors import responses
from services.router.api.state import LedgerHere
from services.router.lifecycle.model import OPEN
from services.router.lifecycle.rules import LAST_STAGE_BEFORE_SALES
from services.router.tables import deals, handoff_changes, handoffs, leads

router = APIRouter(prefix="/v1/kpi", tags=["KPIs"])

_WON = deals.c.won_at.is_not(None)


@router.get("/channels", response_model=list[schemas.ChannelRow], responses=responses())
async def channels(_: Reader, ledger: LedgerHere) -> Any:
    """Leads with contact data by the channel and medium that brought them."""
    won = (
        select(deals.c.lead_id, func.count().label("won"), func.sum(deals.c.amount).label("amount"))
        .where(_WON)
        .group_by(deals.c.lead_id)
        .subquery()
    )
    query = (
        select(
            leads.c.channel,
            leads.c.medium,
            func.count().label("leads"),
            func.count().filter(leads.c.furthest >= LAST_STAGE_BEFORE_SALES).label("prospects"),
            func.coalesce(func.sum(won.c.won), 0).label("won"),
            func.coalesce(func.sum(won.c.amount), 0).label("amount"),
        )
        .select_from(leads.outerjoin(won, won.c.lead_id == leads.c.lead_id))
        .where(leads.c.acquired_at.is_not(None))
        .group_by(leads.c.channel, leads.c.medium)
        .order_by(leads.c.channel, leads.c.medium)
    )
    async with ledger.engine.connect() as connection:
        return (await connection.execute(query)).mappings().all()


@router.get("/departments", response_model=schemas.Departments, responses=responses())
async def departments(_: Reader, ledger: LedgerHere) -> Any:
    """Hand-offs by receiving department; deals won by the people who brought them."""

    def ever(status: str) -> ColumnElement[int]:
        return func.count().filter(handoff_changes.c.status == status)

    changes = (
        select(
            handoffs.c.receiver,
            *(ever(status).label(status) for status in ("offered", "accepted", "rejected", "completed")),
        )
        .join(handoffs, handoffs.c.handoff_id == handoff_changes.c.handoff_id)
        .group_by(handoffs.c.receiver)
    )
    still_open = select(handoffs.c.receiver, func.count()).where(handoffs.c.status.in_(OPEN)).group_by("receiver")
    async with ledger.engine.connect() as connection:
        by_department = {row["receiver"]: dict(row) for row in (await connection.execute(changes)).mappings()}
        opened = _pairs(await connection.execute(still_open))
        people = {
            name: (
                await connection.execute(
                    select(
                        deals.c[name].label("person"),
                        func.count().label("won"),
                        func.coalesce(func.sum(deals.c.amount), 0).label("amount"),
                    )
                    .where(_WON)
                    .group_by(deals.c[name])
                    .order_by(deals.c[name])
                )
            )
            .mappings()
            .all()
            for name in ("inside_sales", "field_sales")
        }
    none = dict.fromkeys(("offered", "accepted", "rejected", "completed"), 0)
    rows = [
        {"department": id, **(by_department.get(id) or none), "open": opened.get(id, 0)}
        for id in ledger.rules.playbook.departments
    ]
    return {"departments": rows, **people}


@router.get("/funnel", response_model=list[schemas.FunnelRow], responses=responses())
async def funnel(_: Reader, ledger: LedgerHere) -> Any:
    """Leads per stage now and ever, and the conversion rate (CV率) to the next stage."""
    is_one = leads.c.merged_into.is_(None)
    here = select(leads.c.stage, func.count()).where(is_one).group_by(leads.c.stage)
    furthest = select(leads.c.furthest, func.count()).where(is_one).group_by(leads.c.furthest)
    been = func.unnest(leads.c.reached).table_valued("stage").render_derived()
    reached = select(been.c.stage, func.count()).select_from(leads, been).where(is_one).group_by(been.c.stage)
    async with ledger.engine.connect() as connection:
        now = _pairs(await connection.execute(here))
        numbers = _pairs(await connection.execute(furthest))
        touched = _pairs(await connection.execute(reached))
    way = [ledger.rules.first, *ledger.rules.way]
    so_far = {rule.stage.id: sum(n for number, n in numbers.items() if number >= rule.stage.number) for rule in way}
    following = {rule.stage.id: so_far[next.stage.id] for rule, next in pairwise(way)}
    return [
        {
            "stage": stage.id,
            "number": stage.number,
            "label": stage.label.model_dump(),
            "now": now.get(stage.id, 0),
            "ever": (ever := so_far.get(stage.id, touched.get(stage.id, 0))),
            "conversion": following[stage.id] / ever if ever and stage.id in following else None,
        }
        for stage in ledger.rules.playbook.stages
    ]


def _pairs(rows: Iterable[Any]) -> dict[Any, int]:
    """A query of (name, count)."""
    return {row[0]: row[1] for row in rows}
