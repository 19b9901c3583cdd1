"""Deadlines in working time; the dates are of 2026, in Tokyo."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.router.lifecycle.deadlines import WorkCalendar
from shared.playbook.staffing import Hours
from shared.playbook.values import WorkingTime

TOKYO = ZoneInfo("Asia/Tokyo")
HOUR, DAY = WorkingTime(hours=1), WorkingTime(days=1)


@pytest.mark.parametrize(
    ("start", "within", "deadline"),
    [
        ("2026-11-16 10:00", HOUR, "2026-11-16 11:00"),
        ("2026-11-16 17:00", HOUR, "2026-11-16 18:00"),
        ("2026-11-16 17:30", HOUR, "2026-11-17 09:30"),
        ("2026-11-16 18:00", HOUR, "2026-11-17 10:00"),
        ("2026-11-16 07:15", HOUR, "2026-11-16 10:00"),
        ("2026-11-20 17:59", HOUR, "2026-11-24 09:59"),  # Friday; Monday 23 is Labour Thanksgiving Day
        ("2026-11-16 10:00", WorkingTime(hours=20), "2026-11-18 12:00"),
        ("2026-11-16 15:00", DAY, "2026-11-17 15:00"),
        ("2026-11-20 15:00", DAY, "2026-11-24 15:00"),
        ("2026-11-20 20:00", DAY, "2026-11-25 09:00"),
        ("2026-11-21 12:00", WorkingTime(days=3), "2026-11-27 09:00"),
        ("2026-12-31 10:00", DAY, "2027-01-04 10:00"),  # Friday 1 January is a holiday
        ("2026-09-21 10:00", HOUR, "2026-09-24 10:00"),  # 21, 22 (between two holidays) and 23 are free
    ],
)
def test_working_time(start: str, within: WorkingTime, deadline: str) -> None:
    calendar = WorkCalendar(Hours(), TOKYO)
    given = datetime.fromisoformat(start).replace(tzinfo=TOKYO)
    assert f"{calendar.deadline(given, within).astimezone(TOKYO):%Y-%m-%d %H:%M}" == deadline


def test_a_department_that_works_every_day_knows_no_holidays() -> None:
    hours = Hours(days=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), holidays=None)
    calendar = WorkCalendar(hours, TOKYO)
    start = datetime(2026, 11, 22, 17, 30, tzinfo=TOKYO)
    assert calendar.deadline(start, HOUR) == datetime(2026, 11, 23, 9, 30, tzinfo=TOKYO)


CLOSED = Hours.model_validate({"to": "17:00", "closed": ["2026-11-17", {"from": "12-29", "to": "01-03"}]})


@pytest.mark.parametrize(
    ("moment", "begins"),
    [
        ("2026-11-16 09:00", None),
        ("2026-11-16 16:59", None),
        ("2026-11-16 17:00", "2026-11-18 09:00"),
        ("2026-11-16 08:59", "2026-11-16 09:00"),
        ("2026-11-17 12:00", "2026-11-18 09:00"),
        ("2026-11-20 19:00", "2026-11-24 09:00"),  # Friday; Monday 23 is Labour Thanksgiving Day
        ("2027-12-28 18:00", "2028-01-04 09:00"),  # Tuesday; the 4th is a Tuesday, too
    ],
)
def test_when_work_begins_next(moment: str, begins: str | None) -> None:
    """Within working hours it has begun."""
    calendar = WorkCalendar(CLOSED, TOKYO)
    given = datetime.fromisoformat(moment).replace(tzinfo=TOKYO)
    expected = given if begins is None else datetime.fromisoformat(begins).replace(tzinfo=TOKYO)
    assert (calendar.is_working(given), calendar.next_work(given)) == (begins is None, expected)


def test_days_on_which_the_company_is_closed_do_not_count() -> None:
    calendar = WorkCalendar(CLOSED, TOKYO)
    assert calendar.deadline(datetime(2026, 11, 16, 16, 30, tzinfo=TOKYO), HOUR) == datetime(
        2026, 11, 18, 9, 30, tzinfo=TOKYO
    )
    assert calendar.deadline(datetime(2026, 12, 28, 12, 0, tzinfo=TOKYO), DAY) == datetime(
        2027, 1, 4, 12, 0, tzinfo=TOKYO
    )


def test_work_begins_at_the_same_time_of_day_when_the_clocks_are_changed() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    calendar = WorkCalendar(Hours(holidays="DE"), berlin)
    saturday = datetime(2026, 3, 28, 12, 0, tzinfo=berlin)
    assert calendar.next_work(saturday) == datetime(2026, 3, 30, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "told"),
    [
        (Hours(start="18:00", end="09:00"), "contain no time"),
        (Hours(days=()), "contain no time"),
        (Hours.model_validate({"closed": [{"from": "01-01", "to": "12-31"}]}), "contain no time"),
        (Hours(holidays="ATLANTIS"), "ATLANTIS"),
    ],
)
def test_impossible_hours_are_refused_at_start(hours: Hours, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        WorkCalendar(hours, TOKYO)
