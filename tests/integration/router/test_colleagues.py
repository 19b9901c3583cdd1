"""Colleagues in a real ledger: who works a company gets its next lead, and a department is offered once."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router import auditing, colleagues
from services.router.bootstrap import PLANS_OF_BATCHES
from services.router.contact import ContactDatum
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Colleagues, Surroundings
from services.router.outbox import decode_headers
from shared.clock import EventClock
from shared.topics import Topics
from tests.ledgers import accept, apply, rows, told, wants_a_visit
from tests.score_records import MONDAY, Story
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


async def test_a_company_is_found_without_reading_all_hand_offs(ledger: Ledger, engine: AsyncEngine) -> None:
    await apply(ledger, *wants_a_visit("a"), contacts=told("a", company="ベータ", email="a@beta.co.jp"))
    read = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'handoffs'")
    more = (
        "INSERT INTO {0} SELECT (jsonb_populate_record(t, jsonb_build_object('lead_id', 'u' || n, 'handoff_id', 'h' "
        "|| n, 'company', 'name:' || n))).* FROM {0} t, generate_series(1, 3000) AS n WHERE t.lead_id = 'a'"
    )
    async with engine.connect() as connection:
        for name, value in PLANS_OF_BATCHES.items():
            await connection.execute(text(f"SET {name} = {value}"))
        # As a router does that begins with an empty ledger: the plan that Postgres keeps is one for a small table.
        for _ in range(10):
            await colleagues.ask(connection, Surroundings(), ["a"], RULES)
        for table in ("leads", "handoffs"):
            await connection.execute(text(more.format(table)))
        before = await connection.scalar(read)
        await colleagues.ask(connection, Surroundings(), ["a"], RULES)
        assert await connection.scalar(read) - before <= 10


async def test_a_named_account_goes_to_its_team(ledger: Ledger) -> None:
    await apply(ledger, *wants_a_visit("a"), contacts=told("a", email="a@beta.example"))
    assert await column(ledger, "SELECT team FROM handoffs") == ["enterprise"]


def of_beta(*ids: str) -> list[ContactDatum]:
    """Colleagues of one department; the first by name only, who told no address."""
    first, *others = ids
    return [
        *told(first, company="株式会社ベータ", department="営業 部", name=first, title="部長"),
        *(datum for id in others for datum in told(id, company="ベータ", department="営業部", name=id, title="社長")),
    ]


async def open_handoffs(ledger: Ledger) -> list[tuple[Any, ...]]:
    query = (
        "SELECT lead_id, status, attached FROM handoffs WHERE status IN ('waiting', 'offered', 'accepted') ORDER BY 1"
    )
    return await rows(ledger, query)


async def sent(ledger: Ledger, type: str) -> list[dict[str, Any]]:
    """Messages of a type to field sales."""
    found = []
    for headers, value in await rows(
        ledger, "SELECT headers, value FROM outbox WHERE topic LIKE '%field-sales' ORDER BY id"
    ):
        if dict(decode_headers(headers))["ce_type"] == type.encode():
            found.append(msgspec.json.decode(value))
    return found


async def audit(ledger: Ledger) -> dict[str, list[Any]]:
    async with ledger.engine.connect() as connection:
        found = await auditing.findings(connection, MONDAY, 10)
    return {name: ids for name, ids in found.items() if ids}


async def test_a_department_is_offered_once_and_the_message_names_everybody(ledger: Ledger) -> None:
    await apply(ledger, *wants_a_visit("a"), *wants_a_visit("b"), contacts=of_beta("a", "b", "c"))
    await apply(ledger, *wants_a_visit("c"))
    assert await open_handoffs(ledger) == [("a", "offered", ["b", "c"])]
    (offered,) = await sent(ledger, "tasuki.handoff.offered")
    joined = await sent(ledger, "tasuki.handoff.joined")
    assert [message["attached"] for message in joined] == [["b"], ["b", "c"]]
    assert [message["seq"] for message in joined] == [offered["seq"] + 1, offered["seq"] + 2]
    assert [(one["lead_id"], one["title"], one["attached"]) for one in joined[-1]["colleagues"]] == [
        ("b", "社長", True),
        ("c", "社長", True),
    ]
    assert joined[-1]["colleagues"][1]["owner"] == {"department": "marketing", "team": "marketing", "person": None}
    assert joined[-1]["roles_covered"] == ["decision_maker", "manager", "user"]
    ((stage,),) = await rows(
        ledger, "SELECT value FROM outbox WHERE topic LIKE '%stages' AND key = 'c' ORDER BY id DESC LIMIT 1"
    )
    told_c = msgspec.json.decode(stage)
    assert (told_c["attached_to"], told_c["handoff_id"]) == ("a", offered["handoff_id"])
    assert await audit(ledger) == {}


async def test_they_follow_what_becomes_of_it(ledger: Ledger) -> None:
    await apply(ledger, *wants_a_visit("a"), *wants_a_visit("b"), contacts=of_beta("a", "b", "c"))
    await accept(ledger, "a", "tanaka")
    owners = "SELECT lead_id, department, person, attached_to FROM leads ORDER BY 1"
    assert await rows(ledger, owners) == [("a", "field-sales", "tanaka", None), ("b", "field-sales", "tanaka", "a")]
    (accepted,) = await sent(ledger, "tasuki.handoff.accepted")
    assert accepted["attached"] == ["b"]
    assert await audit(ledger) == {}


async def test_the_best_of_the_others_is_offered_when_the_first_drops_out(ledger: Ledger) -> None:
    """Each in a lane of its own: the first one's record concerns leads that its batch knows nothing of."""
    stories = {id: Story(id, partition=lane) for lane, id in enumerate("abc")}
    await apply(ledger, contacts=of_beta("a", "b", "c"))
    for points, story in enumerate(stories.values()):
        await apply(ledger, story.record("contact_obtained"), story.record("inquiry_made", total=float(points)))
    assert await open_handoffs(ledger) == [("a", "offered", ["b", "c"])]
    await apply(ledger, stories["a"].record(attributes={"occupation": "学生"}))
    assert await open_handoffs(ledger) == [("c", "offered", ["b"])]
    assert await rows(ledger, "SELECT lead_id, attached_to FROM leads ORDER BY 1") == [
        ("a", None),
        ("b", "c"),
        ("c", None),
    ]
    assert await audit(ledger) == {}


