"""Events that are numbered by lead, as they arrived in the log: all of them, once more or not, and in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.events import decode_event


@dataclass(frozen=True)
class Arrived:
    """`delivered`: different events; `copies`: what came beside them, which the scorer leaves out. `missing` ids;
    `out_of_order`: leads whose first copies are not in the order of their numbers."""

    delivered: int
    copies: int
    missing: list[str]
    out_of_order: list[str]
    unknown: int


async def arrived(bootstrap: str, topic: str, sent: Mapping[str, int]) -> Arrived:
    """`sent`: lead → how many events, with the ids `<number of the lead>:<number>`, counted from 0."""
    firsts: defaultdict[str, list[int]] = defaultdict(list)
    copies: Counter[str] = Counter()
    for value in await _values(bootstrap, topic):
        event = decode_event(value)
        copies[event.id] += 1
        if copies[event.id] == 1:
            firsts[event.user_id or ""].append(int(event.id.partition(":")[2]))
    return Arrived(
        delivered=len(copies),
        copies=copies.total() - len(copies),
        missing=[
            f"{lead.removeprefix('lead-')}:{number}"
            for lead, count in sent.items()
            for number in sorted(set(range(count)) - set(firsts[lead]))
        ],
        out_of_order=[lead for lead, numbers in firsts.items() if numbers != sorted(numbers)],
        unknown=sum(number >= sent.get(lead, 0) for lead, numbers in firsts.items() for number in numbers),
    )


async def _values(bootstrap: str, topic: str) -> list[bytes]:
    """Of each partition in its order."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        wanted = sum((await consumer.end_offsets(partitions)).values())
        values: list[bytes] = []
        while len(values) < wanted:
            batches = await consumer.getmany(timeout_ms=1000, max_records=10_000)
            values += [record.value for batch in batches.values() for record in batch]
        return values
    finally:
        await consumer.stop()
