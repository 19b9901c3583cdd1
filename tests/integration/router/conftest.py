"""A world of its own for each test: topics, an empty database, and no router left behind."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.router.migrate import upgrade
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


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Of an empty database with our tables."""
    await asyncio.to_thread(upgrade, database_url)
    made = create_async_engine(database_url)
    yield made
    await made.dispose()
