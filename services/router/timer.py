"""The timer: lets leads cool when their moment has come, without any event (domain N5).

The moments are in the ledger, so that a restart misses none. A look is one question to an index; the next one is due
with the next lead, or after `LOOK_EVERY_SECONDS`. Which router does it does not matter: a lead's row is locked, and
asked again under the lock whether it is due.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from services.router import repository
from services.router.batch import Decided
from services.router.failures import PostgresAway, told_apart
from services.router.ledger import Ledger
from services.router.patience import Patience
from services.router.status import Watch

log = logging.getLogger(__name__)

LEADS_AT_ONCE = 500
LOOK_EVERY_SECONDS = 0.5
WAIT_SECONDS = 0.1
"""Until what is due but has to wait for the log, or for another transaction, is tried again."""
PAUSE_SECONDS = 0.5


class Lanes(Protocol):
    """Whose leads these are, and how far their scores have been applied."""

    @property
    def lanes(self) -> frozenset[int]: ...

    def scores_applied(self, lane: int) -> tuple[int, int | None]:
        """The next score to be applied, and where they end."""
        ...


class Timer:
    """Runs until cancelled. `grace`: so much later than their moment leads cool, for events that are told late;
    `on_messages` is called after a transaction that left something in the outbox."""

    def __init__(
        self, ledger: Ledger, reading: Lanes, grace: timedelta, watch: Watch, on_messages: Callable[[], None]
    ) -> None:
        self._ledger, self._reading, self._grace, self._on_messages = ledger, reading, grace, on_messages
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
        lanes, until = self._reading.lanes, self._due_until()
        self._patience.keep(lanes)
        if not lanes or until is None:
            return LOOK_EVERY_SECONDS
        with told_apart():
            async with self._ledger.engine.connect() as connection:
                found = await repository.next_cooling(connection, lanes)
        due = [lane for lane, moment in found.items() if moment <= until]
        if due:
            done = [await self._cool(lane, until) for lane in due]
            return 0.0 if any(done) else WAIT_SECONDS
        soonest = min(((moment - until).total_seconds() for moment in found.values()), default=LOOK_EVERY_SECONDS)
        return min(soonest, LOOK_EVERY_SECONDS)

    async def _cool(self, lane: int, until: datetime) -> bool:
        """Whether leads of the lane were looked at."""
        if lane not in self._reading.lanes:
            return False
        may_cool = self._patience.may_go(lane, until, *self._reading.scores_applied(lane))
        if may_cool is None:
            return False
        with told_apart():
            decided = await self._ledger.cool(lane, may_cool, LEADS_AT_ONCE)
        self._count(decided)
        if any(not item.counts_only for item in decided):
            self._on_messages()
        return bool(decided)

    def _due_until(self) -> datetime | None:
        """None: the clock has not begun (that of events, before the first one)."""
        try:
            return self._ledger.clock.now() - self._grace
        except OverflowError:
            return None

    def _count(self, decided: Iterable[Decided]) -> None:
        now = self._ledger.clock.now()
        for change in (change for item in decided for change in item.decision.stages):
            self._metrics.cooled.labels("clock").inc()
            self._metrics.cooling_late.observe(max(0.0, (now - change.at - self._grace).total_seconds()))
