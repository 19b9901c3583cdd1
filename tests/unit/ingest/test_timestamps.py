"""Times as senders write them, and their clocks corrected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.timestamps import event_time, parse_time

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00.000Z",
        "2026-11-21T12:00:00.000000+00:00",
        "2026-11-21T12:00:00.000000000Z",
        "2026-11-21T21:00:00+09:00",
        "2026-11-21T21:00:00+0900",
        "2026-11-21t12:00:00z",
        " 2026-11-21T12:00:00Z ",
        "2026-11-21 12:00:00",
        "20261121T120000Z",
    ],
)
def test_forms_of_noon(text: str) -> None:
    assert parse_time(text) == NOON
    assert parse_time(text).utcoffset() == timedelta(0)


def test_fractions_are_kept_to_the_microsecond() -> None:
    assert parse_time("2026-11-21T12:00:00.123456789Z").microsecond == 123456
    assert parse_time("2026-11-21T12:00:00.5Z").microsecond == 500000


@pytest.mark.parametrize(
    "text", ["", "now", "1700000000", "2026-02-30", "2026-11-21T25:00:00Z", "0001-01-01T00:00:00+09:00"]
)
def test_garbage_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text)


@pytest.mark.parametrize(
    ("timestamp", "sent_at", "expected"),
    [
        (None, None, NOON),
        (None, NOON - timedelta(days=9), NOON),
        (NOON - timedelta(days=1), None, NOON - timedelta(days=1)),
        (
            NOON + timedelta(hours=9),
            NOON + timedelta(hours=9, seconds=3),
            NOON - timedelta(seconds=3),
        ),  # clock 9 h fast
        (NOON - timedelta(days=400), NOON, NOON - timedelta(days=400)),  # imported history
        (NOON, NOON - timedelta(seconds=2), NOON + timedelta(seconds=2)),  # sentAt < timestamp is accepted
    ],
)
def test_clock_skew(timestamp: datetime | None, sent_at: datetime | None, expected: datetime) -> None:
    assert event_time(timestamp, sent_at, received_at=NOON) == expected
