"""A publisher without Kafka, for answers to requests. (With the real one: tests/integration/ingest.)"""

from __future__ import annotations

from collections.abc import Sequence

from services.ingest.publishing import Record


class ScriptedPublisher:
    """Keeps what it is given, or raises what the test wants."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.error: Exception | None = None
        self.limits: dict[str, int] = {}

    async def publish(self, records: Sequence[Record]) -> list[int]:
        if self.error:
            raise self.error
        refused = [
            place for place, record in enumerate(records) if len(record.value) > self.limits.get(record.topic, 10**9)
        ]
        self.records += [record for place, record in enumerate(records) if place not in refused]
        return refused

    async def trouble(self) -> str | None:
        return str(self.error) if self.error else None
