"""Whether the scorer gets on: its positions compared with the ends of the log, asked from Kafka and not from Faust."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.scorer.lanes import Lanes
from services.scorer.metrics import ScorerMetrics

log = logging.getLogger(__name__)

ASK_SECONDS = 1.0
UNREADY_SECONDS = 15.0
LONG_WITHOUT_GROUP_SECONDS = 60.0


class Stalled(Exception):
    """There are events, and none gets scored: a consumer may silently stop fetching (faust-streaming/faust#175, #523,
    #532)."""


@dataclass
class _Seen:
    position: int | None
    end: int
    since: float

    @property
    def waiting(self) -> bool:
        """Open, and with events to apply."""
        return self.position is not None and self.position < self.end


class Progress:
    """Remembers per partition when it last moved, or last had nothing to do. Pure, apart from the clock given."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[int, _Seen] = {}

    def note(self, positions: Mapping[int, int | None], ends: Mapping[int, int]) -> None:
        """`positions` of the partitions held now: the next offset to apply, None while being opened."""
        now = self._clock()
        for partition in self._seen.keys() - positions.keys():
            del self._seen[partition]
        for partition, position in positions.items():
            end = ends.get(partition, 0)
            seen = self._seen.get(partition)
            current = _Seen(position, end, now)
            if seen is not None and seen.position == position and seen.waiting and current.waiting:
                current.since = seen.since
            self._seen[partition] = current

    def lags(self) -> dict[int, int]:
        """Events not yet applied, by partition."""
        return {partition: max(0, seen.end - (seen.position or 0)) for partition, seen in self._seen.items()}

    def stalled(self, seconds: float) -> list[int]:
        """Open partitions with events waiting and none applied for longer than `seconds`."""
        now = self._clock()
        return [partition for partition, seen in self._seen.items() if seen.waiting and now - seen.since > seconds]


class Watch:
    """Feeds `Progress`, the lag metric and the readiness from Kafka's own answer about the ends."""

    def __init__(self, lanes: Lanes, metrics: ScorerMetrics, options: dict[str, Any], topic: str) -> None:
        self._lanes = lanes
        self._metrics = metrics
        self._options = options
        self._topic = topic
        self._progress = Progress()
        self._trouble: str | None = "just started"
        self._began = time.monotonic()

    def unready(self) -> str | None:
        """Why the scorer cannot do its job now; None when it can."""
        if not self._lanes.joined:
            return _not_joined(time.monotonic() - self._began)
        opening = [partition for partition, position in self._lanes.positions().items() if position is None]
        if opening:
            return f"restoring partitions {opening}"
        if self._trouble:
            return self._trouble
        stalled = self._progress.stalled(UNREADY_SECONDS)
        return _stalled(stalled, UNREADY_SECONDS) if stalled else None

    async def run(self, stall_seconds: float) -> None:
        """Ask until cancelled. Raises `Stalled` when a restart is the only hope left."""
        consumer: Any = AIOKafkaConsumer(**self._options, enable_auto_commit=False)
        try:
            await consumer.start()
            while True:
                await self._ask(consumer)
                if stalled := self._progress.stalled(stall_seconds):
                    raise Stalled(_stalled(stalled, stall_seconds))
                await asyncio.sleep(ASK_SECONDS)
        finally:
            await consumer.stop()

    async def _ask(self, consumer: Any) -> None:
        # Before the ends: what is applied between the two questions must not look like progress missed.
        positions = self._lanes.positions()
        partitions = [TopicPartition(self._topic, partition) for partition in positions]
        try:
            ends = await consumer.end_offsets(partitions) if partitions else {}
        except KafkaError as error:
            self._trouble = f"Kafka does not answer: {type(error).__name__}"
            log.warning("cannot ask Kafka for the ends of %s: %r", self._topic, error)
            return
        self._trouble = None
        self._progress.note(positions, {tp.partition: end for tp, end in ends.items()})
        self._metrics.lag.clear()
        for partition, lag in self._progress.lags().items():
            self._metrics.lag.labels(str(partition)).set(lag)


def _not_joined(seconds: float) -> str:
    waiting = "waiting for the consumer group to assign partitions"
    if seconds < LONG_WITHOUT_GROUP_SECONDS:
        return waiting
    return (
        f"{waiting} for {seconds:.0f} s: if Kafka's log says that a group coordinator is in FAILED state, "
        "restart that broker"
    )


def _stalled(partitions: list[int], seconds: float) -> str:
    return f"events wait in partitions {partitions}, and none was scored for {seconds:.0f} s"
