"""The scorer as a process, on a real Kafka: whatever is done to it, each event counts exactly once."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from services.scorer.scoring import Scorer
from services.scorer.scoring.state import LeadState, decode_state, encode_state
from services.scorer.store import PartitionStore
from services.scorer.store.records import POSITION_KEY, decode_position
from shared.acceptance import accepted
from shared.events import Event, Kind, Logged, decode_event, encode_event
from shared.playbook import load_playbook
from shared.scores import decode_score
from shared.topics import DAY_MS
from tests.integration.scorer.conftest import COUNTING
from tests.load.counting import CODEC, Count

LEADS = 200


def event(number: int, lead: str, received_at: datetime | None = None, **fields: Any) -> tuple[bytes, bytes]:
    received_at = received_at or datetime.now(UTC)
    made = Event(
        id=f"m{number}",
        source="web",
        key=lead,
        time=received_at,
        received_at=received_at,
        **({"kind": Kind.TRACK, "name": "Counted", "user_id": lead, "properties": {"points": number % 7}} | fields),
    )
    return lead.encode(), encode_event(made)


def events(numbers: range) -> list[tuple[bytes, bytes]]:
    chance = random.Random(numbers.start)
    return [event(number, f"lead-{chance.randrange(LEADS)}") for number in numbers]


@asynccontextmanager
async def producing(installation: Any, count: int) -> AsyncIterator[None]:
    """Produce in the background, in portions, over a few seconds."""

    async def produce() -> None:
        for start in range(0, count, 1000):
            await installation.produce(events(range(start, start + 1000)))
            await asyncio.sleep(0.1)

    task = asyncio.create_task(produce())
    try:
        yield
    finally:
        await task


async def expected(installation: Any) -> dict[str, Count]:
    """Counted directly from the log."""
    counts: dict[str, Count] = defaultdict(Count)
    for record in await installation.read(installation.topics.events):
        count = counts[record.key.decode()]
        count.events += 1
        count.points += decode_event(record.value).properties["points"]
        count.last = record.offset
    return counts


async def states(installation: Any) -> dict[str, Any]:
    """The newest state of each lead, as bytes, and the positions by partition."""
    newest = {}
    for record in await installation.read(installation.topics.scorer_state):
        newest[(record.partition, record.key)] = record.value
    for (partition, key), value in list(newest.items()):
        if key == POSITION_KEY:
            del newest[(partition, key)]
            assert decode_position(value).position + 1 == await installation.committed(partition)
    return {key.decode(): value for (_partition, key), value in newest.items()}


async def assert_exact(installation: Any) -> None:
    """State, position, group offset and public scores all say what the log says."""
    await installation.until_scored()
    truth = await expected(installation)
    assert {lead: CODEC.decode(raw) for lead, raw in (await states(installation)).items()} == truth
    last_seq: dict[str, int] = {}
    for record in await installation.read(installation.topics.scores):
        score = decode_score(record.value)
        assert score.seq > last_seq.get(score.lead_id, 0), "a score was repeated or overtaken"
        assert score.position.partition == record.partition
        last_seq[score.lead_id] = score.seq
    assert last_seq == {lead: count.events for lead, count in truth.items()}


async def test_a_backlog_and_then_live_events_are_scored(installation: Any) -> None:
    await installation.produce(events(range(5_000)))
    with installation.worker(COUNTING) as worker:
        await worker.ready()
        await assert_exact(installation)
        await installation.produce(events(range(5_000, 5_100)))
        await assert_exact(installation)
        async with httpx.AsyncClient() as http:
            metrics = (await http.get(f"http://127.0.0.1:{worker.port}/metrics")).text
            assert "tasuki_scorer_events_total 5100.0" in metrics
            assert 'tasuki_scorer_consumer_lag_messages{partition="0"}' in metrics
            assert (await http.get(f"http://127.0.0.1:{worker.port}/healthz")).status_code == 200
        assert worker.end() == 0


async def test_killed_in_the_middle_of_its_work_nothing_is_lost_or_doubled(installation: Any) -> None:
    chance = random.Random(2)
    async with producing(installation, 15_000):
        for _ in range(2):
            with installation.worker(COUNTING, TASUKI_SCORER_BATCH_EVENTS="100") as worker:
                await worker.ready()
                await asyncio.sleep(chance.uniform(0.05, 1.0))
                worker.kill()
        with installation.worker(COUNTING, TASUKI_SCORER_BATCH_EVENTS="500"):
            await asyncio.sleep(1)
            await installation.until_scored()
    with installation.worker(COUNTING):
        await assert_exact(installation)


async def test_workers_that_come_and_go_hand_over_exactly(installation: Any) -> None:
    small = {"TASUKI_SCORER_BATCH_EVENTS": "200"}
    async with producing(installation, 20_000):
        with installation.worker(COUNTING, **small) as first:
            await first.ready()
            with installation.worker(COUNTING, **small) as second:
                await second.ready()
                await asyncio.sleep(1)
                assert first.end() == 0
                await asyncio.sleep(1)
                with installation.worker(COUNTING, **small) as third:
                    await third.ready()
                    second.kill()
                    await assert_exact(installation)
                    assert third.end() == 0
    with installation.worker(COUNTING):
        await assert_exact(installation)


async def test_a_zombie_that_wakes_up_changes_nothing_and_ends(installation: Any) -> None:
    """Stopped in the middle of its work until others have its partitions, then woken with its batches in hand."""
    small = {"TASUKI_SCORER_BATCH_EVENTS": "200"}
    async with producing(installation, 15_000):
        with installation.worker(COUNTING, **small) as zombie:
            await zombie.ready()
            await asyncio.sleep(0.5)
            zombie.process.send_signal(signal.SIGSTOP)
            with installation.worker(COUNTING, **small) as heir:
                await heir.ready()
                await installation.until_scored()
                zombie.process.send_signal(signal.SIGCONT)
                await asyncio.sleep(2)
                await assert_exact(installation)
                # Either it was fenced while committing, or it learned from its group first and joined anew.
                assert zombie.process.poll() in {None, 70}
                assert heir.process.poll() in {None, 70}
    with installation.worker(COUNTING):
        await assert_exact(installation)


async def test_a_worker_whose_partition_was_taken_ends_at_once_and_says_so(installation: Any) -> None:
    await installation.produce(events(range(300)))
    with installation.worker(COUNTING) as worker:
        await assert_exact(installation)
        thief = await PartitionStore.open(
            0,
            options=installation.options,
            source_topic=installation.topics.events,
            state_topic=installation.topics.scorer_state,
            group=installation.group,
        )
        await installation.produce(events(range(300, 600)))
        assert await asyncio.to_thread(worker.process.wait, 10) == 70
        await thief.close()
    with installation.worker(COUNTING):
        await assert_exact(installation)


async def test_poison_goes_to_dead_letters_and_the_flow_goes_on(installation: Any) -> None:
    await installation.produce(events(range(50)))
    poison = [(b"lead-1", b"{oops"), (None, b"\x00\xff"), (b"lead-2", None), event(999, "lead-3", name="unbearable")]
    await installation.produce(poison, partition=0)
    await installation.produce(events(range(50, 100)))
    with installation.worker(COUNTING) as worker:
        await installation.until_scored()
        letters = await installation.read(installation.topics.dead_letters)
        assert {(letter.key, letter.value) for letter in letters} == set(poison)
        reasons = {dict(letter.headers)["tasuki_origin"]: dict(letter.headers)["tasuki_reason"] for letter in letters}
        assert len(reasons) == 4
        assert all(origin.startswith(f"{installation.topics.events}/0/".encode()) for origin in reasons)
        scored = [decode_score(record.value) for record in await installation.read(installation.topics.scores)]
        assert sum({score.lead_id: score.total for score in scored}.values()) == 100
        assert worker.end() == 0


async def test_the_default_playbook_scores_as_the_pure_scorer_does(installation: Any) -> None:
    """Killed once in between; compared with the pure scorer over the same log, lead by lead."""
    start = datetime(2026, 4, 1, tzinfo=UTC)
    chance = random.Random(7)
    names = ["Mail Clicked", "Catalogue Requested", "Content Downloaded", "Inquiry Submitted", "Nothing"]
    log = []
    for number in range(6_000):
        kind = chance.choice([{"kind": Kind.PAGE, "name": "Product"}, {"name": chance.choice(names)}])
        at = start + timedelta(minutes=number)
        log.append(event(number, f"lead-{chance.randrange(60)}", at, **kind))
    with installation.worker(TASUKI_SCORER_BATCH_EVENTS="50") as worker:
        await worker.ready()
        await installation.produce(log)
        await asyncio.sleep(0.3)
        worker.kill()
    with installation.worker():
        await installation.until_scored()

    scorer = Scorer(load_playbook(None))
    truth: dict[str, LeadState] = defaultdict(scorer.new_state)
    for record in await installation.read(installation.topics.events):
        logged = Logged(record.offset, record.timestamp // DAY_MS, accepted(record.key, record.value, record.timestamp))
        scorer.apply(truth[record.key.decode()], [logged], record.partition)
    found = {lead: decode_state(raw) for lead, raw in (await states(installation)).items()}
    published: dict[str, Any] = {}
    for record in await installation.read(installation.topics.scores):
        score = decode_score(record.value)
        before = published.get(score.lead_id)
        assert score.seq == (before.seq if before else 0) + 1
        published[score.lead_id] = score
    assert found.keys() == truth.keys() == published.keys()
    for lead, state in truth.items():
        assert published[lead].total * 1_000_000 == state.total
        # How many records there were depends on the cuts between batches; nothing else may.
        state.seq = found[lead].seq
        assert found[lead] == decode_state(encode_state(state))


async def test_what_is_wrong_at_the_start_is_said_and_ends_the_process(installation: Any) -> None:
    cases = [
        ({"TASUKI_KAFKA_BOOTSTRAP": "127.0.0.1:9"}, b"no Kafka answers at 127.0.0.1:9"),
        ({"TASUKI_TOPIC_PREFIX": "nowhere."}, b"run `tasuki topics create`"),
        ({"TASUKI_SCORER_BATCH_EVENTS": "none", "TASUKI_SCORER_PORT": "99999"}, b"TASUKI_SCORER_PORT"),
    ]

    async def run(environment: dict[str, str]) -> tuple[int | None, bytes]:
        with installation.worker_output(**environment) as process:
            _, err = await asyncio.to_thread(process.communicate, timeout=30)
            return process.returncode, err

    answers = await asyncio.gather(*(run(environment) for environment, _ in cases))
    for (code, message), (_, wanted) in zip(answers, cases, strict=True):
        assert code == 78
        assert wanted in message
        assert b"Traceback" not in message
    assert b"TASUKI_SCORER_BATCH_EVENTS" in answers[2][1], "all at once"
