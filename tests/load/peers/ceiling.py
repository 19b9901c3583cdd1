"""The ceiling: consume, decode, produce one record per touched lead and batch. No rules, no state, no guarantee."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import Any

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from leads import options
from state import decode_event

MAX_BATCH_BYTES = 512 * 1024


class Touched(msgspec.Struct):
    """How many events of the lead were in the batch: so that what was read can be counted."""

    lead: str
    events: int


encode_touched = msgspec.json.Encoder().encode


async def run(given: Any) -> None:
    """Until it is told to stop. Offsets are committed by aiokafka every 100 ms."""
    consumer = AIOKafkaConsumer(
        given.events,
        bootstrap_servers=given.bootstrap,
        group_id=given.group,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=100,
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    producer = AIOKafkaProducer(bootstrap_servers=given.bootstrap, acks="all", max_batch_size=MAX_BATCH_BYTES)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await consumer.start()
    await producer.start()
    try:
        while not ended.is_set():
            for tp, records in (await consumer.getmany(timeout_ms=100, max_records=4000)).items():
                touched = Counter(decode_event(record.value).key for record in records)
                await _produce(producer, given.scores, tp.partition, touched)
    finally:
        await consumer.stop()
        await producer.stop()


async def _produce(producer: Any, topic: str, partition: int, touched: Counter[str]) -> None:
    batch, sent = producer.create_batch(), []
    for lead, count in touched.items():
        record = {"key": lead.encode(), "value": encode_touched(Touched(lead, count)), "timestamp": None}
        if batch.append(**record) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(**record)
    sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(run(options(__doc__).parse_args()))
