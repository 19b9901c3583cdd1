"""When things happen: office hours in Japan, and the marketing department's dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

JAPAN = ZoneInfo("Asia/Tokyo")
DAYS = 120
_HOUR_WEIGHTS = [1, 0, 0, 0, 0, 1, 2, 5, 9, 16, 18, 16, 10, 14, 17, 17, 15, 12, 7, 4, 3, 3, 2, 1]
TUESDAY, WEDNESDAY, THURSDAY, SATURDAY = 1, 2, 3, 5


@dataclass(frozen=True)
class Calendar:
    """The last `DAYS` days before `end`."""

    end: datetime

    @property
    def start(self) -> datetime:
        return self.end - timedelta(days=DAYS)

    @property
    def newsletters(self) -> list[datetime]:
        """Tuesdays at ten."""
        return [self._at(day, 10) for day in self._days() if day.weekday() == TUESDAY]

    @property
    def webinars(self) -> list[datetime]:
        """Thursdays at two."""
        return [self._at(day, 14) for day in self._days() if day.weekday() == THURSDAY]

    @property
    def exhibitions(self) -> list[list[datetime]]:
        """Three of them, three days each, from a Wednesday."""
        wednesdays = [self._at(day, 10) for day in self._days() if day.weekday() == WEDNESDAY]
        chosen = [wednesdays[len(wednesdays) * part // 6] for part in (1, 3, 5)]
        return [[first + timedelta(days=day) for day in range(3)] for first in chosen]

    def moment(self, random: Random) -> datetime:
        """Some time in the period, mostly in office hours."""
        return self.in_office_hours(self.start + (self.end - self.start) * random.random(), random)

    def in_office_hours(self, moment: datetime, random: Random) -> datetime:
        """The same day at a likelier hour; four of five weekend days become the Monday after."""
        day = moment.astimezone(JAPAN)
        if day.weekday() >= SATURDAY and random.random() < 0.8:
            day += timedelta(days=7 - day.weekday())
        hour = random.choices(range(24), _HOUR_WEIGHTS)[0]
        return self._at(day, hour) + timedelta(milliseconds=random.randrange(3_600_000))

    def _days(self) -> list[datetime]:
        first = self.start.astimezone(JAPAN)
        return [first + timedelta(days=day) for day in range(DAYS)]

    @staticmethod
    def _at(day: datetime, hour: int) -> datetime:
        return day.replace(hour=hour, minute=0, second=0, microsecond=0)
