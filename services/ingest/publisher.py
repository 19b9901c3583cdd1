"""Puts records into Kafka and returns when all in-sync replicas have them.

Three facts about aiokafka's idempotent producer shape this module:
- It retries a batch for ever (aio-libs/aiokafka#1101). While a partition's broker is away its records stay queued, so
  what was refused with 429 may still arrive later: the sender's repetition then has the same messageId, and the scorer
  counts it once.
- A record that *fails* (too large, or a partition without a leader for too long) has taken a sequence number that the
  broker never sees, and every later one of its partition is out of order (aio-libs/aiokafka#1017). So after a failure
  another producer takes over; only a record that is too large harms nobody else (see `sequence`), or one sender could
  stop all others.
- Hashing a key is pure Python (2 to 6 µs), which is remembered here per key.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from aiokafka.partitioner import murmur2

from services.ingest.accumulator import Accumulator, Batch, Place
from services.ingest.publishing import Busy, NotStored, Record, TooMuch, TopicTooNarrow
from services.ingest.sequence import keep_whole
from shared.kafka import unreachable
from shared.topic_check import refuse_missing

log = logging.getLogger(__name__)

START_TIMEOUT_SECONDS = 10.0
RENEWAL_PAUSE_SECONDS = 1.0
PROBE_TIMEOUT_SECONDS = 2.0
MAX_BATCH_BYTES = 256 * 1024
RECORDS_AT_ONCE = 200
MAX_RECORD_BYTES = 6 * 1024 * 1024  # a whole body may have to go to dead-letters
SMALLEST_LIMIT_BYTES = 16 * 1024
"""Where Kafka finds less than this too large, the topic's setting is wrong, and not the event."""
TOLD_FOR_SECONDS = 10.0


@dataclass(frozen=True)
class Limits:
    """How long a record may wait for company and for its acknowledgement, and how much may wait at once. `patience`:
    for how many seconds a request waits, where that is less than what Kafka has."""

    timeout_seconds: float
    linger_ms: int
    max_in_flight_bytes: int
    patience: float | None = None


Sent = dict[Batch, list[int]]
"""Batches, and which of the records of a request went with each."""


