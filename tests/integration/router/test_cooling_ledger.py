"""Cooling in Postgres: locks, and leads from before there was any."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router import repository
from services.router.batch import Batch, Decided, Received
from services.router.errands import Cooling, Hour
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from services.router.migrate import upgrade
from services.router.status import Watch
from services.router.timer import Timer
from shared.clock import SystemClock
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, encode_score
from shared.topics import Topics
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())
LATER = MONDAY + timedelta(days=40)
MIGRATIONS = Path(__file__).parents[3] / "deploy" / "migrations"


@pytest.fixture
def ledger(engine: AsyncEngine) -> Ledger:
    return Ledger(engine, RULES, Topics(), SystemClock())


async def apply(ledger: Ledger, records: list[ScoreRecord]) -> Batch:
    async with ledger.engine.begin() as connection:
        place = (ledger.topics.scores, 0)
        before = (await repository.starting_offsets(connection, [place]))[place]
    received = [Received(0, before + n, b"k", encode_score(record), [], record) for n, record in enumerate(records)]
    batch = Batch(scores=received, offsets={place: (before, before + len(records))})
    await ledger.apply(batch)
    return batch


def hot(*ids: str) -> list[ScoreRecord]:
    """Over 100 for thirty days after MONDAY."""
    stories = [Story(id) for id in ids]
    return [
        *(story.record("contact_obtained") for story in stories),
        *(story.record(total=200.0) for story in stories),
    ]


async def rows(engine: AsyncEngine, query: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


def back(decided: list[Decided]) -> list[str]:
    return [change.lead_id for item in decided for change in item.decision.stages]


async def test_of_two_that_look_at_once_each_lead_is_cooled_by_one(ledger: Ledger, engine: AsyncEngine) -> None:
    ids = [f"l{number:03d}" for number in range(200)]
    await apply(ledger, hot(*ids))
    other = Ledger(engine, RULES, ledger.topics, SystemClock())
    done: list[str] = []
    async with asyncio.timeout(60):
        while len(done) < len(ids):
            both = await asyncio.gather(ledger.cool(0, LATER, 30), other.cool(0, LATER, 30))
            done += [id for decided in both for id in back(decided)]
    assert sorted(done) == ids
    assert await ledger.cool(0, LATER, 30) == []
    counted = "SELECT status, count(*) FROM handoff_changes GROUP BY status ORDER BY status"
    assert await rows(engine, counted) == [("offered", 200), ("withdrawn", 200)]


async def test_only_what_is_due_in_the_lane_is_looked_at(ledger: Ledger, engine: AsyncEngine) -> None:
    await apply(ledger, hot("l"))
    ((moment,),) = await rows(engine, "SELECT cools_at FROM leads")
    async with engine.connect() as connection:
        assert await repository.next_due(connection, repository.COOLING, [0, 1]) == {0: moment}
    assert await ledger.cool(1, LATER, 10) == []
    assert await ledger.cool(0, moment - timedelta(milliseconds=1), 10) == []
    assert back(await ledger.cool(0, moment, 10)) == ["l"]
    async with engine.connect() as connection:
        assert await repository.next_due(connection, repository.COOLING, [0, 1]) == {}


async def test_a_lead_that_others_have_locked_is_asked_again_under_the_lock(
    ledger: Ledger, engine: AsyncEngine
) -> None:
    await apply(ledger, hot("l", "m"))
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1 FROM leads WHERE lead_id = 'l' FOR UPDATE"))
        assert back(await ledger.cool(0, LATER, 10)) == ["m"]
        await connection.execute(text("UPDATE leads SET cools_at = NULL WHERE lead_id = 'l'"))
    assert await ledger.cool(0, LATER, 10) == []


@dataclass
class Reading:
    """Of one lane: how far its scores have been applied, and where they end."""

    lanes: frozenset[int] = frozenset({0})
    applied: int = 4
    end: int = 5

    def scores_applied(self, _: int) -> tuple[int, int | None]:
        return self.applied, self.end


async def test_the_timer_waits_for_the_log_and_for_the_grace(ledger: Ledger, engine: AsyncEngine) -> None:
    await apply(ledger, hot("l"))
    now, reading, watch, told = [LATER], Reading(), Watch(), asyncio.Event()
    cooling = Cooling(ledger, reading, Hour(lambda _: now[0], timedelta(days=20)), watch.metrics)
    timer = Timer(ledger, reading, [cooling], watch, lambda _: None, told.set)
    running = asyncio.create_task(timer.run())

    async def is_left_alone() -> bool:
        await asyncio.sleep(1.2)  # two looks
        return await rows(engine, "SELECT stage FROM leads") == [("hot",)]

    try:
        assert await is_left_alone(), "the grace is not over"
        now[0] += timedelta(days=20)
        assert await is_left_alone(), "the log has not been read"
        reading.applied = 5
        async with asyncio.timeout(5):
            await told.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert await rows(engine, "SELECT stage FROM leads") == [("acquired",)]
    count, seconds = (
        watch.metrics.registry.get_sample_value(f"tasuki_router_cooling_late_seconds_{what}")
        for what in ("count", "sum")
    )
    assert (count, round((seconds or 0) / 86_400)) == (1, 10)
    assert watch.status.timer is None


async def test_a_record_after_its_moment_finds_the_lead_cooled_first(ledger: Ledger, engine: AsyncEngine) -> None:
    records = hot("l")
    await apply(ledger, records)
    ((moment,),) = await rows(engine, "SELECT cools_at FROM leads")
    story = Story("l", at=records[-1].time, seq=records[-1].seq, signals=dict(records[-1].signals))
    batch = await apply(ledger, [story.record("mail_clicked", total=150.0, later=timedelta(days=50))])
    assert batch.cooled == 1
    way = "SELECT target, at, historical FROM stage_changes ORDER BY seq"
    told = [(target, at) for target, at, _ in await rows(engine, way)]
    assert told[1:] == [("hot", records[1].time), ("acquired", moment), ("nurturing", story.at), ("hot", story.at)]
    statuses = "SELECT status, at FROM handoff_changes ORDER BY seq"
    assert [status for status, _ in await rows(engine, statuses)] == ["offered", "withdrawn", "offered"]
    assert (await rows(engine, statuses))[1][1] == moment
    assert await rows(engine, "SELECT total FROM leads") == [(150.0,)]


async def test_leads_from_before_there_was_cooling_are_reckoned_at_the_first_look(
    ledger: Ledger, engine: AsyncEngine, database_url: str
) -> None:
    await apply(ledger, [*hot("l"), *hot("m"), Story("plain").record("contact_obtained")])
    before = await rows(engine, "SELECT lead_id, cools_at FROM leads ORDER BY lead_id")
    await engine.dispose()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database_url"] = database_url
    await asyncio.to_thread(command.downgrade, config, "0002")
    await asyncio.to_thread(upgrade, database_url)
    due: datetime = MONDAY + timedelta(days=1)
    decided = await ledger.cool(0, due, 10)
    assert back(decided) == []
    assert await rows(engine, "SELECT lead_id, cools_at FROM leads ORDER BY lead_id") == before
    assert await ledger.cool(0, due, 10) == []
