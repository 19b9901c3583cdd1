"""A world of its own for each test: topics, an empty database, and no router left behind."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.parts import Parts
from shared.topics import Topics
from tests.router_world import Feeder, World


@pytest.fixture
async def world(parts: Parts, database_url: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    made = World(parts.kafka_bootstrap, database_url, Topics(topic_prefix), log=tmp_path / "router.log")
    await made.make()
    yield made
    for router in made.running:
        router.kill()
    # pytest shows it only where the test failed.
    sys.stderr.write((tmp_path / "router.log").read_text() if (tmp_path / "router.log").exists() else "")


@pytest.fixture
def feeder(world: World) -> Feeder:
    return Feeder(world)


@pytest.fixture
def parts_database(parts: Parts) -> str:
    """A database without our tables."""
    return parts.database_url
