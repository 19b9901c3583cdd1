"""Before a lead cools by the clock, what is in the log about it must have been read: its next event may be there.

So a lane's timer waits until all that its part of `scores` held when the timer was due has been applied; but no longer
than `PATIENCE_SECONDS`, or one lane that is stuck would keep its leads warm for ever. What is written later, or is
still with the scorer, comes too late: it is decided after the lead has cooled. No I/O.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class _Asked:
    until: datetime
    since: float
    end: int | None


class Patience:
    """Asked for a lane again and again, from when it is due until it may go."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._asked: dict[int, _Asked] = {}

    def may_go(self, lane: int, until: datetime, applied: int, end: int | None) -> datetime | None:
        """Leads that are due by the moment given back may cool now; None: wait. `until`: what is due now; `applied`:
        the next score to be applied; `end`: where the lane's scores end, None: Kafka has not told yet."""
        asked = self._asked.get(lane)
        if asked is None:
            asked = self._asked[lane] = _Asked(until, self._monotonic(), end)
        if asked.end is None:
            asked.end = end
        is_read = asked.end is not None and applied >= asked.end
        if not is_read and self._monotonic() - asked.since < PATIENCE_SECONDS:
            return None
        return self._asked.pop(lane).until

    def keep(self, lanes: frozenset[int]) -> None:
        """Forget all other lanes: they belong to somebody else now."""
        self._asked = {lane: asked for lane, asked in self._asked.items() if lane in lanes}
