"""Working time, measured in another way than the router does it: day by day, as the hours that two spans share."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import holidays

from shared.playbook import Playbook
from shared.playbook.staffing import WEEKDAYS, Hours

_HOLIDAYS = holidays.country_holidays("JP")  # type: ignore[attr-defined]


def worked(playbook: Playbook, hours: Hours, start: datetime, end: datetime) -> timedelta:
    """How much working time lies between two moments."""
    first, last = (moment.astimezone(playbook.zone).replace(tzinfo=None) for moment in (start, end))
    total, day = timedelta(0), first.date()
    while day <= last.date():
        if is_working_day(hours, day):
            begins, ends = _at(day, hours.start), _at(day, hours.end)
            total += max(timedelta(0), min(ends, last) - max(begins, first))
        day += timedelta(days=1)
    return total


def day_length(hours: Hours) -> timedelta:
    """Of one working day."""
    return _at(date.min, hours.end) - _at(date.min, hours.start)


def is_working_day(hours: Hours, day: date) -> bool:
    is_closed = any(days.includes(day) for days in hours.closed)
    return WEEKDAYS[day.weekday()] in hours.days and not is_closed and day not in _HOLIDAYS


def _at(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock))
