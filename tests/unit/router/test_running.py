"""What the relay and the consumer keep in order while something else goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.router.consumer import Consumer
from services.router.failures import PostgresAway
from services.router.intake import Intake
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from services.router.relay import Relay, lane_producer
from services.router.status import Watch
from shared.clock import SystemClock
from shared.playbook import load_playbook
from shared.topics import Topics

NOWHERE: dict[str, Any] = {"bootstrap_servers": "127.0.0.1:1"}


def engine() -> AsyncEngine:
    return create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")


class HalfFailing(Relay):
    """Lane 0 fails at once, lane 1 takes its time."""

    finished = False

    async def _send(self, lane: int, rows: Sequence[RowMapping]) -> bool:
        if lane == 0:
            raise PostgresAway("Postgres is away")
        await asyncio.sleep(0.05)
        self.finished = True
        return True


async def test_a_lane_that_fails_leaves_no_send_behind() -> None:
    relay = HalfFailing(engine(), frozenset, partial(lane_producer, NOWHERE, "t"), Watch())
    with pytest.raises(PostgresAway):
        await relay._send_all({0: [], 1: []})
    assert relay.finished


async def test_a_lane_that_cannot_be_opened_is_told_until_it_is_gone() -> None:
    lanes, watch = {0}, Watch()
    relay = Relay(engine(), lambda: frozenset(lanes), partial(lane_producer, NOWHERE, "t"), watch)
    for _ in range(2):
        await relay._round()
        assert "Kafka is away" in (watch.status.relay or "")
    lanes.clear()
    await relay._round()
    assert watch.status.relay is None


async def test_the_lag_of_partitions_that_were_taken_away_is_forgotten() -> None:
    rules, topics, watch = Rules(load_playbook()), Topics("t."), Watch()
    ledger = Ledger(engine(), rules, topics, SystemClock())
    consumer = Consumer(None, ledger, Intake(lambda: rules, topics, watch.metrics), watch, lambda: None)
    watch.metrics.lag.labels("t.events", 3).set(7)
    consumer.rebalanced(lanes_lost=True)
    assert [sample for metric in watch.metrics.lag.collect() for sample in metric.samples] == []
