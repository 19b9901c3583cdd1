"""When to try again: exponential, with jitter, so that attempts do not come in herds."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 3600.0
LONGEST_ASKED_SECONDS = 86400.0


def pause(failures: int, first_seconds: float, chance: float) -> float:
    """Seconds after the `failures`-th failure in a row: with 5 s at first 5, 15, 45 s … and then every hour, which are
    some 125 attempts in five days. `chance` is between 0 and 1: from three quarters to five quarters of that."""
    # 3^20 is longer than a century; more would be no float some day.
    seconds = min(first_seconds * 3.0 ** min(failures - 1, 20), LONGEST_SECONDS)
    return seconds * (0.75 + chance / 2)


def asked_for(retry_after: str | None, now: datetime) -> float:
    """Seconds that the header `Retry-After` asks for, a day at most; 0 where it asks for nothing that can be read."""
    if not retry_after:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        seconds = float(retry_after[:10])
    else:
        try:
            moment = parsedate_to_datetime(retry_after)
        except ValueError:
            return 0.0
        seconds = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_ASKED_SECONDS)
