"""A histogram that takes many values at once: one at a time they cost a fiftieth of an event's processor time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry


class Latencies(Collector):
    """Seconds from moments to a later one, by `buckets` (upper bounds, rising)."""

    def __init__(self, name: str, documentation: str, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name, self._documentation, self._buckets = name, documentation, list(buckets)
        self._counts, self._sum = [0] * (len(buckets) + 1), 0.0
        registry.register(self)

    def observe(self, moments: Iterable[datetime], now: datetime) -> None:
        """Those that seem to come later than `now` are of another clock, and count as just now."""
        buckets, counts = self._buckets, self._counts
        for moment in moments:
            seconds = max(0.0, (now - moment).total_seconds())
            counts[bisect_left(buckets, seconds)] += 1
            self._sum += seconds

    def collect(self) -> Iterator[Metric]:
        bounds = [*map(str, map(float, self._buckets)), "+Inf"]
        family = HistogramMetricFamily(self._name, self._documentation)
        family.add_metric([], list(zip(bounds, accumulate(self._counts), strict=True)), self._sum)
        yield family
