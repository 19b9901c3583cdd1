"""What a lead is worth, and what it has shown: over the events so far, at the latest one's time."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.fault.oracle.calls import RECYCLE, Happened
from tests.fault.oracle.campaigns import Campaigns
from tests.fault.oracle.conditions import counts, holds
from tests.fault.oracle.matching import at, matches
from tests.fault.oracle.people import scanned
from tests.fault.oracle.playbook import Book
from tests.fault.oracle.points import Fading, counted_days, day_of, foretold, points_of, worth
from tests.fault.oracle.values import passes


@dataclass(frozen=True)
class SignalShown:
    """Milliseconds since 1970; `event_id` and `kept` are those of the newest by (time, message id). `recent`: the
    latest ten times, the last one first, of what guards count."""

    first: int
    last: int
    times: int
    event_id: str
    kept: Mapping[str, Any]
    recent: tuple[int, ...] = ()


@dataclass
class Card:
    """One lead's events so far, sorted into what the playbook counts. Call `add` in the order of the log."""

    book: Book
    time: int = -sys.maxsize
    epoch: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    _events: list[Happened] = field(default_factory=list)
    _mailings: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _scanned: set[int] = field(default_factory=set)
    _points: defaultdict[str, defaultdict[date, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    _fields: dict[str, tuple[int, str, Any]] = field(default_factory=dict)
    _shown: defaultdict[str, list[Happened]] = field(default_factory=lambda: defaultdict(list))
    _actions: dict[tuple[str, str], int] = field(default_factory=dict)
    _campaigns: Campaigns = field(init=False)
    _awaited: tuple[int, int] | None = None
    _foretold: list[Fading] | None = None

    def __post_init__(self) -> None:
        self._campaigns = Campaigns(self.book)

    def add(self, event: Happened) -> None:
        """One more; where it tells that others were a scanner's, these are taken out again."""
        self._events.append(event)
        place = len(self._events) - 1
        if event.mailing:  # another one says nothing about acts
            self._mailings[event.lead_id].append(place)
            found = self._find_scanned(self._mailings[event.lead_id])
            is_told_of_others = not found - {place} <= self._scanned
            self._scanned |= found
            if is_told_of_others:
                self._count_anew()
                return
        self._count(event, is_scanned=place in self._scanned)

    def _count_anew(self) -> None:
        for part in (self.ignored, self._points, self._fields, self._shown, self._actions):
            part.clear()
        self._campaigns = Campaigns(self.book)
        for place, told in enumerate(self._events):
            self._count(told, is_scanned=place in self._scanned)

    def _find_scanned(self, places: list[int]) -> set[int]:
        """Each identity's acts are judged by what is known of that identity."""
        return {places[one] for one in scanned([self._events[place] for place in places], self.book)}

    def _count(self, event: Happened, *, is_scanned: bool) -> None:
        said = (event.kind, event.name, event.properties, event.fields)
        self.time = max(self.time, event.time)
        if event.kind == RECYCLE:
            self.epoch = max(self.epoch, event.time)
            return
        ignored = "mail_scanner" if is_scanned else event.ignored
        if ignored:
            self.ignored[ignored] = self.ignored.get(ignored, 0) + 1
        if ignored == "mail_scanner":
            self._keep_fields(event)
        if ignored:
            return
        day = day_of(event.time, self.book.zone)
        for rule in self.book.behaviour:
            if not event.late and matches(rule.match, *said):
                told = points_of(rule, event, self.book)
                if told is not None:
                    self._points[rule.id][day] += told
        self._keep_fields(event)
        for name, signal in self.book.signals.items():
            if any(matches(match, *said) for match in signal.matches):
                self._shown[name].append(event)
        for action in self.book.actions:
            if matches(action.match, *said):
                key = (action.channel, action.action)
                self._actions[key] = max(event.time, self._actions.get(key, event.time))
                self._campaigns.add(*key, event.properties, event.time)

    def _keep_fields(self, event: Happened) -> None:
        for name, value in event.fields.items():
            told = (event.time, event.id, value)
            if name not in self._fields or told[:2] >= self._fields[name][:2]:
                self._fields[name] = told

    def later(self, time: int) -> Card:
        """The lead at a later time, when nothing else has happened. Of its levels only the highest is known to whoever
        waits: when that has ended, there is none until the next event."""
        found = copy(self)
        found.time, found._awaited, found._foretold = time, self._highest(), self._as_foretold()
        return found

    def _as_foretold(self) -> list[Fading]:
        if self._foretold is not None:
            return self._foretold
        return foretold(self.book, counted_days(self.book, self._since_line(), self.time), self.time)

    @property
    def is_nobody(self) -> bool:
        """A colleague: of what they do nothing counts."""
        return "internal" in self.ignored

    @property
    def fields(self) -> dict[str, Any]:
        """The newest value of each field by (time, message id), without the empty ones; of personal ones only True."""
        return (
            {}
            if self.is_nobody
            else {
                name: True if self.book.fields[name].personal else value
                for name, (_, _, value) in self._fields.items()
                if value is not None
            }
        )

    @property
    def attribute(self) -> int:
        known, of_groups = self.fields, defaultdict[str, int](int)
        alone = 0
        if self.is_nobody:
            return 0
        for rule in self.book.attribute:
            if not passes(rule.check, known.get(rule.field)):
                continue
            if rule.group is None:
                alone += rule.micro
            else:
                most = self.book.attribute_groups[rule.group]
                of_groups[rule.group] = min(most, of_groups[rule.group] + rule.micro)
        return alone + sum(of_groups.values())

    @property
    def grade(self) -> str | None:
        """The best whose points are reached; D below all."""
        reached = [grade for grade, points in self.book.grades.items() if self.attribute >= points]
        return min(reached, default="D") if self.book.grades and not self.is_nobody else None

    @property
    def behaviour(self) -> int:
        if self._foretold is not None and not self.is_nobody:
            return sum(part.at(self.time) for part in self._foretold)
        return self.dimension(None)

    def dimension(self, name: str | None) -> int:
        """The behaviour points of a dimension; None: those of the total."""
        if self.is_nobody:
            return 0
        rules = [rule for rule in self.book.behaviour if rule.dimension == name]
        counted = counted_days(self.book, self._since_line(), self.time)
        return sum(worth(rule, counted[rule.id], self.time, self.book.zone) for rule in rules)

    def _since_line(self) -> Mapping[str, Mapping[date, int]]:
        """What behaviour rules were told of, but for the days up to the one on which the lead was last recycled."""
        if not self.epoch:
            return self._points
        line = day_of(self.epoch, self.book.zone)
        return {id: {day: told for day, told in days.items() if day > line} for id, days in self._points.items()}

    @property
    def total(self) -> int:
        least, most = self.book.bounds
        if self.is_nobody:
            return 0
        total = self.attribute + self.behaviour
        total = total if least is None else max(least, total)
        return total if most is None else min(most, total)

    @property
    def level(self) -> int:
        """The highest among those that are still valid."""
        level, until = self._highest()
        return 0 if self.is_nobody or until <= self.time else level

    @property
    def list_kind(self) -> str:
        """Outside: known from outside lists, and from nothing that it has done."""
        kinds = {one.list_kind for one in self.book.actions if (one.channel, one.action) in self._actions}
        is_outside = kinds == {"outside"} and not any(self._points.values()) and not self.is_nobody
        return "outside" if is_outside else "house"

    def _highest(self) -> tuple[int, int]:
        """With its end; of equal ones that which ends last."""
        if self._awaited is not None:
            return self._awaited
        ends = [(level, last + self.book.level_valid) for level, last in self._levels()]
        return max((one for one in ends if one[1] > self.time), default=(0, self.time))

    def _levels(self) -> Iterator[tuple[int, int]]:
        """Each level that the lead has had, with its latest time."""
        for action in self.book.actions:
            last = self._actions.get((action.channel, action.action))
            if last is not None:
                others = [level for level, when in action.by_attributes if holds(when, self)]
                yield max([action.level, *others]), last
        yield from self._campaigns.levels(self.time)

    def has_shown(self, signal: str) -> bool:
        return signal in self._shown and not self.is_nobody

    def last_shown(self, signal: str) -> int | None:
        """When; None: never."""
        return max(event.time for event in self._shown[signal]) if self.has_shown(signal) else None

    def shown_since(self, signal: str, moment: int) -> int:
        """How often after a moment."""
        return sum(time > moment for time in self.times_shown(signal))

    def times_shown(self, signal: str) -> list[int]:
        """When, each time."""
        return [event.time for event in self._shown[signal]] if self.has_shown(signal) else []

    @property
    def level_since(self) -> int:
        """When the latest action of its level was."""
        return self._highest()[1] - self.book.level_valid

    @property
    def signals(self) -> dict[str, SignalShown]:
        shown = {} if self.is_nobody else self._shown
        return {name: self._signal(name, events) for name, events in shown.items()}

    def _is_counted(self, signal: str) -> bool:
        return any(name == signal for _, when in self.book.guards for name, _ in counts(when))

    def _signal(self, name: str, events: list[Happened]) -> SignalShown:
        newest = max(events, key=lambda event: (event.time, event.id))
        kept = {name: at(newest.properties, name) for name in self.book.signals[name].keep}
        return SignalShown(
            first=min(event.time for event in events),
            last=newest.time,
            times=len(events),
            event_id=newest.id,
            kept={name: value for name, value in kept.items() if value is not None},
            recent=tuple(sorted((event.time for event in events), reverse=True)[:10]) if self._is_counted(name) else (),
        )
