"""Colleagues in a real ledger: who works a company gets its next lead, and a department is offered once."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router import colleagues, repository
from services.router.batch import Batch, Received
from services.router.contact import ContactDatum, canonical
from services.router.ledger import Ledger
from services.router.lifecycle.answers import accept
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Colleagues, Surroundings
from shared.clock import EventClock
from shared.scores import ScoreRecord, encode_score
from shared.topics import Topics
from tests.score_records import MONDAY, Story
from tests.staffed import staffed

RULES = Rules(staffed())


@pytest.fixture
def ledger(engine: AsyncEngine) -> Ledger:
    return Ledger(engine, RULES, Topics("t."), EventClock(MONDAY))


async def apply(ledger: Ledger, *records: ScoreRecord, contacts: list[ContactDatum] | None = None) -> None:
    lane = records[0].position.partition if records else 0
    async with ledger.engine.begin() as connection:
        place = (ledger.topics.scores, lane)
        before = (await repository.starting_offsets(connection, [place]))[place]
    received = [Received(lane, before + n, b"k", encode_score(one), [], one) for n, one in enumerate(records)]
    batch = Batch(contacts=contacts or [], scores=received, offsets={place: (before, before + len(records))})
    await ledger.apply(batch)


def told(lead_id: str, at: datetime = MONDAY, **fields: str) -> list[ContactDatum]:
    named = {name.replace("company", "company.name"): value for name, value in fields.items()}
    return [ContactDatum(lead_id, name, value, at, lead_id, canonical(name, value)) for name, value in named.items()]


def wants_a_visit(lead_id: str, lane: int = 0) -> list[ScoreRecord]:
    story = Story(lead_id, partition=lane)
    return [
        story.record("contact_obtained", attributes={"prefecture": "大阪府"}),
        story.record("appointment_made"),
    ]


async def takes(ledger: Ledger, lead_id: str, person: str) -> None:
    (id,) = await first_column(ledger, f"SELECT handoff_id FROM handoffs WHERE lead_id = '{lead_id}'")

    def answer(lead: Lead, handoff: HandOff, case: Case) -> Decision:
        return accept(lead, handoff, person, "tool", case)

    await ledger.answer(id, answer)


async def first_column(ledger: Ledger, query: str) -> list[str]:
    async with ledger.engine.connect() as connection:
        return list((await connection.execute(text(query))).scalars())


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
    await takes(ledger, "a", "tanaka")
    await apply(ledger, *(record for id in ("b", "c", "d") for record in wants_a_visit(id)))
    offered = await first_column(ledger, "SELECT lead_id || ' ' || person FROM handoffs ORDER BY lead_id")
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
    assert await first_column(ledger, "SELECT team FROM handoffs") == ["enterprise"]
