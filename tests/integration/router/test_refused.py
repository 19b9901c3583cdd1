"""What Postgres cannot take, what cannot be true, and who may ask: it neither stops the router nor shows in its log."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import create_async_engine

from services.router import repository
from services.router.batch import Batch
from services.router.contact import ContactDatum
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from services.router.probe import UNCOVERED_AFTER_SECONDS
from shared.clock import SystemClock
from shared.events import Event, Kind
from shared.keys import KeyKind, append_key, create_key
from shared.playbook import load_playbook
from tests.router_world import Feeder, World
from tests.score_records import Story

LONG = "".join(random.Random(1).choices("0123456789abcdefghijklmnopqrstuvwxyz", k=9000))
"""An index takes 2,704 bytes after compression: this is more."""


def identify(key: str, name: str) -> Event:
    now = datetime.now(UTC)
    return Event(
        kind=Kind.IDENTIFY, id=f"i-{key}"[:50], source="s", key=key, time=now, received_at=now, traits={"name": name}
    )


async def test_keys_too_long_for_an_index_stop_nothing(world: World, feeder: Feeder) -> None:
    await feeder.events([identify(LONG, "山田太郎"), identify("l", "鈴木")])
    fine, tall = Story("l"), Story(LONG)
    await feeder.scores([tall.record("contact_obtained"), fine.record("contact_obtained"), fine.record("inquiry_made")])
    router = world.start()
    sent = await world.messages(lambda found: len(found) >= 4, 90)
    (dead,) = [message for message in sent if message.topic == world.topics.dead_letters]
    assert dead.key == LONG.encode()
    assert b"54000" in dead.headers["tasuki_reason"]
    (offer,) = [m for m in sent if m.topic == world.topics.handoffs("inside-sales")]
    assert msgspec.json.decode(offer.value)["contact"]["name"] == "鈴木"
    async with world.http(router) as http:
        told = (await http.get("/metrics")).text
        assert "tasuki_router_dead_letters_total 1.0" in told
        assert "tasuki_router_foreign_scores_total 2.0" in told, "the stories name another playbook"
        nul = await http.get("/v1/leads", params={"cursor": "a\0b"})
        assert (nul.status_code, nul.json()["code"]) == (422, "invalid_request")
    assert world.log is not None
    log = world.log.read_text()
    assert log.count("'the-model@1#test'") == 1
    assert "山田太郎" not in log
    assert LONG[:40] not in log


async def test_a_score_of_events_that_do_not_exist_is_a_dead_letter(world: World, feeder: Feeder) -> None:
    await feeder.events([identify("l", "鈴木")])
    await feeder.scores([Story("far").record("contact_obtained", offset=5_000), Story("l").record("contact_obtained")])
    router = world.start()
    sent = await world.messages(lambda found: len(found) >= 2, UNCOVERED_AFTER_SECONDS + 90)
    assert {message.topic for message in sent} == {world.topics.dead_letters, world.topics.stages}
    assert b"behind the end" in next(m for m in sent if m.topic == world.topics.dead_letters).headers["tasuki_reason"]
    await router.ready()


async def test_an_error_that_ends_the_router_tells_no_values(world: World, feeder: Feeder) -> None:
    """A trigger raises what nobody expects, and quotes the row as Postgres does."""
    connection = await asyncpg.connect(world.database_url.replace("+asyncpg", "", 1))
    try:
        await connection.execute(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'row % is wrong', NEW USING ERRCODE = 'XX001'; END $$; "
            "CREATE TRIGGER no BEFORE INSERT ON contacts FOR EACH ROW EXECUTE FUNCTION no()"
        )
    finally:
        await connection.close()
    await feeder.events([identify("l", "山田太郎")])
    router = world.start()
    assert await asyncio.to_thread(router.process.wait, 90) == 1
    assert world.log is not None
    log = world.log.read_text()
    assert "SQLSTATE XX001" in log
    assert "山田太郎" not in log


async def test_a_new_token_counts_at_once_and_an_old_one_no_more(world: World, tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    (old, entry), (new, other) = (create_key(KeyKind.TOKEN, name, ["read"]) for name in ("old", "new"))
    append_key(file, entry)
    router = world.start(TASUKI_KEYS_FILE=str(file))
    await router.ready()
    async with world.http(router, old) as http:
        assert (await http.get("/v1/leads")).status_code == 200
        file.unlink()
        append_key(file, other)
        await asyncio.sleep(1.2)
        assert (await http.get("/v1/leads")).status_code == 401
    async with world.http(router, new) as http:
        assert (await http.get("/v1/leads")).status_code == 200


async def test_refused_contact_data_is_left_out_and_counted(world: World) -> None:
    now = datetime.now(UTC)
    data = [ContactDatum(key, "name", "山田", now, "e") for key in ("a", LONG, "b", "c")]
    engine = create_async_engine(world.database_url)
    try:
        batch = Batch(contacts=data)
        assert await Ledger(engine, Rules(load_playbook()), world.topics, SystemClock()).apply(batch) == 0
        async with engine.connect() as connection:
            kept = await repository.contacts_of(connection, ["a", LONG, "b", "c"])
    finally:
        await engine.dispose()
    assert batch.refused_contacts == 1
    assert set(kept) == {"a", "b", "c"}


async def test_a_full_lane_leaves_the_others_their_turn(world: World) -> None:
    engine = create_async_engine(world.database_url)
    try:
        async with engine.connect() as connection:
            row = ("topic", None, b"", None, None)
            await repository.save_outbox(connection, [*((0, *row) for _ in range(20)), *((1, *row) for _ in range(3))])
            found = await repository.outbox_rows(connection, [0, 1, 2], 5)
    finally:
        await engine.dispose()
    assert [found_row["lane"] for found_row in found] == [0] * 5 + [1] * 3
    assert [found_row["id"] for found_row in found] == sorted(found_row["id"] for found_row in found)
