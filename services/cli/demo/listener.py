"""A subscriber like any sales tool: reads `handoffs.*` and notes when each offer arrived."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from shared.kafka import client_options
from shared.settings import CommonSettings

OFFERED = b"tasuki.handoff.offered"


@dataclass(frozen=True)
class Offer:
    """One offered hand-off. `latency` in seconds, from ingest's receipt of the trigger until it arrived here."""

    message: dict[str, Any]
    received_at: datetime
    latency: float


@dataclass
class Offers:
    """What has arrived; a repeated delivery counts once, with its first arrival."""

    by_id: dict[str, Offer] = field(default_factory=dict)
    repeated: int = 0

    def by_department(self) -> dict[str, int]:
        return _counted(self._receivers().items())

    def compared(self, ledger: Mapping[str, str]) -> tuple[dict[str, int], dict[str, int]]:
        """With the ledger's offers (receiver by id): how many were not heard, and how many it does not know, by
        department. Compared by id: one lost and one too many must not make up for each other."""
        heard = set(self._receivers().items())
        kept = set(ledger.items())
        return _counted(kept - heard), _counted(heard - kept)

    def _receivers(self) -> dict[str, str]:
        return {id: offer.message["to"]["department"] for id, offer in self.by_id.items()}

    def latencies(self, received_from: datetime, received_until: datetime) -> list[float]:
        """Of offers whose trigger was received in this span, in ascending order."""
        return sorted(
            offer.latency for offer in self.by_id.values() if received_from <= offer.received_at < received_until
        )


class Listener:
    """An asynchronous context manager that reads in the background; `offers` grows meanwhile."""

    def __init__(self, settings: CommonSettings, departments: Sequence[str]) -> None:
        self.offers = Offers()
        self.first = asyncio.Event()
        self._topics = [settings.topics.handoffs(department) for department in departments]
        self._consumer = AIOKafkaConsumer(
            *self._topics,
            **client_options(settings),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Listener:
        await self._consumer.start()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._reading is not None
        self._reading.cancel()
        results = await asyncio.gather(self._reading, return_exceptions=True)
        await self._consumer.stop()
        failed = [result for result in results if not isinstance(result, asyncio.CancelledError) and result]
        if failed and error is None:
            raise failed[0]

    async def caught_up(self) -> bool:
        """Whether everything that is committed now has been read."""
        partitions = self._consumer.assignment()
        ends = await self._consumer.end_offsets(partitions)
        positions = [await self._consumer.position(partition) for partition in ends]
        return all(position >= end for position, end in zip(positions, ends.values(), strict=True))

    async def _read(self) -> None:
        async for record in self._consumer:
            arrived = datetime.now(UTC)
            if dict(record.headers).get("ce_type") == OFFERED:
                self._note(record, arrived)

    def _note(self, record: ConsumerRecord[bytes, bytes], arrived: datetime) -> None:
        message = msgspec.json.decode(record.value)
        if message["handoff_id"] in self.offers.by_id:
            self.offers.repeated += 1
            return
        received_at = datetime.fromisoformat(message["trigger"]["received_at"])
        latency = (arrived - received_at).total_seconds()
        self.offers.by_id[message["handoff_id"]] = Offer(message, received_at, latency)
        self.first.set()


def _counted(receivers: Iterable[tuple[str, str]]) -> dict[str, int]:
    return dict(sorted(Counter(receiver for _, receiver in receivers).items()))
