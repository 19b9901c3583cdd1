"""When is everything through? Asked of Kafka and of the ledger, not of the services' own word."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from types import TracebackType

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.cli.errors import CommandError
from services.scorer.settings import ScorerSettings
from shared.dead_letters import retried
from shared.kafka import client_options
from shared.settings import CommonSettings

STALLED_AFTER = 90.0
TAIL = 64

Offsets = dict[TopicPartition, int]


class Stalled(CommandError):
    """Something is left over and nothing moves."""


@dataclass(frozen=True)
class Backlog:
    """What is not yet through, in messages."""

    events: int  # offsets of the topic given out: events, what the scorer tells itself, markers of its transactions
    unscored: int
    unrouted: int
    outbox: int

    @property
    def empty(self) -> bool:
        return not (self.unscored or self.unrouted or self.outbox)


class Gauge:
    """Reads the backlog of one installation; an asynchronous context manager."""

    def __init__(self, settings: CommonSettings, partitions: int, engine: AsyncEngine) -> None:
        self._topics, self._partitions, self._engine = settings.topics, partitions, engine
        self._group = ScorerSettings(kafka_bootstrap=settings.kafka_bootstrap, topic_prefix=settings.topic_prefix).group
        options = client_options(settings)
        self._consumer = AIOKafkaConsumer(
            **options,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=50,  # end_offsets() waits behind a fetch on the same connection
        )
        self._admin = AIOKafkaAdminClient(**options)

    async def __aenter__(self) -> Gauge:
        await self._consumer.start()
        await self._admin.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def backlog(self) -> Backlog:
        """Messages between what is in Kafka and what is applied, stage by stage."""
        # In the order of the way: whoever scores an event may write further ones into the topic. What had been scored
        # before the ends were asked has written nothing behind them.
        scored = await self._committed()
        events = await self._ends(self._topics.events, self._partitions)
        scores = await self._after_last_records(await self._ends(self._topics.scores, self._partitions))
        async with self._engine.connect() as connection:
            rows = await connection.execute(text("SELECT topic, partition, next_offset FROM offsets"))
            routed = {TopicPartition(topic, number): offset for topic, number, offset in rows}
            outbox = await connection.scalar(text("SELECT count(*) FROM outbox"))
        return Backlog(
            events=sum(events.values()),
            unscored=sum(max(end - scored.get(part, 0), 0) for part, end in events.items()),
            unrouted=sum(max(end - routed.get(part, 0), 0) for part, end in (events | scores).items()),
            outbox=int(outbox or 0),
        )

    async def offered(self) -> dict[str, str]:
        """Receivers by id, of all hand-offs that were ever offered: what subscribers must have heard of."""
        query = text(
            "SELECT DISTINCT handoff_id, receiver FROM handoffs JOIN handoff_changes AS change USING (handoff_id) "
            "WHERE change.status = 'offered'"
        )
        async with self._engine.connect() as connection:
            return {row.handoff_id: row.receiver for row in await connection.execute(query)}

    async def dead_letters(self) -> int:
        """How many were put aside, those that were sent again since included."""
        part = TopicPartition(self._topics.dead_letters, 0)
        (end,) = (await self._consumer.end_offsets([part])).values()
        self._consumer.assign([part])
        await self._consumer.seek_to_beginning(part)
        found = 0
        while await self._consumer.position(part) < end:
            for records in (await self._consumer.getmany(timeout_ms=100)).values():
                found += sum(retried(record.headers) is None for record in records)
        return found

    async def records(self, topic: str, partitions: int) -> int:
        """Offsets given out so far: records, and markers where a topic is written in transactions."""
        return sum((await self._ends(topic, partitions)).values())

    async def _committed(self) -> Offsets:
        try:
            committed = await self._admin.list_consumer_group_offsets(self._group)
        except GroupCoordinatorNotAvailableError:
            return {}  # nobody has used a group on this broker yet
        return {part: at.offset for part, at in committed.items() if part.topic == self._topics.events}

    async def _ends(self, topic: str, partitions: int) -> Offsets:
        ends: Offsets = await self._consumer.end_offsets([TopicPartition(topic, n) for n in range(partitions)])
        return ends

    async def _after_last_records(self, ends: Offsets) -> Offsets:
        """The offset after the last record of each: the end itself counts markers of transactions too."""
        found: Offsets = {}
        distance = TAIL
        while left := {part: end for part, end in ends.items() if part not in found}:
            found |= await self._tails(left, distance)
            found |= {part: 0 for part, end in left.items() if end <= distance and part not in found}
            distance *= 8
        return found

    async def _tails(self, ends: Offsets, distance: int) -> Offsets:
        self._consumer.assign(list(ends))
        for part, end in ends.items():
            self._consumer.seek(part, max(end - distance, 0))
        found: Offsets = {}
        while [part for part, end in ends.items() if await self._consumer.position(part) < end]:
            for part, records in (await self._consumer.getmany(timeout_ms=100)).items():
                found[part] = records[-1].offset + 1
        return found


async def drained(gauge: Gauge, accepted: int, *, pause: float = 0.5) -> Backlog:
    """Wait until every accepted event has gone all the way. Raises `Stalled` when nothing moves any more."""
    last, since = None, time.monotonic()
    while True:
        backlog = await gauge.backlog()
        if backlog.empty and backlog.events >= accepted:
            return backlog
        if backlog != last:
            last, since = backlog, time.monotonic()
        elif time.monotonic() - since > STALLED_AFTER:
            raise Stalled(
                f"nothing has moved for {STALLED_AFTER:g} s: {accepted} events were accepted, the topic has given "
                f"out {backlog.events} offsets, {backlog.unscored} wait for the scorer, {backlog.unrouted} messages "
                f"for the router, {backlog.outbox} for the relay"
            )
        await asyncio.sleep(pause)
