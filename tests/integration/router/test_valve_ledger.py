"""The valve in a real ledger: a burst of leads, a team that works them off, two routers at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router.api.app import build_app
from services.router.auditing import findings
from services.router.ledger import Ledger
from services.router.lifecycle import answers
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.rules import Rules
from services.router.status import Watch
from services.router.valve_keeper import ValveKeeper
from shared.key_file import ReloadingKeyRing
from shared.keys import tokens_from
from shared.scores import ScoreRecord
from shared.topics import Topics
from tests.ledgers import accept, apply, rows, scalar
from tests.router_world import TOKENS
from tests.score_records import MONDAY, Story
from tests.staffed import staffed

RULES = Rules(staffed())
HOUR = timedelta(hours=1)
PLACES = 12
"""Of the branch in Osaka: what its people can take together. From 11 on it is above the high mark, up to 6 below the
low one."""


@dataclass
class Wall:
    """A clock that somebody sets."""

    at: datetime = MONDAY + HOUR

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


async def worked(ledger: Ledger, number: int) -> list[Story]:
    """Leads in Osaka that inside sales works."""
    stories = [Story(f"l-{n:02}") for n in range(number)]
    await apply(ledger, *(one.record("contact_obtained", attributes={"prefecture": "大阪"}) for one in stories))
    await apply(ledger, *(one.record("catalogue_requested") for one in stories))
    for one in stories:
        await accept(ledger, one.lead_id)
    return stories


def qualified(stories: list[Story], totals: list[float]) -> list[ScoreRecord]:
    """They are MQLs by now, with so many points that fade slowly."""
    slow = timedelta(days=10_000)
    first = [one.record("bant_needs", half_life=slow) for one in stories]
    pairs = zip(stories, totals, strict=True)
    return [*first, *(one.record("bant_budget", total=total, half_life=slow) for one, total in pairs)]


async def at_field_sales(ledger: Ledger, status: str) -> list[str]:
    found = await rows(
        ledger,
        "SELECT lead_id FROM handoffs WHERE receiver = 'field-sales' AND status = :status ORDER BY lead_id",
        status=status,
    )
    return [lead_id for (lead_id,) in found]


async def teams(ledger: Ledger) -> list[dict[str, Any]]:
    app = build_app(ledger, ReloadingKeyRing(tokens_from(TOKENS)), Watch())
    reader = {"Authorization": "Bearer reader-secret"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://router", headers=reader) as http:
        answer = await http.get("/v1/teams")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found


async def finish(ledger: Ledger, lead_id: str) -> None:
    """Its receiver takes it, and has done with it."""
    handoff = await accept(ledger, lead_id)

    def answer(lead: Lead, one: HandOff, case: Case) -> Decision:
        return answers.complete(lead, one, "tool", case)

    await ledger.answer(handoff.handoff_id, answer)


async def test_a_burst_fills_the_team_to_its_mark_and_the_rest_pass_in_order_as_it_works_them_off(
    ledger: Ledger, wall: Wall
) -> None:
    stories = await worked(ledger, 20)
    totals = [101.0 + n for n in range(20)]
    await apply(ledger, *qualified(stories, totals))
    offered, waiting = await at_field_sales(ledger, "offered"), await at_field_sales(ledger, "waiting")
    assert (len(offered), len(waiting)) == (11, 9)
    assert await scalar(ledger, "SELECT valve_step FROM teams WHERE team = 'osaka-branch'") == 1

    one, other = (ValveKeeper(ledger, Watch(), lambda: None) for _ in range(2))
    await asyncio.gather(one.look(), other.look())
    assert await at_field_sales(ledger, "waiting") == waiting, "the team is as full as before"

    for lead_id in offered[:5]:
        await finish(ledger, lead_id)
    wall.at += HOUR
    await asyncio.gather(one.look(), other.look())  # 6 of 12: one step down
    best = sorted(waiting, reverse=True)[:5]
    assert await at_field_sales(ledger, "offered") == sorted([*offered[5:], *best])
    assert await at_field_sales(ledger, "waiting") == sorted(set(waiting) - set(best))
    assert await scalar(ledger, "SELECT valve_step FROM teams WHERE team = 'osaka-branch'") == 1

    (osaka,) = [team for team in await teams(ledger) if team["team"] == "osaka-branch"]
    assert (osaka["load"], osaka["waiting"], osaka["queued"], osaka["capacity"]) == (11, 4, 0, PLACES)
    assert [(one["threshold"], one["normal"]) for one in osaka["valves"]] == [(120.0, 100.0)]
    assert sum(one["load"] for one in osaka["people"]) == 11
    async with ledger.engine.connect() as connection:
        found = await findings(connection, wall.at, 100)
    assert [found[name] for name in ("without_owner", "with_two_handoffs", "with_two_owners")] == [[], [], []]
    assert len(found["waiting"]) == 4

    told = await rows(ledger, "SELECT status FROM handoff_changes WHERE lead_id = :id ORDER BY seq", id=best[0])
    assert told[-2:] == [("waiting",), ("offered",)]
    persons = await rows(ledger, "SELECT DISTINCT person IS NULL FROM handoffs WHERE status = 'offered'")
    assert persons == [(False,)]


async def test_an_idle_team_gets_the_best_of_those_before_the_valve_as_it_opens(ledger: Ledger, wall: Wall) -> None:
    stories = await worked(ledger, 20)
    await apply(ledger, *qualified(stories, [71.0 + n for n in range(20)]))  # 71 to 90
    early = await at_field_sales(ledger, "offered")
    assert early == ["l-15", "l-16", "l-17", "l-18", "l-19"], "over 85: the team had nothing to do at the first of them"
    keeper = ValveKeeper(ledger, Watch(), lambda: None)
    await keeper.look()
    assert await at_field_sales(ledger, "offered") == early
    wall.at += HOUR
    await keeper.look()  # 70 by now, and room for six
    assert await at_field_sales(ledger, "offered") == [f"l-{n:02}" for n in range(9, 20)]
    (over,) = {over for (over,) in await rows(ledger, "SELECT valve_over FROM leads WHERE lead_id = 'l-09'")}
    assert over == 70.0
    assert await scalar(ledger, "SELECT stage FROM leads WHERE lead_id = 'l-08'") == "hot"


async def test_a_valve_that_the_playbook_has_no_more_holds_nobody(ledger: Ledger, engine: AsyncEngine) -> None:
    await apply(ledger, *qualified(await worked(ledger, 13), [110.0] * 13))
    assert len(await at_field_sales(ledger, "waiting")) == 2
    without = Rules(staffed().model_copy(update={"valves": {}}))
    await ValveKeeper(Ledger(engine, without, Topics(), ledger.clock), Watch(), lambda: None).look()
    assert await at_field_sales(ledger, "waiting") == []
    assert len(await at_field_sales(ledger, "offered")) == 13
