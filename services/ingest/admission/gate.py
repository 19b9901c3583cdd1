"""Every request passes here: whose is it, may it come from there, and is it within what its key may send?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from services.ingest.admission.bucket import Bucket, RateLimit, charged, full, seconds_to_wait
from services.ingest.admission.in_flight import InFlight
from services.ingest.admission.turns import Turns
from services.ingest.errors import origin_not_allowed, too_fast, unknown_write_key
from services.ingest.metrics import IngestMetrics
from shared.key_file import ReloadingKeyRing
from shared.keys import KeyEntry, KeyKind
from shared.origins import is_allowed

MAX_RETRY_SECONDS = 3600
DEFAULT_BURST_SECONDS = 10
"""What a key that has a rate, but no burst, may send at once: what it may send in so many seconds."""


class Gate:
    """`in_flight` is what requests have of our memory, `turns` of our processor. `monotonic` is in seconds."""

    def __init__(
        self,
        keys: ReloadingKeyRing,
        metrics: IngestMetrics,
        in_flight: InFlight,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.in_flight = in_flight
        self.turns = Turns()
        self._keys = keys
        self._metrics = metrics
        self._monotonic = monotonic
        self._buckets: dict[str, Bucket] = {}  # by the digest of a key: as many as there are keys

    def owner(self, write_key: str | None, origin: str | None) -> KeyEntry:
        """Whoever has `write_key`. Raises `Refused`: 401, and 403 for a website that may not use it."""
        entry = self._keys.find(KeyKind.WRITE, write_key) if write_key else None
        if entry is None:
            raise unknown_write_key()
        # A server sends no Origin; whoever can choose theirs has not only copied the key from a website.
        if entry.origins and origin is not None and not is_allowed(origin, entry.origins):
            self._metrics.turned_away(entry.name, "origin")
            raise origin_not_allowed(origin)
        return entry

    def admit(self, write_key: str | None, origin: str | None) -> KeyEntry:
        """As `owner`, and 429 for a key that has sent more than it may. Whatever is admitted costs an event."""
        entry = self.owner(write_key, origin)
        if limit := limit_of(entry):
            now = self._monotonic()
            bucket = self._buckets.get(entry.sha256) or full(limit, now)
            if seconds := seconds_to_wait(bucket, limit, now):
                self._metrics.turned_away(entry.name, "rate")
                raise too_fast(limit.per_second, min(MAX_RETRY_SECONDS, math.ceil(seconds)))
            self._buckets[entry.sha256] = charged(bucket, limit, now, 1)
        return entry

    def charge(self, entry: KeyEntry, events: int) -> None:
        """For what an admitted request has beyond its first event."""
        if events > 0 and (limit := limit_of(entry)):
            now = self._monotonic()
            self._buckets[entry.sha256] = charged(self._buckets[entry.sha256], limit, now, events)


def limit_of(entry: KeyEntry) -> RateLimit | None:
    """None for a key that may send whatever we can take."""
    if entry.events_per_second is None:
        return None
    burst = entry.burst or max(1.0, entry.events_per_second * DEFAULT_BURST_SECONDS)
    return RateLimit(entry.events_per_second, burst)
