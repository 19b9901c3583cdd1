"""What behaviour rules are worth: their days through all caps, and what has faded since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from tests.fault.oracle.calls import EPOCH, Happened
from tests.fault.oracle.matching import at
from tests.fault.oracle.playbook import BehaviourPoints, Book
from tests.fault.oracle.values import number

_EXACT = Context(prec=34, rounding=ROUND_HALF_EVEN)
_LN2 = _EXACT.ln(Decimal(2))
_DAY_MS = 86_400_000
_MOST_AT_ONCE = 1_000_000

Days = Mapping[date, int]


def points_of(rule: BehaviourPoints, event: Happened, book: Book) -> int | None:
    """What an event tells: of a rule with points of its own how often (once), otherwise millionths of the property."""
    if rule.source is None:
        return 1
    found = number(at(event.properties, rule.source))
    if found is None:
        return None
    least = 0 if "ever" in _all_caps(rule, book) else -_MOST_AT_ONCE
    return round(float(max(least, min(_MOST_AT_ONCE, found))) * 1_000_000)


def counted_days(book: Book, told: Mapping[str, Days], now: int) -> dict[str, dict[date, int]]:
    """Micro-points that count of each rule's days: day by day and rule by rule through its own caps, then its group's.
    A cap lets pass what its period has left."""
    today = day_of(now, book.zone)
    told = {rule.id: _kept(rule, told.get(rule.id, {}), book, today) for rule in book.behaviour}
    used: defaultdict[tuple[str, str, int], int] = defaultdict(int)
    counted: dict[str, dict[date, int]] = {rule.id: {} for rule in book.behaviour}
    for day in sorted({day for days in told.values() for day in days}):
        for rule in book.behaviour:
            if day not in told[rule.id]:
                continue
            passing = told[rule.id][day]
            groups = {} if rule.group is None else book.behaviour_groups[rule.group]
            for owner, caps in ((f"rule {rule.id}", rule.caps), (f"group {rule.group}", groups)):
                for period, limit in caps.items():
                    key = (owner, period, _number_of(period, day))
                    before, used[key] = used[key], max(-limit, min(limit, used[key] + passing))
                    passing = used[key] - before
            counted[rule.id][day] = passing
    return counted


def worth(rule: BehaviourPoints, counted: Days, now: int, zone: ZoneInfo) -> int:
    """What is left at `now` of what the days counted."""
    today = day_of(now, zone)
    past = sorted(day for day in counted if day < today)
    if rule.expires is not None:
        ends = {day: end_of(day, zone) for day in past}
        left = sum(
            faded(counted[day], now - end, rule.half_life) for day, end in ends.items() if now < end + rule.expires
        )
        return left + counted.get(today, 0)
    account, since = 0, 0
    for day in past:
        end = end_of(day, zone)
        account, since = faded(account, end - since, rule.half_life) + counted[day], end
    return faded(account, now - since, rule.half_life) + counted.get(today, 0)


@dataclass(frozen=True)
class Fading:
    """Micro-points that fade from `since` on, and end at `until` (None: only by fading)."""

    micro: int
    since: int
    half_life: int
    until: int | None = None

    def at(self, time: int) -> int:
        return (
            0 if self.until is not None and time >= self.until else faded(self.micro, time - self.since, self.half_life)
        )


def foretold(book: Book, counted: Mapping[str, Days], now: int) -> list[Fading]:
    """How the total's behaviour points go on from `now` if nothing happens, as a score record tells it: what is left of
    past days is one sum for each half-life, and what the present day counted begins to fade at its end. So what it
    foretells differs from `worth`, asked then, by what rounding makes of it."""
    today = day_of(now, book.zone)
    tonight = end_of(today, book.zone)
    sums: defaultdict[tuple[int, int], int] = defaultdict(int)
    ending = []
    for rule in (rule for rule in book.behaviour if rule.dimension is None):
        days = counted[rule.id]
        if rule.expires is not None:
            ends = [(micro, end_of(day, book.zone)) for day, micro in days.items()]
            ending += [Fading(micro, end, rule.half_life, end + rule.expires) for micro, end in ends]
            continue
        present = days.get(today, 0)
        sums[now, rule.half_life] += worth(rule, days, now, book.zone) - present
        sums[tonight, rule.half_life] += present
    return [Fading(micro, since, half_life) for (since, half_life), micro in sums.items()] + ending


def _kept(rule: BehaviourPoints, told: Days, book: Book, today: date) -> dict[date, int]:
    """In micro-points, without the days of which nothing is left."""
    if rule.once:
        return {min(told): rule.micro} if told else {}
    micro = {
        day: rule.micro * found if rule.source is None else (rule.micro * found + 500_000) // 1_000_000
        for day, found in told.items()
    }
    if "ever" in _all_caps(rule, book):
        return micro
    together = [other for other in book.behaviour if rule.group is not None and other.group == rule.group] or [rule]
    oldest = today.toordinal() + max(other.lasting for other in together) // -_DAY_MS
    if rule.group is not None or "week" in rule.caps or rule.expires is not None:
        oldest -= (oldest - 1) % 7
    return {day: found for day, found in micro.items() if day.toordinal() >= oldest}


def _all_caps(rule: BehaviourPoints, book: Book) -> set[str]:
    return {*rule.caps, *(book.behaviour_groups[rule.group] if rule.group is not None else ())}


def _number_of(period: str, day: date) -> int:
    """The first day of the calendar was a Monday."""
    return {"day": day.toordinal(), "week": (day.toordinal() - 1) // 7, "ever": 0}[period]


def faded(points: int, age: int, half_life: int) -> int:
    """points · 2^(−age / half-life), a whole number; all of it while the day is not over."""
    return points if age <= 0 else int(_EXACT.to_integral_value(_EXACT.multiply(points, _half(age, half_life))))


@lru_cache(maxsize=100_000)
def _half(age: int, half_life: int) -> Decimal:
    whole, part = divmod(age, half_life)
    fraction = _EXACT.exp(_EXACT.multiply(-_LN2, _EXACT.divide(part, half_life)))
    return _EXACT.divide(fraction, Decimal(2**whole))


def day_of(time: int, zone: ZoneInfo) -> date:
    """The first day that ends after `time`: clocks may go back over midnight."""
    day = (EPOCH + timedelta(milliseconds=time)).astimezone(zone).date()
    while end_of(day, zone) <= time:
        day += timedelta(days=1)
    return day


@lru_cache(maxsize=100_000)
def end_of(day: date, zone: ZoneInfo) -> int:
    """The midnight that ends the day."""
    midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    return (midnight - EPOCH) // timedelta(milliseconds=1)
