"""The timer: does what is due when its moment has come, without any event.

The moments are in the ledger, so that a restart misses none. A look is one question to an index for each errand; the
next one is due with the next lead, or after `LOOK_EVERY_SECONDS`. Which router does it does not matter: a lead's row is
locked, and asked again under the lock whether it is due.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from services.router import repository
from services.router.errands import Errand, Lanes
from services.router.failures import PostgresAway, told_apart
from services.router.ledger import Ledger
from services.router.status import Watch

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 0.5
WAIT_SECONDS = 0.1
"""Until what is due but has to wait for the log, or for another transaction, is tried again."""
PAUSE_SECONDS = 0.5


class Timer:
    """Runs until cancelled. `set_clock` is told what time it is by Postgres's clock, at each look; `on_messages` is
    called after a transaction that left something in the outbox."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it looks after, and whom it tells
        self,
        ledger: Ledger,
        reading: Lanes,
        errands: Sequence[Errand],
        watch: Watch,
        set_clock: Callable[[datetime], None],
        on_messages: Callable[[], None],
    ) -> None:
        self._ledger, self._reading, self._errands = ledger, reading, errands
        self._status, self._set_clock, self._on_messages = watch.status, set_clock, on_messages

    async def run(self) -> None:
        while True:
            try:
                rest = await self._round()
                self._status.timer = None
            except PostgresAway as away:
                self._status.timer = str(away)
                log.warning("%s; what is due is looked for again", away)
                rest = PAUSE_SECONDS
            await asyncio.sleep(rest)

    async def _round(self) -> float:
        """Do what is due; the seconds until the next look."""
        lanes = self._reading.lanes
        for errand in self._errands:
            errand.keep(lanes)
        if not lanes:
            return LOOK_EVERY_SECONDS
        with told_apart():
            async with self._ledger.engine.connect() as connection:
                self._set_clock(await repository.now(connection))
                found = [await repository.next_due(connection, errand.timed, lanes) for errand in self._errands]
        rests = [await self._look(errand, moments) for errand, moments in zip(self._errands, found, strict=True)]
        return min([LOOK_EVERY_SECONDS, *rests])

    async def _look(self, errand: Errand, moments: dict[int, datetime]) -> float:
        """Run an errand in the lanes where it is due; the seconds until it is due again, as far as is known."""
        left = {
            lane: (moment - until).total_seconds()
            for lane, moment in moments.items()
            if (until := errand.hour.due_until(lane)) is not None
        }
        due = [lane for lane, seconds in left.items() if seconds <= 0]
        if due:
            done = [await self._run(errand, lane) for lane in due]
            return 0.0 if any(done) else WAIT_SECONDS
        return min(left.values(), default=LOOK_EVERY_SECONDS)

    async def _run(self, errand: Errand, lane: int) -> bool:
        """Whether something was done."""
        until = errand.hour.due_until(lane)
        if until is None or lane not in self._reading.lanes:
            return False
        with told_apart():
            decided = await errand.run(lane, until)
        if any(not item.counts_only for item in decided):
            self._on_messages()
        return bool(decided)
