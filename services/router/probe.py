"""Asks Kafka, time and again: does it answer, and where do `events` end?

The consumer itself notices neither: without a broker it just gets no records (aio-libs/aiokafka#1073), and a score
that names a place in `events` that does not exist waits for ever, with all that come after it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.router.outbox import KafkaRecord
from services.router.status import Status
from shared.scores import decode_score

log = logging.getLogger(__name__)

ASK_EVERY_SECONDS = 1.0
ANSWER_WITHIN_SECONDS = 5.0
UNCOVERED_AFTER_SECONDS = 10.0
"""A broker that has just become a partition's leader may call an earlier end for a moment."""


class Waiting(Protocol):
    """Scores that wait for their events, by lane, in order."""

    @property
    def waiting(self) -> Mapping[int, Iterable[KafkaRecord]]: ...


class Uncovered:
    """Scores that name events behind the end of their partition: nobody can have counted those."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since: dict[tuple[int, int], float] = {}

    def look(self, waiting: Mapping[int, Iterable[KafkaRecord]], ends: Mapping[int, int]) -> None:
        """`ends`: of `events`, by partition, asked after `waiting` had been read. Forgets what it is not shown."""
        now = self._monotonic()
        found = [(lane, offset) for lane, end in ends.items() for offset in _beyond(waiting.get(lane, ()), end)]
        self._since = {place: self._since.get(place, now) for place in found}

    def __contains__(self, place: tuple[int, int]) -> bool:
        """Whether the score at `(lane, offset)` has been beyond the end for long enough to be sure."""
        since = self._since.get(place)
        return since is not None and self._monotonic() - since >= UNCOVERED_AFTER_SECONDS


class Probe:
    """Keeps `status.kafka` and `uncovered` up to date until cancelled."""

    def __init__(self, kafka: AIOKafkaConsumer, events: str, scores: Waiting, status: Status) -> None:
        self._kafka, self._events, self._scores, self._status = kafka, events, scores, status
        self.uncovered = Uncovered()

    async def run(self) -> None:
        while True:
            await self._ask()
            await asyncio.sleep(ASK_EVERY_SECONDS)

    async def _ask(self) -> None:
        waiting = {lane: list(records) for lane, records in self._scores.waiting.items() if records}
        # A router without partitions asks as well: it must be ready when it gets some.
        partitions = self._kafka.assignment() or {TopicPartition(self._events, 0)}
        try:
            async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
                found = await self._kafka.end_offsets(list(partitions))
        except (KafkaError, TimeoutError) as error:
            if self._status.kafka is None:
                log.warning("Kafka does not answer: %s", type(error).__name__)
            self._status.kafka = f"Kafka does not answer: {type(error).__name__}"
            return
        if self._status.kafka is not None:
            log.info("Kafka answers again")
        self._status.kafka = None
        self.uncovered.look(waiting, {tp.partition: end for tp, end in found.items() if tp.topic == self._events})


def _beyond(records: Iterable[KafkaRecord], end: int) -> list[int]:
    """Offsets of the scores at the head that name a place at or behind `end`."""
    offsets = []
    for record in records:
        try:
            if record.value is None or decode_score(record.value).position.offset < end:
                break
        except msgspec.MsgspecError:
            break  # the intake makes a dead letter of it as soon as it is the first
        offsets.append(record.offset)
    return offsets
