"""When a measurement of the scorer's benchmark ends: engines write to themselves what they must read as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.kafka import create_topics
from shared.parts import Parts
from shared.topics import Topics, TopicSpec
from tests.load.bench import observe
from tests.load.bench.build import Built
from tests.load.bench.engines import Run
from tests.load.bench.observe import Watch
from tests.load.bench.worker import EngineError

BACKLOG = 10


class Steady:
    """An engine that neither ends nor costs anything: this test does what it would do."""

    def check(self) -> None:
        pass

    def cpu_seconds(self) -> float:
        return 0.0

    def last_words(self) -> str:
        return "nothing to say"


class Engine:
    """Commits and tells itself what the test wants, as a group of its own."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.events = TopicPartition(run.topics.events, 0)
        self.told = TopicPartition(run.between, 0) if run.has_between else self.events

    async def start(self) -> None:
        names = {self.events.topic, self.told.topic}
        server = {"bootstrap_servers": self.run.bootstrap}
        await create_topics(server, [TopicSpec(name, 1, {}) for name in names])
        self._consumer = AIOKafkaConsumer(**server, group_id=self.run.group, enable_auto_commit=False)
        await self._consumer.start()
        self._consumer.assign([TopicPartition(name, 0) for name in names])
        async with AIOKafkaProducer(**server) as producer:
            for _ in range(BACKLOG):
                await producer.send_and_wait(self.events.topic, b"event", partition=0)
        self._producer = AIOKafkaProducer(**server, transactional_id=self.run.group)
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()
        await self._consumer.stop()

    async def tell(self) -> int:
        """A message to itself, in a transaction, whose marker comes behind it. Gives the offset."""
        async with self._producer.transaction():
            sent = await self._producer.send_and_wait(self.told.topic, b"told", partition=0)
        return int(sent.offset)

    async def commit(self, partition: TopicPartition, offset: int) -> None:
        await self._consumer.commit({partition: offset})


@pytest.fixture(params=["quix", "tasuki"])
async def engine(
    request: pytest.FixtureRequest, parts: Parts, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Engine]:
    """One that tells itself in a topic of its own, and one that does so in `events`."""
    monkeypatch.setattr(observe, "QUIET_SECONDS", 0.3)
    monkeypatch.setattr(observe, "FETCH_MS", 300)
    run = Run(parts.kafka_bootstrap, Topics(topic_prefix), request.param, Path(), Built(Path(), Path(), ""))
    made = Engine(run)
    await made.start()
    yield made
    await made.stop()


def watch_of(engine: Engine) -> Watch:
    return Watch(engine.run, Steady(), {engine.events: BACKLOG})


async def test_it_ends_when_all_that_was_told_is_read(engine: Engine) -> None:
    watch = watch_of(engine)
    watching = asyncio.create_task(watch.to_the_end())
    told = await engine.tell()
    await engine.commit(engine.events, BACKLOG)
    _, still_going = await asyncio.wait([watching], timeout=2)
    assert still_going, "a message was not read yet"
    another = await engine.tell()
    await engine.commit(engine.told, told + 1)
    _, still_going = await asyncio.wait([watching], timeout=2)
    assert still_going, "reading the message led to another one"
    await engine.commit(engine.told, another + 1)
    await asyncio.wait_for(watching, timeout=20)
    assert watch.told == 2
    assert watch.samples[-1].committed == BACKLOG
    assert watch.samples[-1].offsets[engine.told] == another + 1


async def test_what_is_committed_later_is_no_part_of_the_figure(engine: Engine) -> None:
    """Such as the place behind a transaction's marker."""
    watch = watch_of(engine)
    watching = asyncio.create_task(watch.to_the_end())
    await engine.commit(engine.events, BACKLOG)
    told = await engine.tell()
    await engine.commit(engine.told, told + 1)
    await asyncio.sleep(0.2)
    await engine.commit(engine.told, told + 2)
    await asyncio.wait_for(watching, timeout=20)
    assert watch.samples[-1].offsets[engine.told] == told + 1


async def test_messages_to_itself_are_no_events_of_the_backlog(engine: Engine) -> None:
    watch = watch_of(engine)
    told = await engine.tell()
    await engine.commit(engine.told, told + 1)
    await engine.commit(engine.events, BACKLOG - 1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watch.until(BACKLOG), timeout=1)
    await engine.commit(engine.events, BACKLOG)
    await asyncio.wait_for(watch.until(BACKLOG), timeout=5)


async def test_an_engine_that_reads_nothing_more_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "STALL_SECONDS", 1.5)
    await engine.tell()
    await engine.commit(engine.events, BACKLOG)
    with pytest.raises(EngineError, match=r"stands at 10 of 10 .* 1 records told to itself\nnothing to say"):
        await asyncio.wait_for(watch_of(engine).to_the_end(), timeout=20)
