"""The histogram of many values at once says what the library's own would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from services.scorer.latencies import Latencies

NOW = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)
BUCKETS = (0.005, 0.5, 1.0, 600.0)


def test_it_shows_what_the_usual_histogram_shows() -> None:
    seconds = [0.0, 0.004, 0.25, 0.5, 0.75, 1.0, 60.0, 601.0, 9_999.0, -2.0]
    ours, usual = CollectorRegistry(), CollectorRegistry()
    many = Latencies("x_seconds", "Seconds", BUCKETS, ours)
    many.observe([NOW - timedelta(seconds=one) for one in seconds[:4]], NOW)
    many.observe([NOW - timedelta(seconds=one) for one in seconds[4:]], NOW)
    one_by_one = Histogram("x_seconds", "Seconds", buckets=BUCKETS, registry=usual)
    for one in seconds:
        one_by_one.observe(max(0.0, one))
    expected = [line for line in generate_latest(usual).decode().splitlines() if "_created" not in line]
    assert generate_latest(ours).decode().splitlines() == expected
