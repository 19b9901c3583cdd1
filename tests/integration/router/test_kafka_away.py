"""Kafka goes away and comes back under a running router: it says so, and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.router.probe import ANSWER_WITHIN_SECONDS
from shared.parts import Parts, start_parts
from shared.topics import Topics
from tests.router_world import Feeder, RouterProcess, World
from tests.score_records import Story


@pytest.fixture
def own_parts() -> Iterator[Parts]:
    """A broker of its own: others do not notice that it is killed."""
    with start_parts() as parts:
        if "not Apache Kafka" in parts.kafka.description:
            pytest.skip("the embedded broker forgets its topics when it is killed")
        yield parts


async def test_not_ready_while_kafka_is_away_and_ready_again(own_parts: Parts, tmp_path: Path) -> None:
    database = own_parts.postgres.create_database("away")
    world = World(own_parts.kafka_bootstrap, database, Topics("away."), log=tmp_path / "router.log")
    await world.make()
    router, feeder = world.start(), Feeder(world)
    try:
        await router.ready()
        own_parts.kafka.kill()
        try:
            await told(router, 503, "Kafka does not answer", ANSWER_WITHIN_SECONDS + 30)
            await asyncio.sleep(3)
            await told(router, 503, "Kafka does not answer", 0)  # it stays so
        finally:
            await asyncio.to_thread(own_parts.kafka.start)
        await told(router, 200, "ok", 90)
        await feeder.events([b"{no event"])
        await feeder.scores([Story("l").record("contact_obtained")])
        sent = await world.messages(bool, 60)
        assert [message.topic for message in sent] == [world.topics.stages]
        assert router.process.poll() is None, "the same process goes on"
    finally:
        router.kill()


async def told(router: RouterProcess, status: int, text: str, seconds: float) -> None:
    """Wait until /readyz answers so; asked once at least."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    async with httpx.AsyncClient(timeout=10) as http:
        while True:
            answer = await http.get(router.url + "/readyz")
            if answer.status_code == status and text in answer.text:
                return
            assert loop.time() < until, answer.text
            await asyncio.sleep(0.2)
