"""How many score updates a second one router turns into stages and hand-offs, and what Postgres costs per update.

    TASUKI_PARTS=apache python -m tests.load.router_rate [--leads 20000] [--updates 100000] [--companies 5000]

On a real Kafka and Postgres: first a backlog of `tests.load.router_mix` (throughput), then single inquiries one after
the other (latency, from sending the score record until the hand-off can be read).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.parts import Parts, start_parts
from shared.scores import ScoreRecord, encode_score
from shared.topics import Topics
from tests.load.router_mix import Mix, events_of
from tests.router_world import Feeder, RouterProcess, World
from tests.score_records import Story

PARTITIONS = 4
RECORDS_IN_A_TRANSACTION = 5000
COMPANIES = 5000


async def measure(parts: Parts, leads: int, updates: int, singles: int, companies: int = COMPANIES) -> dict[str, float]:
    name = f"rate{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "router.log"
        database = await asyncio.to_thread(parts.postgres.create_database, name)
        world = World(parts.kafka_bootstrap, database, Topics(f"{name}."), partitions=PARTITIONS, log=log)
        await world.make()
        watch = Watch(world, companies)
        mixes = [Mix(leads // PARTITIONS, partition) for partition in range(PARTITIONS)]
        try:
            # Another process applies the beginning: the one measured finds leads that exist, as on any other day.
            await watch.passed([list(mix.beginning()) for mix in mixes])
            found = await watch.passed([list(mix.updates(updates // PARTITIONS // 100)) for mix in mixes])
            return {**found, **(await _latency(world, singles) if singles else {})}
        finally:
            for router in world.running:
                router.kill()
            await watch.engine.dispose()


class Watch:
    """Writes backlogs, and measures a router while it works through them."""

    def __init__(self, world: World, companies: int) -> None:
        self._world, self._end, self._companies = world, 0, companies
        self.engine = create_async_engine(world.database_url)

    async def passed(self, lanes: list[list[ScoreRecord]]) -> dict[str, float]:
        """From the first record applied until all are and the outbox is empty."""
        for partition, records in enumerate(lanes):
            await self._write(records, partition)
        before = await self._ask(_ROWS)
        start = await self._ask(_PLACE)
        router = self._world.start()
        began: tuple[float, int, Cpu] | None = None
        applied_at = 0.0
        while True:
            await asyncio.sleep(0.1)  # more often, the question itself would be measured
            assert router.process.poll() is None, "the router ended by itself"
            place, now = await self._ask(_PLACE), time.perf_counter()
            if began is None and place["passed"] > start["passed"]:
                began = (now, place["passed"], await self._cpu(router))
            if not applied_at and place["passed"] == self._end:
                applied_at = now
            if began and applied_at and not place["waiting"]:
                break
        cpu = await self._cpu(router)
        router.end()  # its connections tell their statistics when they end
        after = await self._ask(_ROWS)
        updates = self._end - began[1]
        thousands = sum(map(len, lanes)) / 1000
        return {
            "updates_per_s": round(updates / (now - began[0])),
            "applied_per_s": round(updates / (applied_at - began[0])),
            "router_cpu_us_per_update": round((cpu.router - began[2].router) / updates * 1e6, 1),
            "postgres_cpu_us_per_update": round((cpu.postgres - began[2].postgres) / updates * 1e6, 1),
            "sql_ms_per_1000_updates": round((after["sql_ms"] - before["sql_ms"]) / thousands, 1),
            "wal_bytes_per_update": round(float(after["wal_bytes"] - before["wal_bytes"]) / thousands / 1000),
            "stage_changes_per_1000": round((after["stage_changes"] - before["stage_changes"]) / thousands, 1),
            "handoffs_per_1000": round((after["handoffs"] - before["handoffs"]) / thousands, 1),
        }

    async def _write(self, records: list[ScoreRecord], partition: int) -> None:
        feeder = Feeder(self._world)
        await feeder.events(events_of(records, self._companies), partition)
        for start in range(0, len(records), RECORDS_IN_A_TRANSACTION):
            part = records[start : start + RECORDS_IN_A_TRANSACTION]
            await feeder.scores(part, partition)
            self._end += len(part) + 1  # the mark of the commit has an offset as well

    async def _ask(self, question: str) -> RowMapping:
        async with self.engine.connect() as connection:
            found = await connection.execute(text(question), {"topic": self._world.topics.scores})
            return found.mappings().one()

    async def _cpu(self, router: RouterProcess) -> Cpu:
        backend = (await self._ask("SELECT pg_backend_pid() AS pid WHERE :topic <> ''"))["pid"]
        return Cpu(_cpu_seconds(router.process.pid), _family_cpu_seconds(_stat(backend)[1]))


_PLACE = (
    "SELECT (SELECT coalesce(sum(next_offset), 0) FROM offsets WHERE topic = :topic)::bigint AS passed, "
    "EXISTS (SELECT FROM outbox) AS waiting"
)
_ROWS = (
    "SELECT (SELECT count(*) FROM stage_changes) AS stage_changes, (SELECT count(*) FROM handoffs) AS handoffs, "
    "pg_current_wal_lsn() - '0/0'::pg_lsn AS wal_bytes, "
    "(SELECT active_time FROM pg_stat_database WHERE datname = current_database() AND :topic <> '') AS sql_ms"
)


class Cpu(NamedTuple):
    """Processor seconds so far."""

    router: float
    postgres: float


def _stat(pid: int) -> list[int]:
    """The numbers of a process from its state on, which is 0 here (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return [0, *map(int, fields[1:])]


def _cpu_seconds(pid: int, *, with_ended_children: bool = False) -> float:
    return sum(_stat(pid)[11 : 15 if with_ended_children else 13]) / os.sysconf("SC_CLK_TCK")


def _family_cpu_seconds(parent: int) -> float:
    """Of a Postgres server: its first process, and one for each connection and each chore."""
    used = _cpu_seconds(parent, with_ended_children=True)
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            if _stat(int(path.name))[1] == parent:
                used += _cpu_seconds(int(path.name))
    return used


async def _latency(world: World, singles: int) -> dict[str, float]:
    await world.start().ready()
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
    arguments.add_argument("--updates", type=int, default=100_000)
    arguments.add_argument("--singles", type=int, default=200)
    arguments.add_argument("--companies", type=int, default=COMPANIES, help="1: all leads are of the same one")
    given = arguments.parse_args()
    with start_parts() as parts:
        print(json.dumps(asyncio.run(measure(parts, given.leads, given.updates, given.singles, given.companies))))  # noqa: T201


if __name__ == "__main__":
    main()
