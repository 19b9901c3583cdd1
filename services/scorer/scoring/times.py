"""Milliseconds and calendar days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.topics import DAY_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
FLOAT_MS = 4_000_000_000_000  # the year 2096
BEFORE_ALL = -(10**14)
NEVER = 10**15
"""Earlier, and later, than any moment that there is."""


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970, cut; `moment` must be timezone-aware."""
    # A third of the time of a division of timedeltas.
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def from_ms(ms: int) -> datetime:
    """The UTC moment."""
    # Less than half the time, and every score record asks some ten times; so far a float is exact to the microsecond.
    if -FLOAT_MS < ms < FLOAT_MS:
        return datetime.fromtimestamp(ms / 1000, UTC)
    return _EPOCH + timedelta(milliseconds=ms)


@lru_cache(maxsize=4096)
def day_end(day: int, zone: ZoneInfo) -> int:
    """Milliseconds of the midnight that ends the calendar day `day` (an ordinal) in `zone`."""
    return to_ms(datetime.combine(date.fromordinal(day + 1), time(), zone))


def day_of(ms: int, zone: ZoneInfo) -> int:
    """The calendar day of a moment in `zone`, as an ordinal: the first that ends after it. Where clocks go back over
    midnight, the day that has begun goes on."""
    day = max(1, _EPOCH_DAY + ms // DAY_MS)  # in UTC, so no more than a day off
    while day > 1 and day_end(day - 1, zone) > ms:
        day -= 1
    while day_end(day, zone) <= ms:
        day += 1
    return day
