"""Companies in the ledger and through the API: who belongs together, whatever the spelling, order and batches."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from alembic import command
from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.router.batch import Batch, Received
from services.router.companies import Companies, Overview
from services.router.contact import ContactDatum, canonical
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from services.router.migrate import _config, upgrade
from shared.clock import EventClock
from shared.events import Event, Kind
from shared.playbook import load_playbook
from shared.scores import DecayTerm, ScoreRecord, encode_score
from shared.topics import Topics
from tests.router_world import Feeder, World
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())
TOPICS = Topics("t.")


def told(lead_id: str, at: datetime = MONDAY, **traits: Any) -> Event:
    return Event(
        kind=Kind.IDENTIFY, id=f"{lead_id}-{at}", source="web", key=lead_id, time=at, received_at=at, traits=traits
    )


def scored(lead_id: str, points: float, **more: Any) -> ScoreRecord:
    """Contact data obtained, and points that halve every 30 days from the day after tomorrow."""
    record = Story(lead_id).record("contact_obtained", total=points, **more)
    term = DecayTerm(points=points, since=MONDAY + timedelta(days=1), half_life_seconds=30 * 86400.0)
    return replace(record, decay=[term])


async def test_companies_through_the_api(world: World, feeder: Feeder) -> None:
    long_ago = MONDAY - timedelta(days=400)
    await feeder.events(
        [
            told("taro", long_ago, title="部長", phone="03-1"),
            told("taro", email="taro@acme.co.jp", company="株式会社アクメ", department="第１営業部"),
            told("hana", email="hana@mail.acme.co.jp", company="(株)アクメ", department="第1 営業部"),
            told("jiro", email="jiro@gmail.com", company="ｱｸﾒ", department="情報システム部"),
            told("saburo", email="saburo@docomo.ne.jp"),
            told("shiro", company="有限会社別", phone="06"),
        ]
    )
    asks = Story("taro")
    scores = [scored("hana", 50.0), scored("jiro", 20.0), scored("saburo", 30.0), scored("shiro", 0.5)]
    await feeder.scores(
        [asks.record("contact_obtained", offset=5), asks.record("inquiry_made", offset=5, level=3), *scores]
    )
    router = world.start(TASUKI_CLOCK="events", TASUKI_ROUTER_SESSION_TIMEOUT_SECONDS="10")
    await world.messages(lambda found: len(found) >= 7)
    async with world.http(router, None) as http:
        for path in ("/v1/companies", "/v1/companies/domain:acme.co.jp", "/v1/counts"):
            assert (await http.get(path)).status_code == 401
    async with world.http(router) as http:
        page = (await http.get("/v1/companies")).json()
        assert [(row["key"], row["name"], row["score"]) for row in page["companies"]] == [
            ("domain:acme.co.jp", "(株)アクメ", 52.0), ("name:別", "有限会社別", 0.5),
        ]  # fmt: skip
        acme = page["companies"][0]
        assert (acme["leads"], acme["effective_leads"], acme["opportunities"]) == (3, 3, 2)
        assert [(part["name"], part["leads"]) for part in acme["departments"]] == [
            ("情報システム部", 1), ("第1 営業部", 2),
        ]  # fmt: skip
        assert [role["id"] for role in acme["roles_covered"]] == ["manager", "technical", "user"]
        assert [role["label"]["ja"] for role in acme["roles_missing"]] == ["決裁者", "購買・経理担当者"]
        (handoff,) = acme["handoffs"]
        assert (handoff["lead_id"], handoff["status"], handoff["to"]) == ("taro", "offered", "inside-sales")
        assert handoff["owner"]["department"] == "marketing"

        counts = (await http.get("/v1/counts")).json()
        assert {name: counts[name] for name in counts if name != "at"} == {
            "leads": 5, "effective_leads": 4, "companies": 2, "leads_without_company": 1, "opportunities": 3,
        }  # fmt: skip

        first = (await http.get("/v1/companies?limit=1")).json()
        rest = (await http.get("/v1/companies", params={"limit": 1, "cursor": first["cursor"]})).json()
        assert ([row["key"] for row in rest["companies"]], rest["cursor"]) == (["name:別"], None)
        assert (await http.get("/v1/companies?cursor=x")).json()["code"] == "invalid_request"

        detail = (await http.get("/v1/companies/domain:acme.co.jp")).json()
        assert {name: detail[name] for name in acme} == acme
        assert [(lead["lead_id"], lead["score"], lead["roles"]) for lead in detail["members"]] == [
            ("hana", 50.0, ["user"]), ("jiro", 20.0, ["technical"]), ("taro", 0.0, ["manager", "user"]),
        ]  # fmt: skip
        assert detail["members"][2]["handoff"]["handoff_id"] == handoff["handoff_id"]
        for key in ("name:アクメ", "domain:docomo.ne.jp", "アクメ"):
            missing = await http.get(f"/v1/companies/{key}")
            assert (missing.status_code, missing.json()["code"]) == (404, "not_found")

        lead = (await http.get("/v1/leads/taro")).json()
        assert {name: told["stale"] for name, told in lead["told"].items()} == {
            "company.name": False, "department": False, "email": False, "phone": True, "title": True,
        }  # fmt: skip
        assert datetime.fromisoformat(lead["told"]["title"]["at"]) == long_ago
        keys = {id: (await http.get(f"/v1/leads/{id}")).json()["company_key"] for id in ("taro", "jiro", "saburo")}
        assert keys == {"taro": "domain:acme.co.jp", "jiro": "domain:acme.co.jp", "saburo": None}

        # A second domain of the same name: whose jiro's is, is no longer certain.
        await feeder.events([told("goro", email="goro@acme.com", company="アクメ")])
        await feeder.scores([scored("goro", 1.0, offset=6)])
        await _until(http, "/v1/companies/name:アクメ")
        assert (await http.get("/v1/leads/jiro")).json()["company_key"] == "name:アクメ"
        assert {"/v1/companies", "/v1/companies/{key}", "/v1/counts"} <= set(
            (await http.get("/openapi.json")).json()["paths"]
        )


COMPANIES = {"アクメ": ["acme.co.jp"], "山田工業": ["yamada.co.jp", "yamada.jp"], "別": [], "東": ["azuma.jp"]}


def _said(dice: random.Random, lead: str, number: int) -> ContactDatum:
    """Something about a lead, mostly true."""
    employer = [*COMPANIES][(int(lead.removeprefix("lead-")) if dice.random() < 0.9 else number) % len(COMPANIES)]
    field = dice.choice(["company.name", "email", "department"])
    value = {
        "company.name": dice.choice(["株式会社{}", "{}(株)", "㈲　{}", "{}", ""]).format(employer),
        "email": dice.choice(["", "a@gmail.com", *(f"a@mail.{domain}" for domain in COMPANIES[employer])]),
        "department": dice.choice(["", "営業部", "営業　部", "経理部"]),
    }[field]
    at = MONDAY + timedelta(seconds=dice.randrange(5))
    return ContactDatum(lead, field, value, at, str(number), canonical(field, value))


@pytest.mark.parametrize("seed", range(3))
async def test_neither_order_nor_batches_matter(engine: AsyncEngine, seed: int) -> None:
    """Each lead is told several times; the ledger gets it all in two orders, cut in two ways."""
    dice = random.Random(seed)
    leads = [f"lead-{number}" for number in range(12)]
    data = [_said(dice, dice.choice(leads), number) for number in range(150)]
    scores = [scored(lead, 10.0 * number) for number, lead in enumerate(leads)]
    seen = []
    for _ in range(2):
        dice.shuffle(data)
        seen.append(await _applied(engine, data, scores, dice))
        async with engine.begin() as connection:
            await connection.execute(text("TRUNCATE leads, contacts, stage_changes, handoffs, handoff_changes, deals"))
    assert seen[0] == seen[1]
    assert seen[0].counts.leads == len(leads)
    assert len({company.key for company in seen[0].companies}) == seen[0].counts.companies > 1


async def test_one_company_and_all_companies_agree(engine: AsyncEngine) -> None:
    """One company is found by those who may belong to it, all of them by everybody: it must not matter."""
    dice = random.Random(4)
    leads = [f"lead-{number}" for number in range(40)]
    data = [_said(dice, lead, number) for lead in leads for number in range(5)]
    overview = await _applied(engine, data, [scored(lead, 1.0) for lead in leads], dice)
    companies = Companies(engine, lambda: RULES, EventClock(overview.at))
    own = await _domains(engine)
    adopted = 0
    for company in overview.companies:
        found = await companies.company(company.key)
        assert found is not None
        assert found[0] == company
        adopted += sum(company.key.startswith("domain:") and not own.get(m.lead.lead_id) for m in found[1])
        async with engine.connect() as connection:
            assert {await companies.key_of(connection, m.lead.lead_id) for m in found[1]} == {company.key}
    assert adopted > 0, "nobody came by the name alone: these data show nothing"


async def _domains(engine: AsyncEngine) -> dict[str, str]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT lead_id, canonical FROM contacts WHERE field = 'email'"))
        return {row.lead_id: row.canonical for row in rows}


async def test_what_was_there_before_gets_its_company(database_url: str) -> None:
    await asyncio.to_thread(command.upgrade, _config(database_url), "0002")
    engine = create_async_engine(database_url)
    add = text("INSERT INTO contacts (lead_id, field, value, at, event_id) VALUES (:lead, :field, :value, now(), 'e')")
    read = text("SELECT field, canonical FROM contacts WHERE lead_id = :lead")
    try:
        async with engine.begin() as connection:
            told = {"email": "t@mail.acme.co.jp", "company.name": "㈱アクメ", "department": "営業 部", "phone": "03"}
            rows = [{"lead": f"l{n:05}", "field": f, "value": v} for n in range(1500) for f, v in told.items()]
            await connection.execute(add, rows)
        await asyncio.to_thread(upgrade, database_url)
        async with engine.begin() as connection:
            expected = {"email": "acme.co.jp", "company.name": "アクメ", "department": "営業部", "phone": ""}
            for lead in ("l00000", "l01499"):
                assert {row.field: row.canonical for row in await connection.execute(read, {"lead": lead})} == expected
            # As an older list of mail domains might have said.
            await connection.execute(text("UPDATE contacts SET canonical = 'x' WHERE lead_id = 'l01499'"))
        await asyncio.to_thread(upgrade, database_url)
        async with engine.connect() as connection:
            assert {row.field: row.canonical for row in await connection.execute(read, {"lead": "l01499"})} == expected
    finally:
        await engine.dispose()


async def _applied(
    engine: AsyncEngine, data: list[ContactDatum], scores: list[ScoreRecord], dice: random.Random
) -> Overview:
    """What the ledger says of it, cut into batches at random."""
    clock = EventClock(MONDAY + timedelta(days=1))
    ledger = Ledger(engine, RULES, TOPICS, clock)
    rest = list(data)
    while rest:
        cut = dice.randint(1, 40)
        await ledger.apply(Batch(contacts=rest[:cut]))
        rest = rest[cut:]
    await ledger.apply(Batch(scores=[Received(0, n, None, encode_score(r), [], r) for n, r in enumerate(scores)]))
    return await Companies(engine, lambda: RULES, clock).overview()


async def _until(http: Any, path: str) -> None:
    """Until the path answers 200."""
    deadline = time.monotonic() + 20
    while (await http.get(path)).status_code != 200:
        assert time.monotonic() < deadline, f"{path} was not there after 20 s"
        await asyncio.sleep(0.05)
