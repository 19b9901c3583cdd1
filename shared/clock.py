"""Time as an argument: whoever decides gets `now`, and only the composition roots know where it comes from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What deadlines are counted on."""

    def now(self) -> datetime: ...

    def witness(self, moment: datetime) -> None:
        """An event of this time has been seen."""
        ...


class SystemClock:
    """The wall clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def witness(self, moment: datetime) -> None:
        """The wall needs no telling."""


class EventClock:
    """The latest event time seen: for demo and replay, where months pass in seconds. Never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def witness(self, moment: datetime) -> None:
        self._now = max(self._now, moment)
