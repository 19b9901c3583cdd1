"""A token bucket, in events: https://en.wikipedia.org/wiki/Token_bucket. Pure.

A batch is taken whole as long as anything is left, and may leave a debt, so that none is too large ever to be taken.
In any stretch of time no more events are taken than `burst`, plus `per_second` of its seconds, plus one request.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`burst` events at once after a pause, and `per_second` in the long run; both above 0."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """`level` events are left at `at`, in seconds of a clock that does not go back."""

    level: float
    at: float


def full(limit: RateLimit, now: float) -> Bucket:
    """Of a sender who has been quiet."""
    return Bucket(limit.burst, now)


def seconds_to_wait(bucket: Bucket, limit: RateLimit, now: float) -> float:
    """0 when a request may be taken; else how long it takes until there is one event to be had."""
    level = _level(bucket, limit, now)
    return 0.0 if level > 0 else (min(1.0, limit.burst) - level) / limit.per_second


def charged(bucket: Bucket, limit: RateLimit, now: float, events: int) -> Bucket:
    """After `events` were taken."""
    return Bucket(_level(bucket, limit, now) - events, now)


def _level(bucket: Bucket, limit: RateLimit, now: float) -> float:
    return min(limit.burst, bucket.level + max(0.0, now - bucket.at) * limit.per_second)
