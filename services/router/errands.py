"""What the timer looks after: leads that time moves to another stage (domain N5), and deadlines (domain N7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from services.router import repository
from services.router.batch import Decided
from services.router.ledger import Ledger
from services.router.metrics import RouterMetrics
from services.router.patience import Patience
from services.router.repository import Timed

LEADS_AT_ONCE = 200
"""A lead takes a tenth of a millisecond, in which nothing else happens here."""
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
    """What time it is for the leads of a lane (None: not known yet), later by `grace` than it is: time moves leads so
    much later than their moment, for events that are told late."""

    of_lane: Callable[[int], datetime | None]
    grace: timedelta = timedelta(0)

    def due_until(self, lane: int) -> datetime | None:
        """Who was due by then is due; None: nobody."""
        now = self.of_lane(lane)
        if now is None or now - _FIRST < self.grace:
            return None  # events may claim to be of any time, also of one that has nothing before it
        return now - self.grace


class Errand(Protocol):
    """One kind of thing that is due at a moment kept in the ledger."""

    @property
    def timed(self) -> Timed: ...
    @property
    def hour(self) -> Hour: ...

    def keep(self, lanes: frozenset[int]) -> None:
        """Only these are looked after from now on."""
        ...

    async def run(self, lane: int, until: datetime) -> list[Decided]:
        """Do what is due in a lane by `until`, or some of it; empty: nothing, or it has to wait."""
        ...


class Cooling:
    """Leads that cool, fall silent, or have waited long enough. A lane waits until all that its `scores` held when it
    was due has been applied: the next event may be in the log."""

    timed = repository.COOLING

    def __init__(self, ledger: Ledger, reading: Lanes, hour: Hour, metrics: RouterMetrics) -> None:
        self._ledger, self._reading, self.hour, self._metrics = ledger, reading, hour, metrics
        self._patience = Patience()

    def keep(self, lanes: frozenset[int]) -> None:
        self._patience.keep(lanes)

    async def run(self, lane: int, until: datetime) -> list[Decided]:
        may_cool = self._patience.may_go(lane, until, *self._reading.scores_applied(lane))
        if may_cool is None:
            return []
        decided = await self._ledger.cool(lane, may_cool, LEADS_AT_ONCE)
        for change in (change for item in decided for change in item.decision.stages):
            self._metrics.cooled.labels("clock").inc()
            self._metrics.cooling_late.observe(max(0.0, (until - change.at).total_seconds()))
        return decided


class Deadlines:
    """Offers that expire, reminders, follow-ups."""

    timed = repository.DEADLINES

    def __init__(self, ledger: Ledger, hour: Hour, metrics: RouterMetrics) -> None:
        self._ledger, self.hour, self._metrics = ledger, hour, metrics

    def keep(self, lanes: frozenset[int]) -> None:
        """Nothing is kept of a lane."""

    async def run(self, lane: int, until: datetime) -> list[Decided]:
        decided = await self._ledger.meet_deadlines(lane, until, LEADS_AT_ONCE)
        for item in decided:
            for change in item.decision.handoffs:
                self._metrics.deadlines.labels(change.handoff.receiver, change.handoff.status.value).inc()
        return decided
