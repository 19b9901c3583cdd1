"""The wall clock of all routers is Postgres's: one that is wrong about the time must not let hand-offs expire."""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class DatabaseClock:
    """What Postgres's clock said last, and the seconds since. To be set again every now and then."""

    def __init__(self, now: datetime) -> None:
        self.set(now)

    def set(self, now: datetime) -> None:
        self._at, self._set = now.replace(microsecond=now.microsecond // 1000 * 1000), time.monotonic()

    def now(self) -> datetime:
        return self._at + timedelta(milliseconds=int((time.monotonic() - self._set) * 1000))

    def witness(self, moment: datetime) -> None:
        """What happened, and when, does not move the wall."""
