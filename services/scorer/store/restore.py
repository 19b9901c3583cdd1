"""Read a partition's states back from the compacted topic, after the previous owner has been fenced."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.scorer.denied import DENIED_PREFIX
from services.scorer.store.errors import StoreFailed, StoreMismatch
from services.scorer.store.records import POSITION_KEY, PositionRecord, decode_position

log = logging.getLogger(__name__)

STALL_SECONDS = 60.0
PROGRESS_SECONDS = 2.0


@dataclass
class Restored:
    """States and the deny-list by key, and the last applied offset."""

    states: dict[str, bytes] = field(default_factory=dict)
    denied: dict[bytes, bytes] = field(default_factory=dict)
    position: PositionRecord | None = None


@dataclass(frozen=True)
class Marks:
    """Where the topics stand, read after fencing, when no transaction of a previous owner is open any more."""

    state_end: int
    source_begin: int
    source_end: int
    committed: int | None


async def read_marks(options: dict[str, Any], state: TopicPartition, source: TopicPartition, group: str) -> Marks:
    """Ends are high watermarks, not last stable offsets: a transaction left hanging must be noticed, not skipped."""
    async with _consumer(options, group_id=group, isolation_level="read_uncommitted") as consumer:
        ends = await consumer.end_offsets([state, source])
        begins = await consumer.beginning_offsets([source])
        return Marks(ends[state], begins[source], ends[source], await consumer.committed(source))


async def read_states(options: dict[str, Any], state: TopicPartition, end: int) -> Restored:
    """Read committed records up to `end`. Raises `StoreFailed` when reading makes no progress for a minute."""
    restored = Restored()
    if end == 0:
        return restored
    async with _consumer(options, isolation_level="read_committed", fetch_max_wait_ms=50) as consumer:
        # Nothing between the two: an answer about the end, asked for by `assign`, would overtake the seek, and nothing
        # would be restored. No upstream issue is known.
        consumer.assign([state])
        await consumer.seek_to_beginning(state)
        position, moved = -1, time.monotonic()
        reported = moved
        # position() counts the markers of transactions, which are never handed over as records.
        while (now_at := await consumer.position(state)) < end:
            now = time.monotonic()
            if now_at > position:
                position, moved = now_at, now
            elif now - moved > STALL_SECONDS:
                raise StoreFailed(
                    f"{state.topic}[{state.partition}] can be read to offset {now_at} only, of {end}: a transaction "
                    "seems to hang there; see kafka-transactions.sh find-hanging"
                )
            if now - reported > PROGRESS_SECONDS:
                reported = now
                log.info("%s[%d]: restored %d of %d records", state.topic, state.partition, now_at, end)
            for records in (await consumer.getmany(timeout_ms=200, max_records=20_000)).values():
                _take(restored, records)
                await asyncio.sleep(0)
    return restored


def _take(restored: Restored, records: list[Any]) -> None:
    for record in records:
        if record.key == POSITION_KEY:
            restored.position = decode_position(record.value)
        elif record.key.startswith(DENIED_PREFIX):
            restored.denied[record.key] = record.value
        elif record.value is None:
            restored.states.pop(record.key.decode(), None)
        else:
            restored.states[record.key.decode()] = record.value


def check(restored: Restored, marks: Marks, source: TopicPartition, group: str) -> int:
    """The last applied offset, -1 for none. Raises `StoreMismatch` where going on would lose or repeat events."""
    where = f"{source.topic}[{source.partition}]"
    position = restored.position.position if restored.position else -1
    if restored.position and restored.position.source != source.topic:
        raise StoreMismatch(
            f"the state was made from topic {restored.position.source}, not {source.topic}: use the scorer-state topic "
            "that belongs to it, or an empty one"
        )
    if position >= marks.source_end:
        raise StoreMismatch(
            f"{where} ends at {marks.source_end}, but events up to {position} have been applied: the topic was made "
            "anew or cut. Delete and create scores and scorer-state as well, and reset the group "
            f"{group}, to score the new log from its beginning"
        )
    if marks.committed is not None and marks.committed > position + 1:
        raise StoreMismatch(
            f"group {group} stands at {marks.committed} of {where}, but the state includes only what is before "
            f"{position + 1}: scorer-state lost records, or somebody moved the group. Reset the group to "
            f"{position + 1} (kafka-consumer-groups.sh --reset-offsets) to apply the events between"
        )
    if 0 <= position + 1 < marks.source_begin and restored.position:
        log.error(
            "%s: events %d to %d were deleted by retention before they were scored",
            where,
            position + 1,
            marks.source_begin - 1,
        )
    return position


@asynccontextmanager
async def _consumer(options: dict[str, Any], **kwargs: Any) -> AsyncIterator[Any]:
    consumer = AIOKafkaConsumer(
        **options, enable_auto_commit=False, max_partition_fetch_bytes=8 * 1024 * 1024, **kwargs
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()
