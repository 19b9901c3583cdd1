"""A time of business: arrivals, a month in which five times as many come as usual, idle weeks, and who is away when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from random import Random

from tests.simulation.business import Business
from tests.simulation.market import Market
from tests.simulation.office import Office
from tests.simulation.valves import Valves

START = datetime(2026, 4, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LEADS_PER_COMPANY = 4
RUSH = (7, 1)
"""So many months after the start an exhibition brings five times as many leads, for one month."""


class Scenario:
    """One history of `days` with so many leads, made by `seed` alone, of a `business` that begins at `START`. `asks`:
    whether leads ask to be contacted, and agree to appointments; if not, those that reach field sales come by their
    total."""

    def __init__(self, business: Business, *, seed: int, leads: int, days: int, asks: bool = True) -> None:
        self.business = business
        self.end = START + days * DAY
        chance = Random(f"{seed}:market")
        self.market = Market(business, chance, seed, max(1, leads // LEADS_PER_COMPANY), asks)
        self.office = Office(business, Random(f"{seed}:office"), appointments=asks)
        self.business.listeners.append(self.office.listens)
        Valves(business)
        self._plan_absences(Random(f"{seed}:absences"), days)
        for number, moment in enumerate(_arrivals(Random(f"{seed}:arrivals"), leads, days)):
            self.business.at(moment, lambda number=number: self.market.comes(number))  # type: ignore[misc]
        self.business.every(DAY, self._each_day)

    def run(self) -> None:
        """Raises `Broken` at the first step at which a law does not hold."""
        self.business.run(self.end)
        self.business.laws.everything(self.end)

    def _each_day(self) -> None:
        now = self.business.now
        self.business.laws.everything(now)
        self.office.idle = 0.5 if _is_idle(now) else 0.0

    def _plan_absences(self, chance: Random, days: int) -> None:
        """Everybody is away for a week or so each quarter; one is away for two months."""
        teams = self.business.rules.teams
        people = sorted({person.id for team in teams.values() for person in team.people if person.weight})
        for person in people:
            for quarter in range(0, days, 91):
                begins = START + timedelta(days=quarter + chance.randrange(80), hours=chance.randrange(24))
                self.business.ledger.absences[person].append((begins, begins + chance.randint(1, 9) * DAY))
        ill = chance.choice(people)
        self.business.ledger.absences[ill].append((START + days / 3 * DAY, START + (days / 3 + 60) * DAY))


def _arrivals(chance: Random, leads: int, days: int) -> Iterator[datetime]:
    """By weight of the day: none in idle weeks, few on weekends."""
    weights = [_weight(START + day * DAY, day) for day in range(days)]
    for day in sorted(chance.choices(range(days), weights, k=leads)):
        yield datetime.combine((START + day * DAY).date(), time(0), UTC) + chance.uniform(0, 12) * timedelta(hours=1)


def _weight(moment: datetime, day: int) -> float:
    if _is_idle(moment):
        return 0.05
    months, lasts = RUSH
    rush = 5.0 if months * 30 <= day < (months + lasts) * 30 else 1.0
    return rush * (0.2 if moment.weekday() >= 5 else 1.0)


def _is_idle(moment: datetime) -> bool:
    """Golden Week, Obon and the turn of the year."""
    day = (moment.month, moment.day)
    return (4, 29) <= day <= (5, 6) or (8, 11) <= day <= (8, 16) or day >= (12, 27) or day <= (1, 4)
