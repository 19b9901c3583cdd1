"""Looks at an engine from outside, the same way at all: offsets that its group has committed, and records published."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.load.bench.engines import Engine, Run
from tests.load.bench.worker import EngineError
from tests.load.job.reference import Result

POLL_SECONDS = 0.05
STALL_SECONDS = 180.0
"""Longer than any engine's session timeout: after a SIGKILL the group must first miss the dead member."""
SETTLE_SECONDS = 20.0
"""How long an engine may take to publish what it has committed already. Faust does that."""


@dataclass(frozen=True)
class Sample:
    """`committed` events at `time` (seconds since 1970), for which the engine had used `cpu` seconds."""

    time: float
    committed: int
    cpu: float


class Watched(Protocol):
    """A worker, or several that share the work."""

    def check(self) -> None:
        """Raises `EngineError` when one has ended."""

    def cpu_seconds(self) -> float: ...
    def last_words(self) -> str: ...


async def committed_until(run: Run, worker: Watched, count: int) -> list[Sample]:
    """Samples from the first commit that was seen until `count` events are committed.

    Raises `EngineError` when the engine ends or makes no progress.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=run.bootstrap)
    await admin.start()
    samples: list[Sample] = []
    moved = time.monotonic()
    try:
        while not samples or samples[-1].committed < count:
            await asyncio.sleep(POLL_SECONDS)
            done = await _committed(admin, run)
            if done > (samples[-1].committed if samples else 0):
                samples.append(Sample(time.time(), done, worker.cpu_seconds()))
                moved = time.monotonic()
                continue
            worker.check()
            if time.monotonic() - moved > STALL_SECONDS:
                raise EngineError(f"stands at {done} of {count} for {STALL_SECONDS:.0f} s\n{worker.last_words()}")
    finally:
        await admin.close()
    return samples


async def _committed(admin: AIOKafkaAdminClient, run: Run) -> int:
    try:
        offsets = await admin.list_consumer_group_offsets(run.group)
    except KafkaError:
        return 0  # nobody has used a group on this broker yet: the coordinator is being made
    return sum(max(0, found.offset) for tp, found in offsets.items() if tp.topic == run.topics.events)


@dataclass
class Published:
    """What is in an engine's output topic: by lead, records, bytes of them, and when the last one was appended."""

    by_lead: dict[str, Result]
    records: int = 0
    bytes: int = 0
    last: float = 0.0


async def published(run: Run, engine: Engine, partitions: int, right: Callable[[dict[str, Result]], bool]) -> Published:
    """Everything published, read_committed. As long as it is not right, waits `SETTLE_SECONDS` for more."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=run.bootstrap, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    found = Published({})
    try:
        consumer.assign([TopicPartition(run.scores, number) for number in range(partitions)])
        await consumer.seek_to_beginning()
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            fetched = await consumer.getmany(timeout_ms=500, max_records=20_000)
            for records in fetched.values():
                until = time.monotonic() + SETTLE_SECONDS
                for record in records:
                    engine.read(found.by_lead, record.value)
                    found.records += 1
                    found.bytes += len(record.value)
                    found.last = max(found.last, record.timestamp / 1000)
            if not fetched and right(found.by_lead):
                break
    finally:
        await consumer.stop()
    return found
