"""What aiokafka's fetching ahead costs a reader, and that ours does without."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.fresh_fetch import fetch_no_further, fetch_now

NewTopic = Callable[..., Awaitable[str]]
FETCHED_AHEAD_SECONDS = 0.5


async def test_a_record_fetched_ahead_holds_up_the_next_one(options: dict[str, Any], new_topic: NewTopic) -> None:
    """Ours: `shared/fresh_fetch.py`, which may go when this reads both."""
    assert await _second_reading(options, await new_topic("t"), ahead=True) == [b"2"]


async def test_without_fetching_ahead_all_is_read_that_is_there(options: dict[str, Any], new_topic: NewTopic) -> None:
    assert await _second_reading(options, await new_topic("t"), ahead=False) == [b"2", b"3"]


async def _second_reading(options: dict[str, Any], topic: str, ahead: bool) -> list[bytes]:
    partition = TopicPartition(topic, 0)
    async with (
        AIOKafkaProducer(**options) as producer,
        AIOKafkaConsumer(**options, auto_offset_reset="earliest") as consumer,
    ):
        consumer.assign([partition])
        await producer.send_and_wait(topic, b"1", partition=0)
        taken = await consumer.getmany(timeout_ms=10_000)
        if not ahead:
            fetch_no_further(consumer, taken)
        await producer.send_and_wait(topic, b"2", partition=0)
        await asyncio.sleep(FETCHED_AHEAD_SECONDS)
        await producer.send_and_wait(topic, b"3", partition=0)
        if not ahead:
            fetch_now(consumer, [partition])
        taken = await consumer.getmany(timeout_ms=10_000)
        return [record.value for record in taken[partition]]
