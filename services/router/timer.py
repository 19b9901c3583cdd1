"""The timer: lets leads cool when their moment has come, without any event (domain N5).

The moments are in the ledger, so that a restart misses none. A look is one question to an index; the next one is due
with the next lead, or after `LOOK_EVERY_SECONDS`. Which router does it does not matter: a lead's row is locked, and
asked again under the lock whether it is due.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from services.router import repository
from services.router.batch import Decided
from services.router.failures import PostgresAway, told_apart
from services.router.ledger import Ledger
from services.router.patience import Patience
from services.router.status import Watch

log = logging.getLogger(__name__)

LEADS_AT_ONCE = 200
"""A lead takes a tenth of a millisecond, in which nothing else happens here."""
LOOK_EVERY_SECONDS = 0.5
WAIT_SECONDS = 0.1
"""Until what is due but has to wait for the log, or for another transaction, is tried again."""
PAUSE_SECONDS = 0.5
_FIRST = datetime.min.replace(tzinfo=UTC)


class Lanes(Protocol):
    """Whose leads these are, and how far their scores have been applied."""

    @property
    def lanes(self) -> frozenset[int]: ...

    def scores_applied(self, lane: int) -> tuple[int, int | None]:
        """The next score to be applied, and where they end."""
        ...


@dataclass(frozen=True, slots=True)
class Hour:
    """What time it is for the leads of a lane (None: not known yet). They cool later than their moment by `grace`, for
    events that are told late."""

    of_lane: Callable[[int], datetime | None]
    grace: timedelta

    def due_until(self, lane: int) -> datetime | None:
        """Who was to cool by then is due; None: nobody."""
        now = self.of_lane(lane)
        if now is None or now - _FIRST < self.grace:
            return None  # events may claim to be of any time, also of one that has nothing before it
        return now - self.grace


class Timer:
    """Runs until cancelled. `on_messages` is called after a transaction that left something in the outbox."""

    def __init__(
        self, ledger: Ledger, reading: Lanes, hour: Hour, watch: Watch, on_messages: Callable[[], None]
    ) -> None:
        self._ledger, self._reading, self._hour, self._on_messages = ledger, reading, hour, on_messages
        self._metrics, self._status = watch.metrics, watch.status
        self._patience = Patience()

    async def run(self) -> None:
        while True:
            try:
                rest = await self._round()
                self._status.timer = None
            except PostgresAway as away:
                self._status.timer = str(away)
                log.warning("%s; leads that are to cool are looked for again", away)
                rest = PAUSE_SECONDS
            await asyncio.sleep(rest)

    async def _round(self) -> float:
        """Let cool what may; the seconds until the next look."""
        lanes = self._reading.lanes
        self._patience.keep(lanes)
        if not lanes:
            return LOOK_EVERY_SECONDS
        with told_apart():
            async with self._ledger.engine.connect() as connection:
                found = await repository.next_cooling(connection, lanes)
        left = {
            lane: (moment - until).total_seconds()
            for lane, moment in found.items()
            if (until := self._hour.due_until(lane)) is not None
        }
        due = [lane for lane, seconds in left.items() if seconds <= 0]
        if due:
            done = [await self._cool(lane) for lane in due]
            return 0.0 if any(done) else WAIT_SECONDS
        return min([LOOK_EVERY_SECONDS, *left.values()])

    async def _cool(self, lane: int) -> bool:
        """Whether leads of the lane were looked at."""
        until = self._hour.due_until(lane)
        if until is None or lane not in self._reading.lanes:
            return False
        may_cool = self._patience.may_go(lane, until, *self._reading.scores_applied(lane))
        if may_cool is None:
            return False
        with told_apart():
            decided = await self._ledger.cool(lane, may_cool, LEADS_AT_ONCE)
        self._count(lane, decided)
        if any(not item.counts_only for item in decided):
            self._on_messages()
        return bool(decided)

    def _count(self, lane: int, decided: Iterable[Decided]) -> None:
        until = self._hour.due_until(lane)
        for change in (change for item in decided for change in item.decision.stages):
            self._metrics.cooled.labels("clock").inc()
            if until is not None:
                self._metrics.cooling_late.observe(max(0.0, (until - change.at).total_seconds()))
