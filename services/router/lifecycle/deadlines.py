"""By when a hand-off must be answered, in the working time of whoever has to answer it.

A moment outside working hours first becomes the next moment of work. Then
- `n working days` is the same time of day on the n-th following working day: Friday 15:00 + 1 is Monday 15:00,
  Friday 20:00 + 1 is Tuesday 9:00 (work begins on Monday 9:00);
- `n working hours` are counted within working hours: Friday 17:30 + 1 is Monday 9:30.
Public holidays of the playbook's country and the company's own are no working days.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from shared.playbook.staffing import WEEKDAYS, Hours
from shared.playbook.values import WorkingTime


class WorkCalendar:
    """Working time of a department, a team or a person. Raises `ValueError` where nobody would ever work."""

    def __init__(self, hours: Hours, zone: ZoneInfo) -> None:
        self._start, self._end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
        if not hours.contain_time():
            raise ValueError(f"working hours {hours.start} to {hours.end} on {list(hours.days)} contain no time")
        self._zone, self._country, self._closed = zone, hours.holidays, hours.closed
        self._days = frozenset(WEEKDAYS.index(day) for day in hours.days)
        if hours.holidays is not None:
            _public_holidays(hours.holidays, 2026)  # an unknown country must show at start, not at the first deadline

    def deadline(self, start: datetime, within: WorkingTime) -> datetime:
        """`within` of working time after `start`, in UTC."""
        moment = self._next_work(self._local(start))
        for _ in range(within.days):
            moment = datetime.combine(self._next_day(moment.date()), moment.time())
        left = timedelta(hours=within.hours)
        while left > (today := datetime.combine(moment.date(), self._end) - moment):
            left -= today
            moment = datetime.combine(self._next_day(moment.date()), self._start)
        return self._utc(moment + left)

    def is_working(self, moment: datetime) -> bool:
        """Whether `moment` is within working hours; the second at which they end is not."""
        local = self._local(moment)
        return self._start <= local.time() < self._end and self._is_working_day(local.date())

    def next_work(self, moment: datetime) -> datetime:
        """`moment` itself within working hours, else when they next begin, in UTC."""
        return moment if self.is_working(moment) else self._utc(self._next_work(self._local(moment)))

    def _local(self, moment: datetime) -> datetime:
        """Wall time: a department's day does not move when the clocks are changed."""
        return moment.astimezone(self._zone).replace(tzinfo=None)

    def _utc(self, local: datetime) -> datetime:
        return local.replace(tzinfo=self._zone).astimezone(UTC)

    def _next_work(self, moment: datetime) -> datetime:
        if self._is_working_day(moment.date()) and moment.time() < self._end:
            return max(moment, datetime.combine(moment.date(), self._start))
        return datetime.combine(self._next_day(moment.date()), self._start)

    def _next_day(self, day: date) -> date:
        day += timedelta(days=1)
        while not self._is_working_day(day):
            day += timedelta(days=1)
        return day

    def _is_working_day(self, day: date) -> bool:
        if day.weekday() not in self._days or any(days.includes(day) for days in self._closed):
            return False
        return self._country is None or day not in _public_holidays(self._country, day.year)


@lru_cache(maxsize=256)
def _public_holidays(country: str, year: int) -> frozenset[date]:
    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError as error:
        raise ValueError(f"no public holidays are known for country '{country}'; expected a code such as JP") from error
