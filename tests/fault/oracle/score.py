"""What a lead is worth, and what it has shown: over the events so far, at the latest one's time."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tests.fault.oracle.calls import EPOCH, Happened
from tests.fault.oracle.matching import at, matches
from tests.fault.oracle.playbook import Book
from tests.fault.oracle.values import passes

_EXACT = Context(prec=34, rounding=ROUND_HALF_EVEN)
_LN2 = _EXACT.ln(Decimal(2))


@dataclass(frozen=True)
class SignalShown:
    """Milliseconds since 1970; `event_id` and `kept` are those of the newest by (time, message id)."""

    first: int
    last: int
    times: int
    event_id: str
    kept: Mapping[str, Any]


@dataclass
class Card:
    """One lead's events so far, sorted into what the playbook counts. Call `add` in the order of the log."""

    book: Book
    time: int = -sys.maxsize
    _points: defaultdict[str, defaultdict[date, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    _fields: dict[str, tuple[int, str, Any]] = field(default_factory=dict)
    _shown: defaultdict[str, list[Happened]] = field(default_factory=lambda: defaultdict(list))
    _actions: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def add(self, event: Happened) -> None:
        said = (event.kind, event.name, event.properties, event.fields)
        self.time = max(self.time, event.time)
        day = _day_of(event.time, self.book.zone)
        for rule in self.book.behaviour:
            if not event.late and matches(rule.match, *said):
                self._points[rule.id][day] += rule.micro
        for name, value in event.fields.items():
            told = (event.time, event.id, value)
            if name not in self._fields or told[:2] >= self._fields[name][:2]:
                self._fields[name] = told
        for name, signal in self.book.signals.items():
            if any(matches(match, *said) for match in signal.matches):
                self._shown[name].append(event)
        for action in self.book.actions:
            if matches(action.match, *said):
                key = (action.channel, action.action)
                _, last = self._actions.get(key, (0, event.time))
                self._actions[key] = (action.level, max(last, event.time))

    def later(self, time: int) -> Card:
        """The lead at a later time, when nothing else has happened. Of its levels only the highest is known to whoever
        waits: when that has ended, there is none until the next event."""
        found = copy(self)
        found.time = time
        found._actions = {action: told for action, told in self._actions.items() if told[0] == self.level}
        return found

    @property
    def fields(self) -> dict[str, Any]:
        """The newest value of each field by (time, message id), without the empty ones; of personal ones only True."""
        return {
            name: True if self.book.fields[name].personal else value
            for name, (_, _, value) in self._fields.items()
            if value is not None
        }

    @property
    def attribute(self) -> int:
        known = self.fields
        return sum(rule.micro for rule in self.book.attribute if passes(rule.check, known.get(rule.field)))

    @property
    def behaviour(self) -> int:
        return sum(self._rule_worth(rule.id) for rule in self.book.behaviour if rule.id in self._points)

    @property
    def total(self) -> int:
        return self.attribute + self.behaviour

    @property
    def level(self) -> int:
        """The highest among actions whose last occurrence is still valid."""
        valid = [level for level, last in self._actions.values() if last + self.book.level_valid > self.time]
        return max(valid, default=0)

    def has_shown(self, signal: str) -> bool:
        return signal in self._shown

    @property
    def signals(self) -> dict[str, SignalShown]:
        return {name: self._signal(name, events) for name, events in self._shown.items()}

    def _signal(self, name: str, events: list[Happened]) -> SignalShown:
        newest = max(events, key=lambda event: (event.time, event.id))
        kept = {name: at(newest.properties, name) for name in self.book.signals[name].keep}
        return SignalShown(
            first=min(event.time for event in events),
            last=newest.time,
            times=len(events),
            event_id=newest.id,
            kept={name: value for name, value in kept.items() if value is not None},
        )

    def _rule_worth(self, id: str) -> int:
        rule = next(rule for rule in self.book.behaviour if rule.id == id)
        days = self._points[id]
        earned = {min(days): rule.micro} if rule.once else days
        cap = rule.cap if rule.cap is not None else sys.maxsize
        today = _day_of(self.time, self.book.zone)
        reach = timedelta(days=-(-32 * rule.half_life // 86_400_000))
        account, since = 0, 0
        for day in sorted(day for day in earned if day < today and (rule.once or day >= today - reach)):
            end = _end_of(day, self.book.zone)
            account = _faded(account, end - since, rule.half_life) + max(-cap, min(cap, earned[day]))
            since = end
        of_today = max(-cap, min(cap, earned.get(today, 0)))
        return _faded(account, self.time - since, rule.half_life) + of_today


def _faded(points: int, age: int, half_life: int) -> int:
    """points · 2^(−age / half-life), a whole number; all of it while the day is not over."""
    return points if age <= 0 else int(_EXACT.to_integral_value(_EXACT.multiply(points, _half(age, half_life))))


@lru_cache(maxsize=100_000)
def _half(age: int, half_life: int) -> Decimal:
    whole, part = divmod(age, half_life)
    fraction = _EXACT.exp(_EXACT.multiply(-_LN2, _EXACT.divide(part, half_life)))
    return _EXACT.divide(fraction, Decimal(2**whole))


def _day_of(time: int, zone: ZoneInfo) -> date:
    """The first day that ends after `time`: clocks may go back over midnight."""
    day = (EPOCH + timedelta(milliseconds=time)).astimezone(zone).date()
    while _end_of(day, zone) <= time:
        day += timedelta(days=1)
    return day


@lru_cache(maxsize=100_000)
def _end_of(day: date, zone: ZoneInfo) -> int:
    """The midnight that ends the day."""
    midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    return (midnight - EPOCH) // timedelta(milliseconds=1)
