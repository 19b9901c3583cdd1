"""The router's consumer when a partition is taken away while it applies a batch of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.router.batch import Batch
from services.router.consumer import Consumer, kafka_consumer
from services.router.intake import Intake
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from services.router.status import Watch
from shared.clock import SystemClock
from shared.playbook import load_playbook
from shared.topics import Topics
from tests.router_world import Feeder, World


class SlowLedger(Ledger):
    """Has applied a batch, and says so when it is told to `go_on`."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.applied, self.go_on = asyncio.Event(), asyncio.Event()

    async def apply(self, batch: Batch) -> int:
        messages = await super().apply(batch)
        self.applied.set()
        await self.go_on.wait()
        return messages


@pytest.fixture
async def world(options: dict[str, Any], database_url: str, topic_prefix: str) -> World:
    made = World(options["bootstrap_servers"], database_url, Topics(topic_prefix))
    await made.make()
    return made


@pytest.fixture
async def engine(world: World) -> AsyncIterator[AsyncEngine]:
    made = create_async_engine(world.database_url)
    yield made
    await made.dispose()


async def test_it_goes_on_with_what_it_has_left(world: World, engine: AsyncEngine) -> None:
    kafka, other = (
        kafka_consumer(world.options, world.topics.prefix, records_at_once=100, session_timeout_seconds=6)
        for _ in range(2)
    )
    rules, watch = Rules(load_playbook()), Watch()
    ledger = SlowLedger(engine, rules, world.topics, SystemClock())
    intake = Intake(lambda: rules, world.topics, watch.metrics)
    consumer = Consumer(kafka, ledger, intake, watch, lambda: None)
    for partition in range(2):
        await Feeder(world).events([b"no event: only its offset counts"], partition)
    running = asyncio.create_task(consumer.run())
    try:
        async with asyncio.timeout(30):
            await ledger.applied.wait()
            assert consumer.lanes == {0, 1}
            other.subscribe([world.topics.events, world.topics.scores])
            await other.start()
            while len(kafka.assignment()) != 2:  # noqa: ASYNC110 - aiokafka tells only its one listener
                await asyncio.sleep(0.05)
            (lost,) = {0, 1} - {place.partition for place in kafka.assignment()}
            with pytest.raises(AssertionError):  # what the router would run into
                kafka.last_stable_offset(TopicPartition(world.topics.events, lost))
            ledger.go_on.set()
            while consumer.lanes != {1 - lost} and not running.done():  # noqa: ASYNC110 - polled by the relay as well
                await asyncio.sleep(0.05)
        assert not running.done(), f"the consumer ended: {running.exception()!r}"
        assert watch.status.consumer is None
    finally:
        running.cancel()
        await asyncio.wait([running])
        await other.stop()
