"""Erasure in a real ledger: nothing of the person is left, others go on, and what comes late is dropped."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router import auditing, repository
from services.router.api.app import build_app
from services.router.batch import Batch, Received
from services.router.contact import ContactDatum
from services.router.erasure.deny_list import refuse_another_key
from services.router.erasure.eraser import Eraser, NoErasureKey, NotKnown
from services.router.feedback.desk import Desk, Refused
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from services.router.outbox import decode_headers
from services.router.status import Watch
from services.router.tables import metadata
from shared.clock import EventClock
from shared.erasure import ErasureKey, ErasureKeyError
from shared.events import Kind, decode_event
from shared.feedback import parse_report
from shared.identity import known_identity
from shared.key_file import ReloadingKeyRing
from shared.keys import tokens_from
from shared.scores import ScoreRecord, encode_score
from shared.topics import Topics
from tests.ledgers import accept, apply, rows, scalar, told, wants_a_visit
from tests.score_records import MONDAY, Story
from tests.staffed import staffed

RULES = Rules(staffed())
KEY = ErasureKey("k" * 32)
MAIL = "taro.yamada@beta.co.jp"
LATER = MONDAY + timedelta(days=1)


@pytest.fixture
def ledger(engine: AsyncEngine) -> Ledger:
    return new_ledger(engine)


def new_ledger(engine: AsyncEngine, key: ErasureKey | None = KEY) -> Ledger:
    return Ledger(engine, RULES, Topics("t."), EventClock(MONDAY), key)


def eraser(ledger: Ledger) -> Eraser:
    return Eraser.of(ledger, timedelta(minutes=1))


async def everything(ledger: Ledger) -> dict[str, str]:
    """All tables as text, bytes decoded; but for what is on its way to subscribers and scorers."""
    found = {}
    for table in metadata.tables.values():
        if table.name != "outbox":
            content = [[shown(value) for value in row] for row in await rows(ledger, f'SELECT * FROM "{table.name}"')]
            found[table.name] = repr(content)
    return found


def shown(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


async def holding(ledger: Ledger, *texts: str) -> list[str]:
    tables = await everything(ledger)
    return [name for name, content in tables.items() if any(text in content for text in texts)]


async def outbox(ledger: Ledger, like: str) -> list[tuple[dict[str, bytes], bytes]]:
    query = "SELECT headers, value FROM outbox WHERE topic LIKE :like ORDER BY id"
    return [(dict(decode_headers(headers)), value) for headers, value in await rows(ledger, query, like=like)]


async def merged_person(ledger: Ledger) -> None:
    """A user and the visitor of before, offered to field sales, with contact data, a report and a deal."""
    visitor, user = Story("anon:v", at=MONDAY - timedelta(days=2)), Story("u-taro", at=MONDAY - timedelta(days=1))
    contacts = [
        *told("u-taro", name="山田太郎", email=MAIL, phone="03-0000-0000", company="株式会社ベータ"),
        *told("anon:v", email=MAIL, prefecture="大阪府"),
    ]
    await apply(ledger, visitor.record(), user.record("contact_obtained"), contacts=contacts)
    first = msgspec.structs.replace(visitor.record(), merged_into="u-taro")
    second = msgspec.structs.replace(user.record("appointment_made"), members=["anon:v"])
    await apply(ledger, first, second)
    desk = Desk(ledger)
    deal = b'{"type": "deal", "deal_id": "D-taro", "amount": 10, "expected_date": "2027-01-31", "report_id": "r-taro"}'
    await desk.take("u-taro", parse_report(deal), "r-taro", "crm")
    await desk.take("u-taro", parse_report('{"type": "note", "text": "太郎さん"}'.encode()), "r-note", "crm")


async def test_nothing_is_left_of_a_person_with_several_ids(ledger: Ledger) -> None:
    await merged_person(ledger)
    assert len(await holding(ledger, "taro", "太郎", "anon:v")) >= 6
    (offered,) = [value for headers, value in await outbox(ledger, "%field-sales")]
    (handoff_id,) = [id for (id,) in await rows(ledger, "SELECT handoff_id FROM handoffs")]
    erased = await eraser(ledger).erase(MAIL, "privacy-officer")
    assert erased.entry.ids == 3
    assert erased.entry.removed["leads"] == 2
    assert erased.entry.removed["contacts"] == 6
    assert erased.entry.removed["reports"] == 2
    assert await holding(ledger, "taro", "太郎", "anon:v", known_identity(MAIL)) == []
    messages = await outbox(ledger, "%field-sales")
    ((headers, value),) = messages
    withdrawn = msgspec.json.decode(value)
    assert headers["ce_type"] == b"tasuki.handoff.withdrawn"
    assert (withdrawn["handoff_id"], withdrawn["status"]) == (handoff_id, "withdrawn")
    assert [leaf["condition"] for leaf in withdrawn["change_reason"]] == ["erased"]
    assert not any(word in value.decode() for word in (MAIL, "太郎", "03-0000", "ベータ"))
    events = [decode_event(value) for _, value in await outbox(ledger, "%events")]
    assert {event.key for event in events} == {"u-taro", "anon:v", known_identity(MAIL)}
    assert {event.kind for event in events} == {Kind.ERASE}
    assert offered != value
    ((by, ids),) = await rows(ledger, "SELECT by, ids FROM erasures")
    assert (by, ids) == ("privacy-officer", 3)
    assert await scalar(ledger, "SELECT count(*) FROM denied") == 3


async def test_it_may_be_asked_again_and_by_nobody_it_is_unknown(ledger: Ledger) -> None:
    await merged_person(ledger)
    first = await eraser(ledger).erase("u-taro", "a")
    for id in ("u-taro", "anon:v", MAIL):
        again = await eraser(ledger).erase(id, "b")
        assert (again.erasure_id, again.entry, again.again) == (first.erasure_id, first.entry, True)
    with pytest.raises(NotKnown):
        await eraser(ledger).erase("nobody", "a")
    with pytest.raises(NoErasureKey):
        await eraser(new_ledger(ledger.engine, None)).erase("u-taro", "a")


async def test_what_was_on_its_way_is_dropped_by_every_router(ledger: Ledger, engine: AsyncEngine) -> None:
    other = new_ledger(engine)
    story = Story("u-1")
    await apply(other, story.record("contact_obtained"), contacts=told("u-1", email="a@b.example"))
    await eraser(ledger).erase("u-1", "a")
    for one in (other, ledger, new_ledger(engine)):  # one that knew of nothing, one that erased, one that starts
        late = story.record("appointment_made", later=timedelta(0))
        batch = await late_batch(one, [late], told("u-1", email="a@b.example"))
        await one.apply(batch)
        assert batch.denied == 2
        assert await scalar(ledger, "SELECT count(*) FROM leads") == 0
        assert await scalar(ledger, "SELECT count(*) FROM contacts") == 0


async def late_batch(ledger: Ledger, records: list[ScoreRecord], contacts: list[ContactDatum]) -> Batch:
    place = (ledger.topics.scores, 0)
    async with ledger.engine.begin() as connection:
        before = (await repository.starting_offsets(connection, [place]))[place]
    scores = [Received(0, before + n, b"k", encode_score(one), [], one) for n, one in enumerate(records)]
    return Batch(contacts=contacts, scores=scores, offsets={place: (before, before + len(records))})


async def test_who_comes_back_is_a_new_lead_with_ids_of_its_messages_that_nobody_has_seen(ledger: Ledger) -> None:
    await apply(ledger, *wants_a_visit("u-1"))
    before = await message_ids(ledger)
    await eraser(ledger).erase("u-1", "a")
    withdrawn = await message_ids(ledger)
    new = Story("u-1", at=LATER)
    contact = told("u-1", at=LATER, email="new@b.example")
    await apply(ledger, new.record("contact_obtained"), new.record("appointment_made"), contacts=contact)
    after = await message_ids(ledger)
    assert await scalar(ledger, "SELECT value FROM contacts") == "new@b.example"
    assert await scalar(ledger, "SELECT count(*) FROM handoffs WHERE status = 'offered'") == 1
    fresh = [id for id in after if id not in withdrawn]
    assert any("offered" in id for id in fresh)
    assert not set(fresh) & set(before)


async def message_ids(ledger: Ledger) -> list[str]:
    found = await outbox(ledger, "%")
    return [headers["ce_id"].decode() for headers, _ in found if "ce_id" in headers]


def colleagues_of_beta(*ids: str) -> list[ContactDatum]:
    company = {"company": "株式会社ベータ", "department": "営業部"}
    return [datum for id in ids for datum in told(id, name=f"名前-{id}", title="社長", **company)]


async def test_colleagues_go_on_with_another_one_and_no_longer_name_the_first(ledger: Ledger) -> None:
    await apply(ledger, contacts=colleagues_of_beta("lead-a", "lead-b", "lead-c"))
    for id in ("lead-a", "lead-b", "lead-c"):
        await apply(ledger, *wants_a_visit(id))
    opened = "SELECT lead_id, attached FROM handoffs WHERE status = 'offered'"
    assert await rows(ledger, opened) == [("lead-a", ["lead-b", "lead-c"])]
    await eraser(ledger).erase("lead-a", "x")
    assert await rows(ledger, opened) == [("lead-b", ["lead-c"])]
    assert await holding(ledger, "lead-a") == []
    async with ledger.engine.connect() as connection:
        found = await auditing.findings(connection, MONDAY, 10)
    assert not any(found.values()), found
    await eraser(ledger).erase("lead-c", "x")
    assert await rows(ledger, opened) == [("lead-b", [])]
    assert await holding(ledger, "lead-a", "lead-c", "名前-lead-c") == []


async def test_whom_sales_works_keeps_the_colleagues_of_somebody_who_is_erased(ledger: Ledger) -> None:
    await apply(ledger, contacts=colleagues_of_beta("lead-a", "lead-b"))
    for id in ("lead-a", "lead-b"):
        await apply(ledger, *wants_a_visit(id))
    await accept(ledger, "lead-a", "tanaka")
    await eraser(ledger).erase("lead-a", "x")
    assert await rows(ledger, "SELECT lead_id, person, attached_to FROM leads") == [("lead-b", "tanaka", None)]
    assert await holding(ledger, "lead-a") == []


async def test_an_address_that_somebody_else_has_told_stays_theirs(ledger: Ledger) -> None:
    await apply(ledger, contacts=[*told("u-1", email=MAIL), *told("u-2", email=MAIL.upper())])
    for id in ("u-1", "u-2"):
        await apply(ledger, Story(id).record("contact_obtained"))
    erased = await eraser(ledger).erase("u-1", "x")
    assert erased.entry.ids == 1
    assert await rows(ledger, "SELECT DISTINCT lead_id FROM contacts") == [("u-2",)]
    assert (await eraser(ledger).erase(MAIL, "x")).entry.ids == 2, "nobody else tells it any more"
    assert (await eraser(ledger).erase(MAIL, "x")).again
    assert await holding(ledger, "taro", "u-1", "u-2") == []


async def test_contact_data_without_a_score_is_erased_as_well(ledger: Ledger) -> None:
    await apply(ledger, contacts=told("u-1", email=MAIL))
    assert (await eraser(ledger).erase("u-1", "x")).entry.removed["contacts"] == 1
    assert await holding(ledger, MAIL) == []


async def test_a_batch_that_is_being_written_ends_before_the_erasure_begins(
    ledger: Ledger, engine: AsyncEngine
) -> None:
    """It has read of the person before; whoever comes next waits, and hears of the erasure at once."""
    await apply(ledger, Story("u-1").record("contact_obtained"))
    first, second, contacts = (ledger.topics.events, 0), (ledger.topics.events, 1), told("u-1", email=MAIL)
    async with engine.begin() as connection:
        await repository.starting_offsets(connection, [first, second])
    async with engine.begin() as connection:
        await repository.advance(connection, {second: (0, 1)})
        erasing = asyncio.create_task(eraser(ledger).erase("u-1", "x"))
        await until_waiting(engine, 1)
        late = asyncio.create_task(ledger.apply(Batch(contacts=contacts, offsets={first: (0, 1)})))
        await until_waiting(engine, 2)
        await repository.save_contacts(connection, contacts)
    assert (await erasing).entry.removed["contacts"] == 1
    await late
    assert await holding(ledger, MAIL, "u-1") == []


async def until_waiting(engine: AsyncEngine, count: int) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(10), engine.connect() as connection:
        while (await connection.scalar(waiting) or 0) < count:
            await connection.rollback()
            await asyncio.sleep(0.02)


async def test_reports_about_somebody_erased_are_refused_or_dropped(ledger: Ledger) -> None:
    await apply(ledger, Story("u-1").record("contact_obtained"))
    await eraser(ledger).erase("u-1", "x")
    desk = Desk(ledger)
    with pytest.raises(Refused) as refused:
        await desk.take("u-1", parse_report(b'{"type": "note", "text": "late"}'), "r-1", "crm")
    assert refused.value.code == "unknown_lead"
    place = (ledger.topics.feedback, 0)
    async with ledger.engine.begin() as connection:
        await repository.starting_offsets(connection, [place])
    value = b'{"type": "note", "text": "late", "report_id": "r-2", "at": "' + MONDAY.isoformat().encode() + b'"}'
    before = await scalar(ledger, "SELECT count(*) FROM outbox")
    filed = await desk.take_record(place, 0, Received(0, 0, b"u-1", value, [], Story("u-1").record()))
    assert filed is not None
    assert filed.again
    assert await scalar(ledger, "SELECT count(*) FROM reports") == 0
    assert await scalar(ledger, "SELECT count(*) FROM outbox") == before, "neither an event nor a dead letter"
    await apply(ledger, Story("u-1", at=LATER).record("contact_obtained"))
    with pytest.raises(Refused, match="has been erased"):
        await Desk(new_ledger(ledger.engine)).take("u-1", parse_report(value), "r-2", "crm")


async def test_the_api_needs_its_own_scope_and_a_key_and_lists_what_was_done(ledger: Ledger) -> None:
    for id in ("u-1", "u-2"):
        await apply(ledger, Story(id).record("contact_obtained"))
    tokens = ReloadingKeyRing(tokens_from("w=writer:read+write,e=officer:erase"))

    def caller(one: Ledger, token: str) -> httpx.AsyncClient:
        app = httpx.ASGITransport(build_app(one, tokens, Watch()))
        return httpx.AsyncClient(transport=app, base_url="http://r", headers={"Authorization": f"Bearer {token}"})

    async with caller(ledger, "w") as http:
        refused = await http.delete("/v1/leads/u-1")
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    async with caller(new_ledger(ledger.engine, None), "e") as http:
        refused = await http.delete("/v1/leads/u-1")
        assert (refused.status_code, refused.json()["code"]) == (409, "no_erasure_key")
        assert "TASUKI_ERASURE_KEY" in refused.json()["message"]
    async with caller(ledger, "e") as http:
        done = [(await http.delete(f"/v1/leads/{id}")).json() for id in ("u-1", "u-2")]
        assert [(one["by"], one["ids"], one.pop("again")) for one in done] == [("officer", 1, False)] * 2
        page = (await http.get("/v1/erasures?limit=1")).json()
        assert page["erasures"] == done[1:]
        rest = (await http.get(f"/v1/erasures?cursor={page['cursor']}")).json()
        assert rest == {"erasures": done[:1], "cursor": None}
        refused = await http.delete("/v1/leads/nobody")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_another_key_is_noticed(ledger: Ledger, engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await refuse_another_key(connection, None)  # nobody has been erased
    await apply(ledger, Story("u-1").record("contact_obtained"))
    await eraser(ledger).erase("u-1", "x")
    for key, message in ((None, "without TASUKI_ERASURE_KEY"), (ErasureKey("x" * 32), "not the key")):
        async with engine.connect() as connection:
            with pytest.raises(ErasureKeyError, match=message):
                await refuse_another_key(connection, key)
        with pytest.raises(ErasureKeyError, match=message):
            await apply(new_ledger(engine, key), Story("u-2").record())
