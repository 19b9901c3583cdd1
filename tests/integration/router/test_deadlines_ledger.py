"""Deadlines and turns in a real ledger: two routers at once, a restart, somebody away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router import repository
from services.router.batch import Batch, Received
from services.router.errands import Deadlines, Hour
from services.router.ledger import Ledger
from services.router.lifecycle.answers import accept
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.rules import Rules
from services.router.status import Watch
from services.router.timer import Timer
from shared.scores import ScoreRecord, encode_score
from shared.topics import Topics
from tests.score_records import MONDAY, Story
from tests.staffed import staffed

RULES = Rules(staffed())
DAY = timedelta(days=1)
WEDNESDAY = MONDAY + 2 * DAY
"""The branch in Osaka is closed on Tuesday."""


@dataclass
class Wall:
    """A clock that somebody sets."""

    at: datetime = WEDNESDAY

    def now(self) -> datetime:
        return self.at

    def witness(self, moment: datetime) -> None:
        """The wall needs no telling."""


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def ledger(engine: AsyncEngine, wall: Wall) -> Ledger:
    return Ledger(engine, RULES, Topics(), wall)


async def apply(ledger: Ledger, lane: int, *records: ScoreRecord) -> None:
    async with ledger.engine.begin() as connection:
        place = (ledger.topics.scores, lane)
        before = (await repository.starting_offsets(connection, [place]))[place]
    received = [Received(lane, before + n, b"k", encode_score(record), [], record) for n, record in enumerate(records)]
    await ledger.apply(Batch(scores=received, offsets={place: (before, before + len(records))}))


def visits_wanted(*ids: str, lane: int = 0) -> list[ScoreRecord]:
    """Leads in Osaka who want to be visited."""
    stories = [Story(id, partition=lane, at=WEDNESDAY - DAY) for id in ids]
    return [
        *(story.record("contact_obtained", attributes={"prefecture": "大阪府"}) for story in stories),
        *(story.record("appointment_made") for story in stories),
    ]


async def rows(engine: AsyncEngine, query: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def shares(engine: AsyncEngine) -> dict[str | None, int]:
    query = "SELECT person, count(*) FROM handoffs WHERE status IN ('offered', 'accepted') GROUP BY person"
    return dict(await rows(engine, query))


async def test_leads_are_shared_out_by_weight_and_what_nobody_can_take_waits_in_the_queue(
    ledger: Ledger, engine: AsyncEngine
) -> None:
    await apply(ledger, 0, *visits_wanted(*(f"l{number}" for number in range(8))))
    assert await shares(engine) == {"sato": 4, "suzuki": 2, "tanaka": 2}
    await apply(ledger, 0, *visits_wanted(*(f"m{number}" for number in range(6))))
    assert await shares(engine) == {"sato": 6, "suzuki": 3, "tanaka": 3, None: 2}
    assert await rows(engine, "SELECT DISTINCT queued FROM handoffs WHERE person IS NULL") == [("all_at_max_load",)]


async def test_two_routers_at_once_keep_to_the_turns_and_to_the_most_that_somebody_can_take(
    ledger: Ledger, engine: AsyncEngine, wall: Wall
) -> None:
    other = Ledger(engine, RULES, ledger.topics, wall)
    await asyncio.gather(
        *(
            apply(one, lane, *visits_wanted(*(f"{lane}-{number}" for number in range(7)), lane=lane))
            for lane, one in enumerate((ledger, other))
        )
    )
    assert await shares(engine) == {"sato": 6, "suzuki": 3, "tanaka": 3, None: 2}


async def test_whoever_is_away_gets_nothing_and_is_not_flooded_afterwards(
    ledger: Ledger, engine: AsyncEngine, wall: Wall
) -> None:
    async with engine.begin() as connection:
        until = WEDNESDAY + timedelta(hours=1)
        await connection.execute(
            text("INSERT INTO absences (person, starts_at, ends_at) VALUES ('suzuki', :start, :until)"),
            {"start": WEDNESDAY - DAY, "until": until + 400 * DAY},
        )
    await apply(ledger, 0, *visits_wanted("a", "b", "c"))
    assert await shares(engine) == {"sato": 2, "tanaka": 1}
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM absences"))
    await apply(ledger, 0, *visits_wanted("d", "e", "f", "g"))
    assert (await shares(engine))["suzuki"] in (1, 2)


async def test_an_offer_goes_on_to_the_next_and_then_to_the_manager_and_then_back(
    ledger: Ledger, engine: AsyncEngine, wall: Wall
) -> None:
    await apply(ledger, 0, *visits_wanted("l"))
    for _ in range(3):
        ((due,),) = await rows(engine, "SELECT respond_by FROM handoffs WHERE status = 'offered'")
        assert await ledger.meet_deadlines(0, due - timedelta(hours=1), 10) == []
        wall.at = due
        await ledger.meet_deadlines(0, due, 10)
    told = await rows(engine, "SELECT person, status, attempt FROM handoffs ORDER BY attempt")
    assert told == [("sato", "expired", 1), ("suzuki", "expired", 2), ("kato", "returned", 3)]
    assert await rows(engine, "SELECT stage, department, due_at FROM leads") == [("recycled", "marketing", None)]
    events = await rows(engine, f"SELECT count(*) FROM outbox WHERE topic = '{ledger.topics.events}'")
    assert events == [(1,)]


async def test_of_two_that_look_at_once_each_offer_expires_once(
    ledger: Ledger, engine: AsyncEngine, wall: Wall
) -> None:
    ids = [f"l{number:03d}" for number in range(60)]
    await apply(ledger, 0, *visits_wanted(*ids))
    wall.at = WEDNESDAY + 8 * DAY
    other = Ledger(engine, RULES, ledger.topics, wall)
    done: list[str] = []
    async with asyncio.timeout(60):
        while len(done) < len(ids):
            both = await asyncio.gather(*(one.meet_deadlines(0, wall.at, 7) for one in (ledger, other)))
            done += [item.decision.lead.lead_id for decided in both for item in decided]
    assert sorted(done) == ids
    assert await ledger.meet_deadlines(0, wall.at, 7) == []
    counted = await rows(engine, "SELECT status, attempt, count(*) FROM handoffs GROUP BY 1, 2 ORDER BY 2")
    assert counted == [("expired", 1, 60), ("offered", 2, 60)]


async def test_the_timer_meets_a_deadline_within_a_second_also_after_downtime(
    ledger: Ledger, engine: AsyncEngine, wall: Wall
) -> None:
    await apply(ledger, 0, *visits_wanted("l"))
    wall.at += 3 * DAY  # nobody was there
    watch, told = Watch(), asyncio.Event()
    deadlines = Deadlines(ledger, Hour(lambda _: wall.at), watch.metrics)
    timer = Timer(ledger, _Reading(), [deadlines], watch, lambda _: None, told.set)
    running = asyncio.create_task(timer.run())
    try:
        async with asyncio.timeout(1):
            await told.wait()
        assert await rows(engine, "SELECT attempt, status FROM handoffs ORDER BY 1") == [(1, "expired"), (2, "offered")]
        told.clear()
        ((due,),) = await rows(engine, "SELECT respond_by FROM handoffs WHERE status = 'offered'")
        wall.at = due
        async with asyncio.timeout(1):
            await told.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert (
        watch.metrics.registry.get_sample_value(
            "tasuki_router_deadline_changes_total", {"department": "field-sales", "status": "expired"}
        )
        == 2
    )


async def test_taking_from_the_queue_counts_as_a_turn(ledger: Ledger, engine: AsyncEngine) -> None:
    await apply(ledger, 0, *visits_wanted(*(f"l{number}" for number in range(13))))
    ((waiting,),) = await rows(engine, "SELECT handoff_id FROM handoffs WHERE person IS NULL")
    before = await rows(engine, "SELECT finish FROM people WHERE person = 'suzuki'")

    def answer(lead: Lead, handoff: HandOff, case: Case) -> Decision:
        return accept(lead, handoff, "suzuki", "tool", case)

    accepted = await ledger.answer(waiting, answer)
    assert (accepted.person, accepted.status) == ("suzuki", "accepted")
    after = await rows(engine, "SELECT finish FROM people WHERE person = 'suzuki'")
    assert after[0][0] > before[0][0]


@dataclass(frozen=True)
class _Reading:
    lanes: frozenset[int] = frozenset({0})

    def scores_applied(self, _: int) -> tuple[int, int | None]:
        return 0, 0
