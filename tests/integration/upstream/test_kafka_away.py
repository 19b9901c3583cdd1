"""Kafka goes away under aiokafka's clients, and they do not say so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.parts import Parts

NewTopic = Callable[..., Awaitable[str]]


async def test_a_consumer_gets_nothing_and_a_producer_does_not_stop(
    parts: Parts, options: dict[str, Any], new_topic: NewTopic
) -> None:
    """Ours: the router's probe and the scorer's `Watch` ask Kafka time and again; whoever stops a producer has a
    timeout. How that looks from the outside: tests/integration/router/test_kafka_away.py, ingest/test_kafka_gone.py."""
    topic = await new_topic("any")
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(**options, enable_idempotence=True, request_timeout_ms=500)
    await asyncio.gather(consumer.start(), producer.start())
    consumer.assign([TopicPartition(topic, 0)])
    await producer.send_and_wait(topic, b"1")
    assert await consumer.getmany(timeout_ms=5000)
    parts.kafka.kill()
    try:
        sent = await producer.send(topic, b"2")
        # If this raises, aiokafka tells it now: look at services/router/probe.py.
        assert await consumer.getmany(timeout_ms=500) == {}
        stopping = asyncio.create_task(producer.stop())
        await asyncio.wait([stopping, sent], timeout=1)
        assert not stopping.done(), "producers stop without Kafka now: their timeouts may go"
        assert not sent.done(), "sends fail in time now: look at who waits for them with a timeout"
    finally:
        await asyncio.to_thread(parts.kafka.start)
    await asyncio.wait_for(stopping, 20)
    await consumer.stop()
