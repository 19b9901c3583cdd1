"""The outbox relay: sends what the ledger's transactions left, lane by lane, in order.

A lane is a partition of the leads; whoever reads the partition sends its messages. One transactional producer per lane:
starting it fences the lane's previous relay, so a worker that lost the lane cannot send old messages after new ones.
Delivery is at least once: a crash between Kafka's commit and the deletion of the rows sends them again, with equal ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.router import repository
from services.router.failures import PostgresAway, told_apart
from services.router.outbox import decode_headers
from services.router.status import Watch
from shared import activation

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 500  # of each lane
LOOK_EVERY_SECONDS = 0.5
PAUSE_SECONDS = 0.5
START_SECONDS, STOP_SECONDS = 15.0, 5.0
OnSent = Callable[[AsyncConnection, Sequence[RowMapping]], Awaitable[None]]


def lane_producer(options: dict[str, Any], name: str, lane: int) -> AIOKafkaProducer:
    """The lane's producer, not started. `name` is the same in all routers of an installation."""
    return AIOKafkaProducer(
        **options,
        transactional_id=f"{name}-{lane}",
        linger_ms=0,
        retry_backoff_ms=10,  # a broker still busy with the previous transaction says "try again"
        transaction_timeout_ms=30_000,
    )


class Relay:
    """Sends the messages of `lanes()` until cancelled; `wake` is set when there may be something to send."""

    def __init__(
        self,
        engine: AsyncEngine,
        lanes: Callable[[], frozenset[int]],
        new_producer: Callable[[int], AIOKafkaProducer],
        watch: Watch,
        on_sent: OnSent | None = None,
    ) -> None:
        """`on_sent` deletes rows that Kafka has, and may keep what else becomes of them, in one statement."""
        # Each transaction here is one statement: so it needs no BEGIN and no COMMIT, which are round trips as well.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._lanes, self._new_producer = lanes, new_producer
        self._metrics, self._status = watch.metrics, watch.status
        self._on_sent = on_sent or _delete
        self._producers: dict[int, AIOKafkaProducer] = {}
        self.wake = asyncio.Event()

    async def run(self) -> None:
        try:
            while True:
                self.wake.clear()
                if not await self._round():
                    await self._rest()
        finally:
            await self._close(set(self._producers))

    async def _round(self) -> bool:
        """Send once; whether there is more, or something was not taken. Of what comes meanwhile, `wake` tells."""
        try:
            lanes = await self._own_lanes()
            if not lanes:
                if not self._lanes():
                    self._status.relay = None  # a lane that could not be opened is another router's affair now
                return False
            with told_apart():
                async with self._engine.connect() as connection:
                    rows = await repository.outbox_rows(connection, lanes, ROWS_AT_ONCE)
            by_lane: dict[int, list[RowMapping]] = defaultdict(list)
            for row in rows:
                by_lane[row["lane"]].append(row)
            if not await self._send_all(by_lane):
                self._status.relay = "Kafka does not take messages"
                await asyncio.sleep(PAUSE_SECONDS)
                return True
            if self._lanes() <= set(lanes):
                self._status.relay = None
            return any(len(rows) == ROWS_AT_ONCE for rows in by_lane.values())
        except PostgresAway as away:
            self._status.relay = str(away)
            log.warning("%s; the outbox is looked at again", away)
            await asyncio.sleep(PAUSE_SECONDS)
            return True

    async def _send_all(self, by_lane: dict[int, list[RowMapping]]) -> bool:
        """Whether Kafka took everything; what it took is deleted.

        What a lane raises is raised when all others are done: a send left running would send its rows again beside
        the next round."""
        done = await asyncio.gather(*(self._send(lane, rows) for lane, rows in by_lane.items()), return_exceptions=True)
        sent = [row for rows, taken in zip(by_lane.values(), done, strict=True) if taken is True for row in rows]
        if sent:
            with told_apart():
                async with self._engine.connect() as connection:
                    await self._on_sent(connection, sent)
        for result in done:
            if isinstance(result, BaseException):
                raise result
        return all(done)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_SECONDS):
                await self.wake.wait()
        except TimeoutError:
            return  # look anyway: another process may have left a message for one of our lanes

    async def _own_lanes(self) -> list[int]:
        """Lanes with a running producer; those lost since are closed."""
        wanted = self._lanes()
        await self._close(set(self._producers) - wanted)
        await asyncio.gather(*(self._start(lane) for lane in wanted - set(self._producers)))
        return sorted(self._producers)

    async def _start(self, lane: int) -> None:
        producer = self._new_producer(lane)
        try:
            async with asyncio.timeout(START_SECONDS):  # one lane without a coordinator must not hold up the others
                await producer.start()
        except (KafkaError, TimeoutError) as error:
            self._status.relay = f"Kafka is away: {type(error).__name__}"
            log.warning("lane %d cannot be opened (%s); trying again", lane, type(error).__name__)
            await producer.stop()
            return
        self._producers[lane] = producer

    async def _close(self, lanes: set[int]) -> None:
        for lane in lanes:
            producer = self._producers.pop(lane)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await producer.stop()
            except (KafkaError, TimeoutError) as error:
                log.info("lane %d was not closed cleanly: %s", lane, type(error).__name__)

    async def _send(self, lane: int, rows: Sequence[RowMapping]) -> bool:
        """One transaction in Kafka. On failure the lane is opened anew, and nothing lost."""
        producer = self._producers[lane]
        try:
            async with producer.transaction():
                futures = [await producer.send(**_message(row)) for row in rows]
                await asyncio.gather(*futures)
        except KafkaError as error:
            log.warning("lane %d: %s; opening it anew", lane, type(error).__name__)
            await self._close({lane})
            return False
        self._watch(rows)
        return True

    def _watch(self, rows: Sequence[RowMapping]) -> None:
        now = datetime.now(UTC)
        for row in rows:
            self._metrics.messages.labels(row["topic"]).inc()
            if row["received_at"] is not None:
                self._metrics.event_to_handoff.observe(max(0.0, (now - row["received_at"]).total_seconds()))


async def _delete(connection: AsyncConnection, rows: Sequence[RowMapping]) -> None:
    await repository.delete_outbox(connection, [row["id"] for row in rows])


def _message(row: RowMapping) -> dict[str, Any]:
    # Which partition else follows from the key; an activation is told in each.
    place = {"partition": row["lane"]} if row["key"] == activation.RAW_KEY else {}
    return place | {
        "topic": row["topic"],
        "key": row["key"],
        "value": row["value"],
        "headers": decode_headers(row["headers"]),
    }
