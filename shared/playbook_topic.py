"""Reads the topic `playbooks`: every playbook that was ever activated, by its id."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

READ_SECONDS = 30.0


async def read_playbooks(options: dict[str, Any], topic: str) -> dict[str, str]:
    """The YAML texts. `options` are the connection arguments of aiokafka clients. Raises `KafkaError`, or
    `TimeoutError` when Kafka does not answer."""
    place = TopicPartition(topic, 0)
    found: dict[str, str] = {}
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, isolation_level="read_committed")
    try:
        async with asyncio.timeout(READ_SECONDS):
            await consumer.start()
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            end = (await consumer.end_offsets([place]))[place]
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found |= {record.key.decode(): record.value.decode() for record in records if record.value}
    finally:
        await consumer.stop()
    return found