class KafkaPublisher:
    """The `Publisher` on aiokafka; made by `open`."""

    def __init__(self, options: dict[str, Any], limits: Limits) -> None:
        self._timeout = limits.timeout_seconds
        self._patience = limits.patience or limits.timeout_seconds
        self._max_in_flight = limits.max_in_flight_bytes
        self._in_flight = 0
        self._waits: set[asyncio.Timeout] = set()
        self._stalled: Counter[Place] = Counter()  # records that were not acknowledged in time, and still are not
        self._background: set[asyncio.Task[None]] = set()
        self._renewing = False
        self._narrow: tuple[float, str] = (-TOLD_FOR_SECONDS, "")
        self._arguments = options | {
            "acks": "all",
            "enable_idempotence": True,
            "max_batch_size": MAX_BATCH_BYTES,
            "max_request_size": MAX_RECORD_BYTES,
            "request_timeout_ms": round(limits.timeout_seconds * 1000),
        }
        self._linger_seconds = limits.linger_ms / 1000
        self._use(keep_whole(AIOKafkaProducer(**self._arguments)))

    def _use(self, producer: AIOKafkaProducer) -> None:
        self._producer, self._accumulator = producer, Accumulator(producer, self._linger_seconds)

    @classmethod
    async def open(cls, options: dict[str, Any], topics: Sequence[str], limits: Limits) -> KafkaPublisher:
        """Connects. Raises `ConfigurationError` when Kafka does not answer within 10 s or lacks one of `topics`."""
        publisher = cls(options, limits)
        try:
            await publisher._connect(topics)
        except BaseException:
            await publisher._producer.stop()
            raise
        return publisher

    @classmethod
    def connect_later(cls, options: dict[str, Any], limits: Limits) -> KafkaPublisher:
        """Not connected: `Busy` until it is."""
        publisher = cls(options, limits)
        publisher._renewing = True
        publisher._in_background(publisher._start_another())
        return publisher

    async def _connect(self, topics: Sequence[str]) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                await self._producer.start()
                # Asking for all topics, not for ours: asking for one by name would make a broker create it.
                known = (await self._producer.client.fetch_all_metadata()).topics()
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._arguments) from error
        refuse_missing(known, topics)

    async def publish(self, records: Sequence[Record], patience: float | None = None) -> list[int]:
        """See `Publisher`. Raises `Busy` at once when too much is under way or a partition concerned is stalled.
        `patience`: seconds, where it is not the usual one."""
        if not records:
            return []
        weight = sum(record.weight for record in records)
        if weight > self._max_in_flight:
            raise TooMuch(f"the request takes {weight} bytes; {self._max_in_flight} may wait for Kafka")
        if self._renewing:
            raise Busy("the connection to Kafka is being renewed")
        if self._in_flight + weight > self._max_in_flight:
            raise Busy("too many events are waiting for Kafka")
        self._in_flight += weight
        sent: Sent = {}
        wait = asyncio.timeout(patience or self._patience)
        self._waits.add(wait)
        try:
            async with wait:
                too_large = await self._send(records, sent)
                await _wait_for_all(sent)
                too_large += await self._try_alone(records, sent)
        except (TimeoutError, KafkaTimeoutError) as error:
            raise NotStored("Kafka has not acknowledged in time") from error
        except KafkaError as error:
            self._renew(error)
            raise NotStored("Kafka has refused the events") from error
        finally:
            self._waits.discard(wait)
            self._settle(weight, sent)
        if failure := _first_failure(sent):
            raise NotStored("Kafka has refused the events") from failure
        self._refuse_narrow_topics([records[number] for number in too_large])
        return too_large

    def give_up(self) -> None:
        """Whoever waits for Kafka waits no longer: `NotStored`. What is under way may still be stored."""
        now = asyncio.get_running_loop().time()
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(now)

    def _refuse_narrow_topics(self, too_large: Sequence[Record]) -> None:
        """Raises `TopicTooNarrow`: to set aside what a usual topic takes would lose it to whoever reads it."""
        for record in too_large:
            if len(record.value) < SMALLEST_LIMIT_BYTES:
                reason = f"topic {record.topic} refuses records of {len(record.value)} bytes: look at max.message.bytes"
                self._narrow = (time.monotonic(), reason)
                log.error(reason)
                raise TopicTooNarrow(reason)

    async def _send(self, records: Sequence[Record], sent: Sent) -> list[int]:
        """Those that are larger than any may be are not sent."""
        counts = {topic: len(await self._producer.partitions_for(topic)) for topic in {r.topic for r in records}}
        places = [(record.topic, _partition(record.key, counts[record.topic])) for record in records]
        if self._stalled and not self._stalled.keys().isdisjoint(places):
            raise Busy("Kafka is not acknowledging")
        too_large = []
        for number, (record, place) in enumerate(zip(records, places, strict=True)):
            if number % RECORDS_AT_ONCE == RECORDS_AT_ONCE - 1:
                await asyncio.sleep(0)  # others want to be answered, too
            if len(record.value) > MAX_RECORD_BYTES:
                too_large.append(number)
            else:
                sent.setdefault(self._accumulator.add(place, record), []).append(number)
        return too_large

    async def _try_alone(self, records: Sequence[Record], sent: Sent) -> list[int]:
        """Kafka measures batches, which hold the records of many senders: each one refused gets a batch of its own."""
        too_large = []
        for batch, numbers in [(batch, numbers) for batch, numbers in sent.items() if _is_too_large(batch)]:
            for number in numbers:
                alone = self._accumulator.add_alone(batch.place, records[number])
                sent[alone] = [number]
                await _wait_for_all([alone])
                if _is_too_large(alone):
                    too_large.append(number)
        return too_large

    def _settle(self, weight: int, sent: Sent) -> None:
        """Gives the room back, as soon as Kafka is done with the records: at once, or in the background."""
        pending: Counter[Place] = Counter()
        for batch, numbers in sent.items():
            if not batch.done.done():
                pending[batch.place] += len(numbers)
        if pending:
            self._stalled += pending
            self._in_background(self._wait_for_stalled(weight, sent, pending))
        else:
            self._settled(weight, sent)

    async def _wait_for_stalled(self, weight: int, sent: Sent, pending: Counter[Place]) -> None:
        await _wait_for_all(sent)
        self._stalled -= pending
        self._settled(weight, sent)

    def _settled(self, weight: int, sent: Sent) -> None:
        self._in_flight -= weight
        if error := _first_failure(sent):
            self._renew(error)

    def _renew(self, error: BaseException) -> None:
        if not self._renewing:
            self._renewing = True
            log.error("Kafka has refused records (%r): starting another producer", error)
            self._in_background(self._start_another())

    async def _start_another(self) -> None:
        # The old one goes on until the records of other partitions are through: they may still be acknowledged.
        self._in_background(_stop(self._producer, self._accumulator))
        while True:
            fresh = keep_whole(AIOKafkaProducer(**self._arguments))
            try:
                async with asyncio.timeout(START_TIMEOUT_SECONDS):
                    await fresh.start()
                break
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("no other producer yet: %r", error)
                await fresh.stop()
                await asyncio.sleep(RENEWAL_PAUSE_SECONDS)
        self._use(fresh)
        self._renewing = False

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._background.discard)

    async def trouble(self) -> str | None:
        """See `Publisher`. Asks a broker, since without traffic nobody would notice."""
        if self._renewing:
            return "the connection to Kafka is being renewed"
        since, reason = self._narrow
        if time.monotonic() - since < TOLD_FOR_SECONDS:
            return reason
        if self._stalled:
            return f"{self._stalled.total()} events wait for Kafka to acknowledge"
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                answered = await self._producer.client.force_metadata_update()
        except TimeoutError:
            answered = False
        return None if answered else "no Kafka broker answers"

    async def close(self) -> None:
        """Sends what is queued, for no longer than the timeout (nobody was told that it is stored), and disconnects."""
        try:
            async with asyncio.timeout(self._timeout):
                await _stop(self._producer, self._accumulator)
        except TimeoutError:
            log.warning("Kafka does not answer: stopped with events that were refused but might have been stored")
        for task in self._background:
            task.cancel()


@lru_cache(maxsize=100_000)
def _hash(key: bytes) -> int:
    hashed: int = murmur2(key)
    return hashed & 0x7FFFFFFF


def _partition(key: bytes | None, count: int) -> int:
    """As every Kafka client does it by default, so that others who write to a topic agree."""
    return random.randrange(count) if key is None else _hash(key) % count


async def _stop(producer: AIOKafkaProducer, accumulator: Accumulator) -> None:
    await accumulator.drain()
    await producer.stop()


async def _wait_for_all(batches: Iterable[Batch]) -> None:
    # By `wait`, since a timeout during `await future` would cancel the future itself, and nobody would learn what
    # became of it.
    if pending := [batch.done for batch in batches if not batch.done.done()]:
        await asyncio.wait(pending)


def _first_failure(sent: Iterable[Batch]) -> BaseException | None:
    # All are asked: asyncio complains about an exception that nobody has looked at.
    failures = [error for batch in sent if (error := batch.done.exception())]
    return next((error for error in failures if not isinstance(error, MessageSizeTooLargeError)), None)


def _is_too_large(batch: Batch) -> bool:
    return isinstance(batch.done.exception(), MessageSizeTooLargeError)
