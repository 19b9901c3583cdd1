"""Deals in Postgres are what `merged` makes of the same reports, in whatever order they are written."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.router_world import Feeder, World
from tests.score_records import MONDAY, Story


async def test_a_report_that_arrives_late_does_not_replace_a_later_one(world: World, feeder: Feeder) -> None:
    (offset,) = await feeder.events([b"no event"])
    story = Story("u-1")
    router = world.start()
    await router.ready()
    told: tuple[tuple[int, str, dict[str, Any]], ...] = (
        (9, "deal_won", {"deal_id": "d1", "amount": 90}),
        (-7, "deal_registered", {"deal_id": "d1", "amount": 100, "inside_sales": "ito"}),
        (-1, "deal_won", {"deal_id": "d0", "amount": 7}),
    )
    for number, (days, signal, kept) in enumerate(told, start=1):
        await feeder.scores([story.record(signal, kept=kept, offset=offset, later=timedelta(days=days))])
        await _applied(world, number)  # each in a transaction of its own
    rows = await _rows(world, "SELECT deal_id, amount, inside_sales, registered_at, won_at FROM deals ORDER BY deal_id")
    assert rows == [
        ("d0", Decimal(7), None, None, MONDAY + timedelta(days=1)),
        ("d1", Decimal(90), "ito", MONDAY + timedelta(days=2), MONDAY + timedelta(days=9)),
    ]
    assert router.end() in (0, -15)


async def _applied(world: World, seq: int) -> None:
    async with asyncio.timeout(30):
        while await _rows(world, "SELECT score_seq FROM leads") != [(seq,)]:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.1)


async def _rows(world: World, query: str) -> list[tuple[Any, ...]]:
    engine = create_async_engine(world.database_url)
    try:
        async with engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]
    finally:
        await engine.dispose()
