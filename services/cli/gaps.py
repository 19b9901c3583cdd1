"""Events that no part of the playbook speaks of: what leads do, and nobody sees."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.scorer.scoring import Scorer
from services.scorer.scoring.heard import UNCLASSIFIED
from shared.acceptance import accepted
from shared.events import SENT, Event
from shared.topic_check import partition_counts, refuse_missing
from shared.topics import DAY_MS

MOST_NAMES = 1_000
"""Senders may invent any number: beyond these, events count together."""
OTHERS = "…"


class Record(Protocol):
    """What is read of a Kafka record."""

    key: bytes | None
    value: bytes | None
    offset: int
    timestamp: int


@dataclass
class Gap:
    """An event name that the playbook lacks; the example is the latest in the log."""

    name: str
    source: str
    times: int = 0
    last: datetime | None = None
    example: str = ""
    properties: tuple[str, ...] = ()

    def add(self, event: Event) -> None:
        self.times += 1
        self.last = max(self.last, event.happened) if self.last else event.happened
        self.example, self.properties = event.id, tuple(sorted(event.properties))


class Gaps:
    """Looks at records of `events`; `read` counts them all, `refused` those that are no events."""

    def __init__(self, scorer: Scorer) -> None:
        self._hear = scorer.hear
        self._found: dict[tuple[str, str], Gap] = {}
        self.read, self.refused = 0, 0

    def look(self, record: Record) -> None:
        self.read += 1
        try:
            event = accepted(record.key, record.value, record.timestamp)
        except ValueError:
            self.refused += 1  # it is in the dead letters, with the reason
            return
        if event.kind not in SENT:
            return  # what the services tell each other
        if UNCLASSIFIED not in self._hear(event, record.offset, record.timestamp // DAY_MS).remarks:
            return
        key = (event.name, event.source)
        if key not in self._found and len(self._found) >= MOST_NAMES:
            key = (OTHERS, OTHERS)
        self._found.setdefault(key, Gap(*key)).add(event)

    def most_frequent_first(self) -> list[Gap]:
        return sorted(self._found.values(), key=lambda gap: (-gap.times, gap.name, gap.source))


async def latest_records(options: dict[str, Any], topic: str, count: int | None) -> AsyncIterator[Iterable[Any]]:
    """About the last `count` records of a topic (None: all), as they come; ends where the log ended when it was asked.

    Raises `ConfigurationError` where Kafka or the topic is missing."""
    known = await partition_counts(options)
    refuse_missing(known, [topic])
    partitions = [TopicPartition(topic, number) for number in range(known[topic])]
    async with AIOKafkaConsumer(**options, isolation_level="read_committed", enable_auto_commit=False) as consumer:
        consumer.assign(partitions)
        first, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for tp in partitions:
            start = first[tp] if count is None else max(first[tp], ends[tp] - -(-count // len(partitions)))
            consumer.seek(tp, start)
        while unread := [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
            for tp, records in (await consumer.getmany(*unread, timeout_ms=500)).items():
                yield [record for record in records if record.offset < ends[tp]]
