"""Sends dead letters again, and notes in their topic that it was done: first the one, then the other, so that none is
taken for sent that is not. Whoever is interrupted in between sends it once more, as copies of messages count once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from services.cli.dead_letters.deciding import Again, Left
from services.cli.dead_letters.letter import Place
from services.cli.errors import CommandError
from services.ingest.sequence import keep_whole
from shared.dead_letters import marker
from shared.kafka import unreachable
from shared.topics import DEAD_LETTER_BYTES

ANSWER_SECONDS = 30.0
STOP_SECONDS = 5.0
MAX_REQUEST_BYTES = DEAD_LETTER_BYTES + 64 * 1024  # what Kafka takes at most is the topic's affair


class Sender:
    """Made by `open_sender`."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer, self._topic = producer, topic

    async def send(self, portion: Sequence[tuple[Place, Sequence[Again]]]) -> list[Left | None]:
        """Returns when Kafka has them, and markers of them; of what is too large for its topic, why it is left.
        Raises `CommandError`: some may be sent and not be marked."""
        outcomes = iter(await self._all([record for _, records in portion for record in records]))
        left = [_left([(record, next(outcomes)) for record in records]) for _, records in portion]
        now = datetime.now(UTC)
        sent = [place for (place, _), why in zip(portion, left, strict=True) if why is None]
        marks = [Again(self._topic, place.partition, None, b"", marker(str(place), now)) for place in sent]
        if any(await self._all(marks)):
            raise CommandError(f"{self._topic} takes no markers: look at its max.message.bytes")
        return left

    async def _all(self, records: Sequence[Again]) -> list[MessageSizeTooLargeError | None]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                futures = [await self._begin(record) for record in records]
                # By `wait`: a timeout during `gather` would cancel what may still arrive.
                if futures:
                    await asyncio.wait(futures)
        except TimeoutError:
            raise CommandError(
                f"Kafka has not acknowledged within {ANSWER_SECONDS:g} s: repeat the command when its brokers are back"
            ) from None
        return [_outcome(future) for future in futures]

    async def _begin(self, record: Again) -> asyncio.Future[Any]:
        try:
            future: asyncio.Future[Any] = await self._producer.send(
                record.topic, record.value, record.key, partition=record.partition, headers=record.headers
            )
        except KafkaError as error:  # also what is too large by our own limit: nothing was sent
            future = asyncio.get_running_loop().create_future()
            future.set_exception(error)
        return future


def _outcome(future: asyncio.Future[Any]) -> MessageSizeTooLargeError | None:
    error = future.exception()
    if error is None or isinstance(error, MessageSizeTooLargeError):
        return error
    raise CommandError(f"Kafka has refused a record: {error!r}; repeat the command when that is mended") from error


def _left(outcomes: Sequence[tuple[Again, MessageSizeTooLargeError | None]]) -> Left | None:
    """Of a dead letter whose records had these outcomes; None: all were sent."""
    for record, error in outcomes:
        if error is not None:
            return Left(f"event_too_large: {record.topic} takes no record of {len(record.value or b'')} bytes")
    return None


@asynccontextmanager
async def open_sender(options: dict[str, Any], topic: str) -> AsyncIterator[Sender]:
    """`topic` is that of the dead letters. Raises `ConfigurationError` when Kafka does not answer."""
    producer = keep_whole(
        AIOKafkaProducer(**options, acks="all", enable_idempotence=True, max_request_size=MAX_REQUEST_BYTES)
    )
    try:
        await producer.start()
    except KafkaError as error:
        await producer.stop()
        raise unreachable(options) from error
    try:
        yield Sender(producer, topic)
    finally:
        with suppress(TimeoutError):  # Kafka is away, and it was told
            async with asyncio.timeout(STOP_SECONDS):
                await producer.stop()
