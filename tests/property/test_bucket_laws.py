"""The law of a rate limit, for senders who try as often as they like."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.admission.bucket import RateLimit, charged, full, seconds_to_wait

LIMITS = st.builds(RateLimit, st.floats(0.01, 1e4), st.floats(1, 1e5))
TRIES = st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5000)), max_size=60)


@given(LIMITS, TRIES)
def test_no_stretch_of_time_has_more_than_burst_and_rate_and_one_request(
    limit: RateLimit, tries: list[tuple[float, int]]
) -> None:
    now = 1e6
    bucket = full(limit, now)
    taken: list[tuple[float, int]] = []
    for pause, events in tries:
        now += pause
        if not seconds_to_wait(bucket, limit, now):
            bucket = charged(bucket, limit, now, events)
            taken.append((now, events))
    for first in range(len(taken)):
        total = 0
        for at, events in taken[first:]:
            allowed = limit.burst + (at - taken[first][0]) * limit.per_second
            assert total <= allowed * (1 + 1e-6) + 1e-3, "what was taken before this request"
            total += events


@given(LIMITS, TRIES)
def test_whoever_waits_as_long_as_told_is_taken(limit: RateLimit, tries: list[tuple[float, int]]) -> None:
    now = 1e6
    bucket = full(limit, now)
    for pause, events in tries:
        now += pause
        seconds = seconds_to_wait(bucket, limit, now)
        now += seconds * (1 + 1e-9) + 1e-6
        assert seconds_to_wait(bucket, limit, now) == 0
        bucket = charged(bucket, limit, now, events)
