"""Colleagues in a real ledger: who works a company gets its next lead, and a department is offered once."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router import colleagues
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Colleagues, Surroundings
from shared.clock import EventClock
from shared.topics import Topics
from tests.ledgers import accept, apply, rows, told, wants_a_visit
from tests.score_records import MONDAY
from tests.staffed import staffed

RULES = Rules(staffed())


@pytest.fixture
def ledger(engine: AsyncEngine) -> Ledger:
    return Ledger(engine, RULES, Topics("t."), EventClock(MONDAY))


async def column(ledger: Ledger, query: str) -> list[str]:
    return [first for (first,) in await rows(ledger, query)]


async def known(ledger: Ledger, *lead_ids: str) -> dict[str, Colleagues]:
    around = Surroundings()
    async with ledger.engine.begin() as connection:
        await colleagues.ask(connection, around, lead_ids, RULES)
    return around.companies


async def test_whoever_works_a_company_gets_its_next_lead_in_any_spelling(ledger: Ledger) -> None:
    people = [
        *told("a", company="株式会社ベータ", email="a@beta.co.jp", department="総務部"),
        *told("b", company="ベータ", department="経理部"),
        *told("c", email="c@mail.beta.co.jp"),
        *told("d", company="ガンマ"),
    ]
    await apply(ledger, *wants_a_visit("a"), contacts=people)
    await accept(ledger, "a", "tanaka")
    await apply(ledger, *(record for id in ("b", "c", "d") for record in wants_a_visit(id)))
    offered = await column(ledger, "SELECT lead_id || ' ' || person FROM handoffs ORDER BY lead_id")
    assert offered == ["a tanaka", "b tanaka", "c tanaka", "d suzuki"]  # whose turn it is


async def test_a_company_is_known_by_what_its_people_told(ledger: Ledger) -> None:
    people = [
        *told("a", company="株式会社ベータ", email="a@beta.co.jp", department="総務部"),
        *told("b", company="ベータ", department="総務 部"),
        *told("c", company="デルタ", email="c@gmail.com"),
        *told("d", email="d@gmail.com"),
    ]
    await apply(ledger, contacts=people)
    found = await known(ledger, "a", "b", "c", "d", "nobody")
    assert {id: (one.key, one.part) for id, one in found.items()} == {
        "a": ("domain:beta.co.jp", "総務部"),
        "b": ("domain:beta.co.jp", "総務部"),
        "c": ("name:デルタ", None),
        "d": (None, None),
        "nobody": (None, None),
    }
    assert found["b"].company.domains == {"beta.co.jp"}
    await apply(ledger, contacts=told("e", company="ベータ", email="e@beta.com"))
    assert (await known(ledger, "b"))["b"].key == "name:ベータ"


async def test_a_named_account_goes_to_its_team(ledger: Ledger) -> None:
    await apply(ledger, *wants_a_visit("a"), contacts=told("a", email="a@beta.example"))
    assert await column(ledger, "SELECT team FROM handoffs") == ["enterprise"]
