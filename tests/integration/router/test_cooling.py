"""A lead cools at its moment without any event: once, whoever does it, and also after a restart (domain N5)."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec

from services.router.messages import HandOffMessage, StageMessage
from shared.scores import ScoreRecord
from tests.router_world import Feeder, Message, World
from tests.score_records import Story

BY_THE_CLOCK = {"TASUKI_ROUTER_COOLING_GRACE_SECONDS": "0"}
WITHDRAWN = "tasuki.handoff.withdrawn"


def warm(lead: str, seconds: float, partition: int = 0, offset: int = 0) -> tuple[Story, list[ScoreRecord]]:
    """A lead that has just become hot by its score, which is over 100 for so many seconds."""
    story = Story(lead, partition, at=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1))
    first = story.record("contact_obtained", offset=offset, later=timedelta(seconds=59))
    hot = {"total": 200.0, "half_life": timedelta(seconds=seconds), "offset": offset, "later": timedelta(seconds=1)}
    return story, [first, story.record(**hot)]


def moments(messages: list[Message]) -> dict[str, datetime]:
    """By lead, when its hand-off was withdrawn."""
    told = [msgspec.json.decode(m.value, type=HandOffMessage) for m in messages if m.type == WITHDRAWN]
    return {one.lead_id: one.changed_at for one in told}


def withdrawals(messages: list[Message]) -> Counter[str]:
    """By message id; each goes to receiver and giver."""
    return Counter(m.id for m in messages if m.type == WITHDRAWN)


async def test_within_a_second_of_its_moment_without_an_event(world: World, feeder: Feeder) -> None:
    (offset,) = await feeder.events([b"no event"])
    router = world.start(**BY_THE_CLOCK)
    await router.ready()
    _, records = warm("l", 8.0, offset=offset)
    await feeder.scores(records)
    await world.messages(lambda found: len(found) >= 3)
    async with world.http(router) as http:
        lead = (await http.get("/v1/leads/l")).json()
        moment = datetime.fromisoformat(lead["cools_at"])
        assert lead["stage"]["id"] == "hot"
        assert timedelta(0) <= records[1].time + timedelta(seconds=8) - moment < timedelta(seconds=0.1)
        sent = await world.messages(lambda found: len(found) >= 6)
        assert datetime.now(UTC) >= moment
        lead = (await http.get("/v1/leads/l")).json()
        assert (lead["stage"]["id"], lead["owner"]["department"], lead["cools_at"]) == ("acquired", "marketing", None)
        late = (await http.get("/metrics")).text
        assert 'tasuki_router_cooled_leads_total{noticed_by="clock"} 1.0' in late
        assert 'tasuki_router_cooling_late_seconds_bucket{le="1.0"} 1.0' in late
        gone = [m for m in sent if m.type == WITHDRAWN]
        assert {m.topic for m in gone} == {world.topics.handoffs("inside-sales"), world.topics.handoffs("marketing")}
        handoff = msgspec.json.decode(gone[0].value, type=HandOffMessage)
        assert (await http.post(f"/v1/handoffs/{handoff.handoff_id}/accept")).status_code == 409
    back = [msgspec.json.decode(m.value, type=StageMessage) for m in sent if m.topic == world.topics.stages][-1]
    assert (back.source.id, back.target.id, back.at, handoff.changed_at) == ("hot", "acquired", moment, moment)
    (reason,) = back.reason
    assert (reason.condition, reason.name, reason.wanted, reason.at) == ("cooled", "total_over", 100, moment)
    assert reason.value == back.score <= 100.0
    assert handoff.score.total == 200.0, "what was known at the offer stays frozen"


async def test_what_became_due_while_no_router_ran_is_done_at_once(world: World, feeder: Feeder) -> None:
    (offset,) = await feeder.events([b"no event"])
    router = world.start(**BY_THE_CLOCK)
    await router.ready()
    (_, cold), (kept, warm_yet) = warm("cold", 3.0, offset=offset), warm("kept", 3.0, offset=offset)
    await feeder.scores([*cold, *warm_yet])
    await world.messages(lambda found: len(found) >= 6)
    router.kill()
    # Before its moment something happens to one of them, and is in the log when the router comes back: behind so much
    # that it is not read before the timer looks.
    other = Story("other", at=datetime.now(UTC))
    await feeder.scores([other.record(offset=offset, later=timedelta(0)) for _ in range(4000)])
    await feeder.scores([kept.record(total=400.0, half_life=timedelta(days=30), offset=offset, later=timedelta(0))])
    await asyncio.sleep(3.5)
    router = world.start(**BY_THE_CLOCK, TASUKI_ROUTER_BATCH_RECORDS="50")
    sent = await world.messages(lambda found: bool(withdrawals(found)))
    await asyncio.sleep(1.0)
    sent = await world.messages(lambda found: len(found) >= len(sent))
    assert moments(sent).keys() == {"cold"}
    assert cold[1].time < moments(sent)["cold"] <= cold[1].time + timedelta(seconds=3)
    async with world.http(router) as http:
        assert (await http.get("/v1/leads/kept")).json()["stage"]["id"] == "hot"
        assert not any((await http.get("/v1/audit")).json().values())


async def many(world: World, feeder: Feeder, leads: int, seconds: float) -> set[str]:
    """So many leads in each partition that cool one after the other, from `seconds` on; their ids."""
    ids = set()
    for partition in range(world.partitions):
        await feeder.events([b"no event"], partition)
        told = [warm(f"lead-{partition}-{n}", seconds + n / 100, partition)[1] for n in range(leads)]
        await feeder.scores([record for records in told for record in records], partition)
        ids |= {f"lead-{partition}-{n}" for n in range(leads)}
    return ids


async def test_two_routers_cool_each_lead_once_though_one_is_killed(world: World, feeder: Feeder) -> None:
    first, second = world.start(**BY_THE_CLOCK), world.start(**BY_THE_CLOCK)
    await asyncio.gather(first.ready(), second.ready())
    ids = await many(world, feeder, 300, 6.0)
    await world.messages(lambda found: len(found) >= 3 * len(ids))
    await world.messages(lambda found: bool(withdrawals(found)))
    first.kill()  # in the middle: they cool over three seconds
    await assert_each_withdrawn_once(world, ids)


async def test_a_router_that_stood_still_changes_nothing_when_it_wakes_up(world: World, feeder: Feeder) -> None:
    stopped = world.start(**BY_THE_CLOCK)
    await stopped.ready()
    ids = await many(world, feeder, 50, 3.0)
    await world.messages(lambda found: len(found) >= 3 * len(ids))
    stopped.process.send_signal(signal.SIGSTOP)
    successor = world.start(**BY_THE_CLOCK)
    await world.messages(lambda found: len(withdrawals(found)) >= len(ids), 40)
    stopped.process.send_signal(signal.SIGCONT)
    await asyncio.sleep(1.5)
    await assert_each_withdrawn_once(world, ids)
    assert successor.process.poll() is None


async def assert_each_withdrawn_once(world: World, ids: set[str]) -> None:
    sent = await world.messages(lambda found: len(withdrawals(found)) >= len(ids), 40)
    assert moments(sent).keys() == ids
    assert len(withdrawals(sent)) == len(ids)
    seqs = {(msgspec.json.decode(m.value)["lead_id"], msgspec.json.decode(m.value)["seq"]) for m in sent}
    assert seqs == {(id, seq) for id in ids for seq in range(1, 6)}
