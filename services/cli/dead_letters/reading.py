"""Topics read from some place to their present end, without a group: nobody's position is moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.cli.dead_letters.letter import Place
from services.cli.dead_letters.selecting import Index, no_letter_at
from services.cli.progress import Progress
from shared.topic_check import partition_counts, refuse_missing

WAIT_MS = 500


class Reader:
    """Reads dead letters; `partitions` has the number of partitions of every topic there is. Made by `open_reader`."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, partitions: Mapping[str, int]) -> None:
        self._consumer, self._topic, self.partitions = consumer, topic, partitions

    async def index(self, progress: Progress) -> Index:
        """Of the whole topic."""
        parts = self._parts()
        first, ends = await self._consumer.beginning_offsets(parts), await self._consumer.end_offsets(parts)
        total = sum(ends[part] - first[part] for part in parts)
        progress.start("reading", total)
        index, seen = Index(), 0
        async for record in self._records(first, ends):
            index.add(record)
            seen += 1
            progress.advance(1)
        if seen < total:
            progress.advance(total - seen)  # markers of transactions
        return index

    async def at(self, places: Iterable[Place]) -> AsyncIterator[ConsumerRecord]:
        """The records at these places, in the order of the topic. Raises `CommandError` where one is not there."""
        missing = set(places)
        parts = self._parts()
        first, ends = await self._consumer.beginning_offsets(parts), await self._consumer.end_offsets(parts)
        for part in parts:
            there = range(first[part], ends[part])
            offsets = {place.offset for place in missing if place.partition == part.partition and place.offset in there}
            if not offsets:
                continue
            async for record in self._records({part: min(offsets)}, {part: max(offsets) + 1}):
                if record.offset in offsets:
                    missing.discard(Place(record.partition, record.offset))
                    yield record
        if missing:
            raise no_letter_at(sorted(missing))

    async def newest(self, topic: str, after: Mapping[int, int]) -> dict[tuple[int, bytes | None], int]:
        """The latest offset of each key of `topic` behind the offset `after` of its partition."""
        parts = {TopicPartition(topic, number): offset + 1 for number, offset in after.items()}
        found: dict[tuple[int, bytes | None], int] = {}
        if parts:
            async for record in self._records(parts, await self._consumer.end_offsets(list(parts))):
                found[record.partition, record.key] = record.offset
        return found

    def _parts(self) -> list[TopicPartition]:
        return [TopicPartition(self._topic, number) for number in range(self.partitions[self._topic])]

    async def _records(
        self, first: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> AsyncIterator[ConsumerRecord]:
        self._consumer.assign(list(first))
        for part, offset in first.items():
            self._consumer.seek(part, offset)
        while unread := [part for part in first if await self._consumer.position(part) < ends[part]]:
            for part, records in (await self._consumer.getmany(*unread, timeout_ms=WAIT_MS)).items():
                for record in records:
                    if record.offset < ends[part]:
                        yield record


@asynccontextmanager
async def open_reader(options: dict[str, Any], topic: str) -> AsyncIterator[Reader]:
    """Raises `ConfigurationError` where Kafka or the topic is missing."""
    known = await partition_counts(options)
    refuse_missing(known, [topic])
    consumer = AIOKafkaConsumer(
        **options, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    async with consumer:
        yield Reader(consumer, topic, known)
