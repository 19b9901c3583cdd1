"""What operators see of ingest. Labels are sources, kinds and reasons: never a person, never an id."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.ingest.reading.model import Parsed
from services.ingest.spool.spool import Spool

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class IngestMetrics:
    """Its own registry, so that two apps can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter(
            "tasuki_ingest_events",
            "Events acknowledged: in Kafka, or in the spool",
            ["source", "kind"],
            registry=self.registry,
        )
        self._rejected = Counter(
            "tasuki_ingest_rejected", "Events put aside in dead-letters", ["source", "reason"], registry=self.registry
        )
        self._refused = Counter(
            "tasuki_ingest_refused_requests", "Requests answered with an error", ["code"], registry=self.registry
        )
        self._turned_away = Counter(
            "tasuki_ingest_turned_away_requests",
            "Requests of a key beyond its rate, its share of memory, or from a website that may not use it",
            ["source", "reason"],
            registry=self.registry,
        )
        self.produce_seconds = Histogram(
            "tasuki_ingest_produce_seconds",
            "From sending a request's records to their acknowledgement by all in-sync replicas, or by the spool's disk",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.sync_seconds = Histogram(
            "tasuki_ingest_spool_sync_seconds",
            "Of each sync of the spool, which several requests may share",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )

    def watch(self, spool: Spool) -> None:
        """Shows what waits in `spool`."""
        for name, text, value in (
            ("records", "Records that wait in the spool for Kafka", lambda: spool.records),
            ("bytes", "Bytes that wait in the spool for Kafka", lambda: spool.bytes),
            ("oldest_age_seconds", "How long the oldest of them has been waiting", lambda: spool.oldest_seconds),
        ):
            Gauge(f"tasuki_ingest_spool_{name}", text, registry=self.registry).set_function(value)

    def stored(self, source: str, parsed: Parsed) -> None:
        """Everything of `parsed` is acknowledged."""
        _count(self._events, source, (event.kind.value for event in parsed.accepted))
        _count(self._rejected, source, (rejection.code for rejection in parsed.rejected))

    def refused(self, code: str) -> None:
        """A request was answered with an error."""
        self._refused.labels(code).inc()

    def turned_away(self, source: str, reason: str) -> None:
        """A request whose key is known was refused for what the key may do."""
        self._turned_away.labels(source, reason).inc()


def _count(counter: Counter, source: str, labels: Iterable[str]) -> None:
    tally: dict[str, int] = {}  # for one event a collections.Counter takes longer than everything else here
    for label in labels:
        tally[label] = tally.get(label, 0) + 1
    for label, times in tally.items():
        counter.labels(source, label).inc(times)
