"""Crashes, two routers, poison: what was decided stays decided, once."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter, defaultdict
from datetime import UTC, datetime

import asyncpg
import msgspec

from services.router.batch import Hours, Known, Received, decide_all
from services.router.lifecycle.rules import Rules
from shared.clock import EventClock
from shared.events import Event, Kind
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, encode_score
from tests.router_world import Feeder, Message, RouterProcess, World
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())
SIGNALS = [None, None, "contact_obtained", "mail_clicked", "inquiry_made", "appointment_made", "deal_won", "retired"]


def stories(partition: int, leads: int, records: int) -> list[ScoreRecord]:
    """The same for the same arguments."""
    dice = random.Random(partition)
    lives = [Story(f"lead-{partition}-{number}", partition) for number in range(leads)]
    return [
        dice.choice(lives).record(dice.choice(SIGNALS), total=dice.choice([0.0, 90.0, 110.0]), kept={"deal_id": "d"})
        for _ in range(records)
    ]


def expected_stage_ids(records: list[ScoreRecord]) -> list[str]:
    """What the pure lifecycle says of the same log, per partition."""
    received = [Received(r.position.partition, n, None, encode_score(r), [], r) for n, r in enumerate(records)]
    decided = decide_all(received, Known({}, {}), RULES, Hours(EventClock(MONDAY)))
    return [f"stage:{c.lead_id}:{c.seq}:{c.target}" for item in decided for c in item.decision.stages]


def stage_ids(world: World, messages: list[Message]) -> list[str]:
    return [f"{m.id}:{msgspec.json.decode(m.value)['to']['id']}" for m in messages if m.topic == world.topics.stages]


def assert_order_per_lead(messages: list[Message]) -> None:
    """In each partition of each topic a lead's first deliveries come in order of seq."""
    latest: dict[tuple[str, bytes | None], int] = defaultdict(int)
    seen: set[tuple[str, str]] = set()
    for message in messages:
        if (message.topic, message.id) in seen:
            continue  # delivered again after a crash
        seen.add((message.topic, message.id))
        seq = msgspec.json.decode(message.value)["seq"]
        assert seq > latest[message.topic, message.key]
        latest[message.topic, message.key] = seq


async def feed(world: World, feeder: Feeder, count: int) -> list[str]:
    """`count` score records in each partition after one event each; the ids of all stage changes to come."""
    now = datetime.now(UTC)
    expected: list[str] = []
    for partition in range(world.partitions):
        event = Event(kind=Kind.PAGE, id=f"p{partition}", source="web", key="x", time=now, received_at=now)
        await feeder.events([event], partition)
        records = stories(partition, 40, count)
        for start in range(0, count, 500):
            await feeder.scores(records[start : start + 500], partition)
        expected += expected_stage_ids(records)
    return expected


async def test_killed_in_the_middle_it_goes_on_as_if_nothing_had_been(world: World, feeder: Feeder) -> None:
    expected = await feed(world, feeder, 2000)
    for pause in (0.0, 0.2):  # soon: on a fast machine all would be done, and nothing be killed in the middle
        router = world.start(TASUKI_ROUTER_BATCH_RECORDS="50")
        await router.ready()
        await asyncio.sleep(pause)
        router.kill()
    router = world.start(TASUKI_ROUTER_BATCH_RECORDS="50")
    await router.ready()
    sent = await world.messages(lambda found: set(stage_ids(world, found)) >= set(expected), 60)
    assert sorted(set(stage_ids(world, sent))) == sorted(expected)
    assert_order_per_lead(sent)
    async with world.http(router) as http:
        audit = (await http.get("/v1/audit")).json()
    assert (audit["without_owner"], audit["with_two_handoffs"]) == ([], [])


async def test_two_routers_share_the_partitions_and_one_takes_over(world: World, feeder: Feeder) -> None:
    first, second = world.start(), world.start()
    await asyncio.gather(first.ready(), second.ready())
    expected = await feed(world, feeder, 600)
    first.kill()
    sent = await world.messages(lambda found: set(stage_ids(world, found)) >= set(expected), 60)
    assert sorted(set(stage_ids(world, sent))) == sorted(expected)
    assert_order_per_lead(sent)


