"""The ingest app without Kafka, for answers to requests. (With the real one: tests/integration/ingest.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from services.ingest.admission.gate import Gate
from services.ingest.admission.in_flight import InFlight
from services.ingest.app import build_app
from services.ingest.collaborators import Collaborators
from services.ingest.metrics import IngestMetrics
from services.ingest.publishing import Record
from shared.key_file import ReloadingKeyRing
from shared.keys import KeyEntry
from shared.topics import Topics

MEMORY = 64 * 1024 * 1024


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

    async def close(self) -> None:
        """Nothing is ever under way."""


def client_of(
    publisher: ScriptedPublisher, keys: list[KeyEntry], base_url: str = "http://ingest", **more: Any
) -> httpx.AsyncClient:
    """Asks an ingest that knows `keys`; `more` are further collaborators of it, or the gate's `monotonic`."""
    metrics = IngestMetrics()
    clock = {"monotonic": more.pop("monotonic")} if "monotonic" in more else {}
    gate = Gate(ReloadingKeyRing(keys), metrics, InFlight(more.pop("memory", MEMORY)), **clock)
    app = build_app(Collaborators(gate, publisher, Topics(), metrics, **more))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url)
