"""What operators see of ingest. Labels are sources, kinds and reasons: never a person, never an id."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.ingest.reading.model import Parsed

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class IngestMetrics:
    """Its own registry, so that two apps can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter(
            "tasuki_ingest_events", "Events stored in Kafka", ["source", "kind"], registry=self.registry
        )
        self._rejected = Counter(
            "tasuki_ingest_rejected", "Events put aside in dead-letters", ["source", "reason"], registry=self.registry
        )
        self._refused = Counter(
            "tasuki_ingest_refused_requests", "Requests answered with an error", ["code"], registry=self.registry
        )
        self.produce_seconds = Histogram(
            "tasuki_ingest_produce_seconds",
            "From sending a request's records to their acknowledgement by all in-sync replicas",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )

    def stored(self, source: str, parsed: Parsed) -> None:
        """Everything of `parsed` is in Kafka."""
        _count(self._events, source, (event.kind.value for event in parsed.accepted))
        _count(self._rejected, source, (rejection.code for rejection in parsed.rejected))

    def refused(self, code: str) -> None:
        """A request was answered with an error."""
        self._refused.labels(code).inc()


def _count(counter: Counter, source: str, labels: Iterable[str]) -> None:
    for label, times in Tally(labels).items():
        counter.labels(source, label).inc(times)
