"""What is stored of requests, and what whoever stores it promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from shared.cloudevents import Headers

RECORD_OVERHEAD_BYTES = 512  # futures, and what is around each record


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record to publish; records with equal keys keep their order.

    As a dataclass it took a microsecond more to make, of some eight that an event takes until it is sent."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers = msgspec.field(default_factory=list)

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        weight = RECORD_OVERHEAD_BYTES + len(self.value) + len(self.key or b"")
        return weight + sum(len(name) + len(value) for name, value in self.headers) if self.headers else weight


class NotStored(Exception):
    """Nobody has confirmed the records: they may be stored or not, and are to be sent again."""


class Busy(NotStored):
    """Refused before anything was sent."""


class TopicTooNarrow(NotStored):
    """A topic refuses what each may have: its setting is wrong."""


class TooMuch(Exception):
    """More at once than may wait at all: sending it again is of no use."""


class Publisher(Protocol):
    """Whoever stores records."""

    async def publish(self, records: Sequence[Record]) -> list[int]:
        """Returns when `records` are stored, but for those whose places are returned: Kafka takes none of their size.
        Raises `NotStored`, and `TooMuch`."""
        ...

    async def trouble(self) -> str | None:
        """Why nothing can be stored now; None when all is well."""
        ...

    async def close(self) -> None:
        """Returns when nothing is under way any more."""
        ...
