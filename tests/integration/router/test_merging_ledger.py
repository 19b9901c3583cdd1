"""Leads of several ids in a real ledger: rows, hand-offs, contact data, and two workers at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router import finding, repository
from services.router.batch import Batch, Received
from services.router.bootstrap import PLANS_OF_BATCHES
from services.router.companies import Companies
from services.router.contact import ContactDatum
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from shared.clock import SystemClock
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, encode_score
from shared.topics import Topics
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())


@pytest.fixture
def ledger(engine: AsyncEngine) -> Ledger:
    return Ledger(engine, RULES, Topics(), SystemClock())


async def apply(ledger: Ledger, lane: int, *records: ScoreRecord, contacts: tuple[ContactDatum, ...] = ()) -> None:
    async with ledger.engine.begin() as connection:
        place = (ledger.topics.scores, lane)
        before = (await repository.starting_offsets(connection, [place]))[place]
    received = [Received(lane, before + n, b"k", encode_score(record), [], record) for n, record in enumerate(records)]
    offsets = {place: (before, before + len(records))}
    await ledger.apply(Batch(contacts=list(contacts), scores=received, offsets=offsets))


def told(lead_id: str, field: str, value: str, minute: int, canonical: str = "") -> ContactDatum:
    return ContactDatum(lead_id, field, value, MONDAY.replace(minute=minute), f"e{minute}", canonical)


def visitor() -> Story:
    return Story("anon:x", partition=1)


async def rows(engine: AsyncEngine, query: str) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def test_one_lead_one_hand_off_and_the_contact_data_of_all_its_ids(ledger: Ledger, engine: AsyncEngine) -> None:
    x, u = visitor(), Story("u")
    await apply(
        ledger,
        1,
        x.record("contact_obtained"),
        x.record("inquiry_made"),
        contacts=(told("anon:x", "phone", "03-1", 1), told("anon:x", "company.name", "アクメ", 1, "アクメ")),
    )
    await apply(
        ledger, 0, u.record("contact_obtained"), contacts=(told("u", "email", "t@acme.co.jp", 2, "acme.co.jp"),)
    )
    await apply(ledger, 1, replace(x.record(), merged_into="u"))
    # Until the lead's own score says more, nothing cools.
    assert await rows(engine, "SELECT cools_at FROM leads WHERE lead_id = 'u'") == [(None,)]
    await apply(ledger, 0, replace(u.record("inquiry_made"), members=["anon:x"]))
    assert await rows(engine, "SELECT lead_id, stage, department, merged_into FROM leads ORDER BY lead_id") == [
        ("anon:x", "awareness", None, "u"),
        ("u", "hot", "marketing", None),
    ]
    assert await rows(engine, "SELECT lead_id, status FROM handoffs ORDER BY lead_id") == [
        ("anon:x", "merged"),
        ("u", "offered"),
    ]
    async with engine.connect() as connection:
        contacts = await repository.contacts_of(connection, ["u"])
        assert contacts == {"u": {"phone": "03-1", "company.name": "アクメ", "email": "t@acme.co.jp"}}
        assert set(await finding.told_at(connection, await finding.ids_of(connection, "u"))) == {
            "phone",
            "company.name",
            "email",
        }
        (message,) = (await repository.frozen_messages(connection, await _open(engine))).values()
    assert (message.lead_id, message.contact.phone) == ("u", "03-1")
    company = await Companies(engine, lambda: RULES, SystemClock()).company("domain:acme.co.jp")
    assert company is not None
    assert [member.lead.lead_id for member in company[1]] == ["u"]
    assert company[0].name == "アクメ"
    # The messages of each lead are numbered without holes.
    numbers = "SELECT lead_id, seq FROM stage_changes UNION SELECT lead_id, seq FROM handoff_changes ORDER BY 1, 2"
    for lead_id in ("anon:x", "u"):
        found = [seq for id, seq in await rows(engine, numbers) if id == lead_id]
        assert found == list(range(1, len(found) + 1))


async def _open(engine: AsyncEngine) -> list[str]:
    return [id for (id,) in await rows(engine, "SELECT handoff_id FROM handoffs WHERE status = 'offered'")]


async def test_a_member_without_a_hand_off_has_no_owner_any_more(ledger: Ledger, engine: AsyncEngine) -> None:
    x, u = visitor(), Story("u")
    await apply(ledger, 1, x.record("contact_obtained"))
    await apply(ledger, 0, u.record("contact_obtained"))
    await apply(ledger, 1, replace(x.record(), merged_into="u"))
    columns = "SELECT stage, department, merged_into FROM leads WHERE lead_id = 'anon:x'"
    assert await rows(engine, columns) == [("awareness", None, "u")]
    await apply(ledger, 1, x.record())
    assert await rows(engine, columns) == [("acquired", "marketing", None)]


async def test_what_a_member_was_told_to_be_empty_stays_empty(ledger: Ledger, engine: AsyncEngine) -> None:
    x, u = visitor(), Story("u")
    await apply(ledger, 0, u.record("contact_obtained"), contacts=(told("u", "phone", "03-1", 1),))
    await apply(ledger, 1, replace(x.record(), merged_into="u"), contacts=(told("anon:x", "phone", "", 2),))
    async with engine.connect() as connection:
        assert await repository.contacts_of(connection, ["u"]) == {}


async def test_workers_of_two_lanes_at_once(ledger: Ledger, engine: AsyncEngine) -> None:
    """Whoever is first: each lead ends with one owner and at most one open hand-off, and nobody waits for ever."""
    other = Ledger(engine, RULES, ledger.topics, SystemClock())
    visitors = [Story(f"anon:{n:02d}", partition=1) for n in range(20)]
    users = [Story(f"u{n:02d}") for n in range(20)]
    into = [user.lead_id for user in users]
    members = [[visitor.lead_id] for visitor in visitors]
    await asyncio.gather(
        live(ledger, 1, visitors, [{"merged_into": id} for id in into]),
        live(other, 0, users, [{"members": ids} for ids in members]),
    )
    merged = await rows(engine, "SELECT count(*) FROM leads WHERE merged_into IS NOT NULL AND department IS NULL")
    assert merged == [(20,)]
    owned = await rows(
        engine,
        "SELECT count(*), count(DISTINCT h.lead_id) FROM leads JOIN handoffs h USING (lead_id) "
        "WHERE merged_into IS NULL AND leads.stage = 'hot' AND status IN ('offered', 'accepted')",
    )
    assert owned == [(20, 20)]


async def live(ledger: Ledger, lane: int, stories: list[Story], said: list[dict[str, Any]]) -> None:
    """All become known, then hot; at last the records say who is whose member."""
    await apply(ledger, lane, *(story.record("contact_obtained") for story in stories))
    await apply(ledger, lane, *(story.record("inquiry_made") for story in stories))
    await apply(ledger, lane, *(replace(story.record(), **more) for story, more in zip(stories, said, strict=True)))


async def test_who_is_one_lead_is_found_without_reading_all_leads(ledger: Ledger, engine: AsyncEngine) -> None:
    await apply(ledger, 1, visitor().record("contact_obtained"))
    read = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'leads'")
    async with engine.connect() as connection:
        for name, value in PLANS_OF_BATCHES.items():
            await connection.execute(text(f"SET {name} = {value}"))
        # As a router does that begins with an empty ledger: the plan that Postgres keeps is one for a small table.
        ids = {f"u{number}" for number in range(1, 31)}
        for _ in range(10):
            await repository.lock_kin(connection, [], ids)
        await connection.execute(
            text(
                "INSERT INTO leads SELECT (jsonb_populate_record(l, jsonb_build_object('lead_id', 'u' || n))).* "
                "FROM leads l, generate_series(1, 5000) AS n"
            )
        )
        before = await connection.scalar(read)
        assert (await repository.lock_kin(connection, [], ids))[2] == ids
        assert await connection.scalar(read) - before <= 100