async def test_colleagues_in_two_routers_at_once_are_offered_once(ledger: Ledger, engine: AsyncEngine) -> None:
    """Of each of twenty departments two people ask for a visit, in two lanes that two routers read."""
    other = Ledger(engine, RULES, ledger.topics, EventClock(MONDAY))
    departments = [f"第{number}営業部" for number in range(20)]
    people = [
        datum
        for number, department in enumerate(departments)
        for lane in "xy"
        for datum in told(f"{lane}{number}", email=f"{lane}@firma.co.jp", department=department)
    ]
    await apply(ledger, contacts=people)
    for start in range(0, 20, 4):
        numbers = range(start, start + 4)
        async with asyncio.timeout(30):
            await asyncio.gather(
                apply(ledger, *(one for number in numbers for one in wants_a_visit(f"x{number}", 0))),
                apply(other, *(one for number in reversed(numbers) for one in wants_a_visit(f"y{number}", 1))),
            )
    found = await open_handoffs(ledger)
    assert len(found) == 20
    assert all(len(attached) == 1 for _, _, attached in found)
    assert await audit(ledger) == {}


async def test_answers_and_records_about_one_company_at_once_do_not_stop_each_other(
    ledger: Ledger, engine: AsyncEngine
) -> None:
    other = Ledger(engine, RULES, ledger.topics, EventClock(MONDAY))
    people = [datum for id in ("a", "b", "c") for datum in told(id, email=f"{id}@firma.co.jp", department="営業部")]
    await apply(ledger, *wants_a_visit("c"), *wants_a_visit("a"), contacts=people)
    stories = {id: Story(id, seq=2, partition=1 if id == "b" else 0, at=MONDAY) for id in "abc"}
    async with asyncio.timeout(30):
        await asyncio.gather(
            accept(ledger, "c", "tanaka"),
            apply(other, *wants_a_visit("b", 1)),
            apply(ledger, stories["a"].record("deal_registered"), stories["c"].record("deal_registered")),
        )
    owners = await rows(ledger, "SELECT DISTINCT department, person FROM leads")
    assert owners == [("field-sales", "tanaka")]
    assert await audit(ledger) == {}


async def test_with_a_deadline_they_all_go_back(ledger: Ledger) -> None:
    await apply(ledger, *wants_a_visit("a"), *wants_a_visit("b"), contacts=of_beta("a", "b"))
    for _ in range(3):
        ((due,),) = await rows(ledger, "SELECT respond_by FROM handoffs WHERE status = 'offered'")
        await ledger.meet_deadlines(0, due, 10)
    stages = await rows(ledger, "SELECT lead_id, stage, attached_to FROM leads ORDER BY 1")
    assert stages == [("a", "recycled", None), ("b", "recycled", None)]
    assert await audit(ledger) == {}
