"""Looks at an engine from outside, the same way at all: offsets that its group has committed, and records published."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
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
QUIET_SECONDS = 2.0
"""Longer than any engine takes between two commits while it has something to read."""
FETCH_MS = 1000
"""Without a record for so long, there is none."""
SETTLE_SECONDS = 20.0
"""How long an engine may take to publish what it has committed already. Faust does that."""


Offsets = Mapping[TopicPartition, int]


@dataclass(frozen=True)
class Sample:
    """What the group has committed at `time` (seconds since 1970): `committed` events of the backlog, for which the
    engine had used `cpu` seconds; and all `offsets`, of what the engine tells itself as well."""

    time: float
    committed: int
    cpu: float
    offsets: Offsets


class Watched(Protocol):
    """A worker, or several that share the work."""

    def check(self) -> None:
        """Raises `EngineError` when one has ended."""

    def cpu_seconds(self) -> float: ...
    def last_words(self) -> str: ...


@dataclass
class Watch:
    """Looks at what an engine's group commits. `backlog`: where it ends in each partition of `events`; what comes after
    that, and all in `run.between`, the engine has written itself.

    All methods raise `EngineError` when the engine ends, or does not get on."""

    run: Run
    worker: Watched
    backlog: Offsets
    samples: list[Sample] = field(default_factory=list)
    """Whenever something has been committed."""
    told: int = 0
    """Records that the engine has written to itself."""
    began: float = field(default_factory=time.time)

    async def until(self, count: int) -> None:
        """Until so many events of the backlog are committed."""
        async with self._admin() as admin:
            await self._wait(admin, lambda: bool(self.samples) and self.samples[-1].committed >= count)

    async def to_the_end(self) -> None:
        """Until the backlog is committed, and all that the engine has told itself; the last sample is the first that
        says so.

        Where that ends is known only when nothing moves any more: reading a message may lead to another one. So the
        last sample is found afterwards, and how long it takes to be sure is no part of the figure."""
        await self.until(sum(self.backlog.values()))
        async with self._admin() as admin, self._consumer() as consumer:
            ends = dict(self.backlog)
            while True:
                quiet = time.monotonic() + QUIET_SECONDS
                seen = len(self.samples)
                await self._wait(admin, lambda quiet=quiet: time.monotonic() > quiet)  # type: ignore[misc]
                if len(self.samples) > seen:
                    continue
                await self._follow(consumer, ends)
                if self._has_read(self.samples[-1], ends):
                    break
        last = next(number for number, sample in enumerate(self.samples) if self._has_read(sample, ends))
        del self.samples[last + 1 :]

    async def _wait(self, admin: AIOKafkaAdminClient, done: Callable[[], bool]) -> None:
        while not done():
            await asyncio.sleep(POLL_SECONDS)
            offsets = await self._offsets(admin)
            if offsets != (self.samples[-1].offsets if self.samples else {}):
                committed = sum(min(offsets.get(tp, 0), end) for tp, end in self.backlog.items())
                self.samples.append(Sample(time.time(), committed, self.worker.cpu_seconds(), offsets))
                continue
            self.worker.check()
            moved = self.samples[-1].time if self.samples else self.began
            if time.time() - moved > STALL_SECONDS:
                done_so_far = self.samples[-1].committed if self.samples else 0
                raise EngineError(
                    f"stands at {done_so_far} of {sum(self.backlog.values())} for {STALL_SECONDS:.0f} s, with "
                    f"{self.told} records told to itself\n{self.worker.last_words()}"
                )

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.run.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Of what the engine tells itself, from its beginning."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.run.bootstrap, isolation_level="read_committed", enable_auto_commit=False
        )
        await consumer.start()
        try:
            between = [TopicPartition(self.run.between, tp.partition) for tp in self.backlog if self.run.has_between]
            consumer.assign([*self.backlog, *between])
            for tp in between:
                consumer.seek(tp, 0)
            for tp, end in self.backlog.items():
                consumer.seek(tp, end)
            yield consumer
        finally:
            await consumer.stop()

    async def _offsets(self, admin: AIOKafkaAdminClient) -> Offsets:
        try:
            found = await admin.list_consumer_group_offsets(self.run.group)
        except KafkaError:
            return {}  # nobody has used a group on this broker yet: the coordinator is being made
        topics = {self.run.topics.events, self.run.between}
        return {tp: of.offset for tp, of in found.items() if tp.topic in topics and of.offset > 0}

    async def _follow(self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> None:
        """Read what the engine has told itself meanwhile. Offsets of its records count, and not the ends of the
        partitions: those have markers of transactions behind them, which no group commits."""
        while fetched := await consumer.getmany(timeout_ms=FETCH_MS, max_records=20_000):
            for tp, records in fetched.items():
                ends[tp] = records[-1].offset + 1
                self.told += len(records)

    @staticmethod
    def _has_read(sample: Sample, ends: Offsets) -> bool:
        return all(sample.offsets.get(tp, 0) >= end for tp, end in ends.items())


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
