"""Reads topic `feedback`: one record, one transaction, with the offset after it.

A consumer of its own: people report little, and whatever is wrong with a report must not hold up the scores. As with
those, the truth about what has been taken is the table `offsets`; Kafka is told for lag tools only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, KafkaTimeoutError

from services.router import repository
from services.router.batch import Place
from services.router.consumer import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    TELL_KAFKA_EVERY_SECONDS,
    refuse_recreated,
)
from services.router.failures import PostgresAway, told_apart
from services.router.feedback.desk import Desk
from services.router.ledger import Ledger
from services.router.repository import OffsetsMoved
from services.router.status import Watch
from shared.feedback import type_of

log = logging.getLogger(__name__)


class FeedbackConsumer:
    """Reads its partitions until cancelled."""

    def __init__(self, kafka: AIOKafkaConsumer, ledger: Ledger, watch: Watch) -> None:
        self._kafka, self._ledger, self._desk = kafka, ledger, Desk(ledger)
        self._topic = ledger.topics.feedback
        self._metrics, self._status = watch.metrics, watch.status
        self._next: dict[Place, int] = {}
        self._rebalances, self._opened = 0, 0
        self._told_at = 0.0

    async def run(self) -> None:
        """Until cancelled. Raises `LogRecreated`; waits, and tries again, while Postgres or Kafka is away."""
        await self._kafka.start()
        try:
            self._kafka.subscribe([self._topic], listener=_Rebalance(self))
            await self._consume()
        finally:
            self._status.feedback = "reading feedback has ended"
            await self._kafka.stop()

    async def _consume(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._step()
                pause = FIRST_PAUSE_SECONDS
            except OffsetsMoved as moved:
                log.warning("%s; reading feedback from the ledger's offsets again", moved)
                self.begin_again()
                await asyncio.sleep(FIRST_PAUSE_SECONDS)
            except (PostgresAway, KafkaError) as error:
                if not (isinstance(error, PostgresAway | KafkaTimeoutError) or error.retriable):
                    raise
                reason = str(error) if isinstance(error, PostgresAway) else f"Kafka: {type(error).__name__}"
                self._status.feedback = f"feedback: {reason}"
                log.warning("%s; feedback is read again in %.1f s", reason, pause)
                self.begin_again()
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _step(self) -> None:
        generation = self._rebalances
        try:
            if self._opened != generation:
                await self._open(generation)
            fetched = await self._kafka.getmany(timeout_ms=200)
            for part, records in fetched.items():
                for record in records:
                    if self._rebalances != generation:
                        return  # read again from the ledger's offsets, by us or by another
                    await self._take((part.topic, part.partition), record)
            await self._tell_kafka()
        except IllegalStateError:  # a partition was taken away between two calls
            if self._rebalances == generation:
                raise

    async def _take(self, place: Place, record: ConsumerRecord[bytes, bytes]) -> None:
        expected = self._next[place]
        if record.offset < expected:
            return
        with told_apart():
            filed = await self._desk.take_record(place, expected, record)
        self._next[place] = record.offset + 1
        self._metrics.records.labels(place[0]).inc()
        if filed is None:
            self._metrics.dead_letters.inc()
            log.warning("partition %d of %s, offset %d is no report: see the dead letters", *place[::-1], record.offset)
        elif not filed.again:
            self._metrics.reports.labels(type_of(filed.reported.report), "topic").inc()

    async def _open(self, generation: int) -> None:
        """Go on where the ledger says, for all partitions assigned."""
        assigned = self._kafka.assignment()
        with told_apart():
            async with self._ledger.engine.begin() as connection:
                offsets = await repository.starting_offsets(connection, [(tp.topic, tp.partition) for tp in assigned])
        ends = await self._kafka.end_offsets(list(assigned)) if assigned else {}
        for place, offset in offsets.items():
            refuse_recreated(place, offset, ends[TopicPartition(*place)])
        if self._rebalances != generation:
            return
        for place, offset in offsets.items():
            self._kafka.seek(TopicPartition(*place), offset)
        self._next, self._opened, self._status.feedback = dict(offsets), generation, None

    def begin_again(self) -> None:
        """Whatever is in memory is of no use any more: the assignment changes, or something has failed."""
        self._rebalances += 1
        for place in self._next:  # partitions that go to others would keep their last lag for ever
            with suppress(KeyError):
                self._metrics.lag.remove(*place)

    async def _tell_kafka(self) -> None:
        """How far it has been read: positions, which also pass what read_committed hides."""
        if time.monotonic() - self._told_at < TELL_KAFKA_EVERY_SECONDS or not self._next:
            return
        self._told_at = time.monotonic()
        read = {TopicPartition(*place): await self._kafka.position(TopicPartition(*place)) for place in self._next}
        for part, position in read.items():
            end = self._kafka.last_stable_offset(part)
            if end is not None and end >= 0:
                self._metrics.lag.labels(part.topic, part.partition).set(max(0, end - position))
        try:
            await self._kafka.commit(read)
        except KafkaError as error:
            # The truth is in Postgres; this is said again in a second.
            log.info("could not tell Kafka the offsets of feedback: %s", type(error).__name__)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: FeedbackConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._consumer.begin_again()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._consumer.begin_again()
