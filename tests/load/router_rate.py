"""How many score updates a second one router turns into stages and hand-offs: on a real Kafka and Postgres.

    TASUKI_PARTS=apache python -m tests.load.router_rate [--leads 20000] [--records 100000]

First the backlog (throughput), then single inquiries one after the other (latency, from sending the score record until
the hand-off can be read).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.events import Event, Kind
from shared.parts import Parts, start_parts
from shared.scores import ScoreRecord, encode_score
from shared.topics import Topics
from tests.router_world import Feeder, World
from tests.score_records import Story


def records(leads: int, count: int, partition: int) -> Iterator[ScoreRecord]:
    """A realistic share: each lead obtained once, one in ten inquires, the others are seen on the site."""
    dice = random.Random(partition)
    lives = [Story(f"lead-{partition}-{n}", partition) for n in range(leads)]
    yield from (
        life.record("contact_obtained", channel="webinar", attributes={"prefecture": "大阪府"}) for life in lives
    )
    for _ in range(count - leads):
        life = dice.choice(lives)
        yield life.record("inquiry_made" if dice.random() < 0.01 else None, total=dice.uniform(0, 90))


async def measure(parts: Parts, leads: int, count: int, singles: int) -> dict[str, float]:
    name = f"rate{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "router.log"
        database = await asyncio.to_thread(parts.postgres.create_database, name)
        world = World(parts.kafka_bootstrap, database, Topics(f"{name}."), partitions=4, log=log)
        await world.make()
        feeder = Feeder(world)
        now = datetime.now(UTC)
        sent = 0
        for partition in range(world.partitions):
            event = Event(kind=Kind.PAGE, id=f"p{partition}", source="web", key="x", time=now, received_at=now)
            await feeder.events([event], partition)
            backlog = list(records(leads // world.partitions, count // world.partitions, partition))
            sent += len(backlog)
            for start in range(0, len(backlog), 5000):
                await feeder.scores(backlog[start : start + 5000], partition)
        router = world.start()
        try:
            await router.ready()
            return {
                **await _throughput(world, sent),
                **await _latency(world, singles),
            }
        finally:
            router.kill()


async def _throughput(world: World, sent: int) -> dict[str, float]:
    """From the first record applied to the last, and until the outbox is empty."""
    engine = create_async_engine(world.database_url)
    applied = text("SELECT coalesce(sum(next_offset), 0)::bigint FROM offsets WHERE topic = :topic")
    began: tuple[float, int] | None = None
    ended = 0.0
    try:
        while True:
            async with engine.connect() as connection:
                done = await connection.scalar(applied, {"topic": world.topics.scores}) or 0
                waiting = await connection.scalar(text("SELECT count(*) FROM outbox")) or 0
            now = time.perf_counter()
            if began is None and done:
                began = (now, done)
            if not ended and done >= sent:
                ended = now
            if began and ended and not waiting:
                async with engine.connect() as connection:
                    messages = await connection.scalar(text("SELECT sum(seq) FROM leads")) or 0
                return {
                    "updates_per_s": round((sent - began[1]) / (ended - began[0])),
                    "messages": int(messages),
                    "messages_per_s_to_the_end": round(float(messages) / (now - began[0])),
                }
            await asyncio.sleep(0.2)  # more often, the question itself would be measured
    finally:
        await engine.dispose()


async def _latency(world: World, singles: int) -> dict[str, float]:
    producer = AIOKafkaProducer(**world.options)
    topic = world.topics.handoffs("inside-sales")
    reader = AIOKafkaConsumer(
        topic, **world.options, isolation_level="read_committed", auto_offset_reset="latest", fetch_max_wait_ms=20
    )
    await producer.start()
    await reader.start()
    await reader.seek_to_end()
    seen = []
    try:
        for number in range(singles):
            story = Story(f"single-{uuid.uuid4().hex[:6]}-{number}")
            first, second = (
                story.record("contact_obtained"),
                story.record("inquiry_made", received_at=datetime.now(UTC)),
            )
            for record in (first, second):
                await producer.send(world.topics.scores, encode_score(record), key=record.lead_id.encode(), partition=0)
            started = time.perf_counter()
            async with asyncio.timeout(20):
                async for message in reader:
                    if msgspec.json.decode(message.value)["lead_id"] == story.lead_id:
                        break
            seen.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(0.05)
    finally:
        await producer.stop()
        await reader.stop()
    seen.sort()
    return {"latency_ms_p50": round(seen[len(seen) // 2], 1), "latency_ms_p99": round(seen[int(len(seen) * 0.99)], 1)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--leads", type=int, default=20_000)
    arguments.add_argument("--records", type=int, default=100_000)
    arguments.add_argument("--singles", type=int, default=200)
    given = arguments.parse_args()
    with start_parts() as parts:
        print(json.dumps(asyncio.run(measure(parts, given.leads, given.records, given.singles))))  # noqa: T201


if __name__ == "__main__":
    main()