async def test_a_router_that_stands_still_in_a_transaction_holds_nobody_up(world: World, feeder: Feeder) -> None:
    """It keeps its row locks while it is stopped; its successor must not wait for it to wake up."""
    stopped = world.start(TASUKI_ROUTER_BATCH_RECORDS="200")
    await stopped.ready()
    feeding = asyncio.create_task(feed(world, feeder, 3000))
    await stop_in_transaction(world, stopped)
    expected = await feeding
    successor = world.start()
    sent = await world.messages(lambda found: set(stage_ids(world, found)) >= set(expected), 40)
    assert successor.process.poll() is None
    stopped.process.send_signal(signal.SIGCONT)
    await asyncio.sleep(1.0)
    assert sorted(set(stage_ids(world, sent))) == sorted(expected)
    assert_order_per_lead(await world.messages(lambda found: len(found) >= len(sent)))


async def stop_in_transaction(world: World, router: RouterProcess) -> None:
    """SIGSTOP while a transaction that has locked offsets is open: tried until one is met."""
    locks = (
        "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid) JOIN pg_class c ON c.oid = l.relation "
        "WHERE a.datname = current_database() AND a.state = 'idle in transaction' AND c.relname = 'offsets' "
        "AND l.mode = 'RowExclusiveLock' AND a.backend_xid IS NOT NULL"  # it has not only been prepared
    )
    connection = await asyncpg.connect(world.database_url.replace("+asyncpg", "", 1))
    try:
        async with asyncio.timeout(30):
            while True:
                router.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(0.3)  # whatever it had said to Postgres before is done by then
                if await connection.fetchval(locks):
                    return
                router.process.send_signal(signal.SIGCONT)
                await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def test_poison_goes_to_dead_letters_byte_for_byte_and_the_flow_goes_on(world: World, feeder: Feeder) -> None:
    await feeder.events([b"{no event"])
    story = Story("l")
    nul, elsewhere, tall = Story("n\0l").record("contact_obtained"), Story("m", 1).record(), Story("x")
    await feeder.scores([b"\xff\xfe no score", encode_score(nul), encode_score(elsewhere)])
    refused = tall.record("contact_obtained", kept={}, total=1.0)
    refused = msgspec.structs.replace(refused, seq=2**62, epoch=2**62)  # fits; the next does not fit into a bigint
    await feeder.scores([encode_score(msgspec.structs.replace(refused, seq=2**63))])
    await feeder.scores([story.record("contact_obtained")])
    router = world.start()
    dead_topic = world.topics.dead_letters
    sent = await world.messages(lambda found: Counter(m.topic == dead_topic for m in found) == {True: 4, False: 1})
    dead = [message for message in sent if message.topic == dead_topic]
    assert [message.value for message in dead][:1] == [b"\xff\xfe no score"]
    assert {message.headers["tasuki_origin"].decode() for message in dead} >= {f"{world.topics.scores}/0/0"}
    assert stage_ids(world, sent) == ["stage:l:1:acquired"]
    assert router.process.poll() is None


async def test_a_score_waits_for_the_events_that_it_includes(world: World, feeder: Feeder) -> None:
    router = world.start()
    await router.ready()
    now = datetime.now(UTC)
    story = Story("w")
    await feeder.scores([story.record("contact_obtained", offset=0), story.record("inquiry_made", offset=0)])
    await asyncio.sleep(1.0)
    async with world.http(router) as http:
        assert (await http.get("/v1/leads/w")).status_code == 404
    traits = {"name": "山田"}
    await feeder.events(
        [Event(kind=Kind.IDENTIFY, id="i", source="s", key="w", time=now, received_at=now, traits=traits)]
    )
    sent = await world.messages(lambda found: len(found) >= 3)
    (offer,) = [m for m in sent if m.topic == world.topics.handoffs("inside-sales")]
    assert msgspec.json.decode(offer.value)["contact"]["name"] == "山田"
