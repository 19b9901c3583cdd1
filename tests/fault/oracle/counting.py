"""What counts of a lead that has been recycled: what it did after the line that was drawn then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.fault.oracle.conditions import Known
from tests.fault.oracle.playbook import Book
from tests.fault.oracle.score import Card


@dataclass(frozen=True)
class Line:
    """Drawn `at` a moment (ms since 1970): signals and levels from before do not count, totals not until `held` is
    over, nor those of a score that was not begun anew, if it is to be (`epoch`). `target`: the stage to which the lead
    goes for it; `parked`: whether it waits at another stage before."""

    at: int
    held: int
    epoch: int
    target: str
    parked: str | None


@dataclass(frozen=True)
class Counted:
    """Of a card at its time, what counts after a line. `since`: signals of before that do not count either; `idle`: as
    if the lead had done nothing."""

    card: Card
    line: Line
    since: int
    idle: bool = False

    @property
    def book(self) -> Book:
        return self.card.book

    @property
    def waits(self) -> bool:
        """Its waiting time is not over."""
        return self.card.time < self.line.held

    @property
    def total(self) -> int | None:
        return None if self.idle or self.waits or self.card.epoch < self.line.epoch else self.card.total

    @property
    def attribute(self) -> int:
        return self.card.attribute

    @property
    def level(self) -> int:
        """The highest, if it is from after the line. Of others nobody is told before that has ended."""
        return 0 if self.idle or self.card.level_since <= self.line.at else self.card.level

    @property
    def fields(self) -> Mapping[str, Any]:
        return self.card.fields

    def has_shown(self, signal: str) -> bool:
        last = self.last_shown(signal)
        return not self.idle and last is not None and last > self.since

    def last_shown(self, signal: str) -> int | None:
        return self.card.last_shown(signal)

    def shown_since(self, signal: str, moment: int) -> int:
        return self.card.shown_since(signal, moment)

    @property
    def time(self) -> int:
        return self.card.time

    def if_idle(self) -> Known:
        return replace(self, idle=True)


NEVER = Line(at=-(2**62), held=-(2**62), epoch=0, target="", parked=None)
"""Of a lead that was never recycled: all of it counts."""


def counted(card: Card, line: Line) -> Counted:
    """What counts of the card."""
    return Counted(card, line, since=line.at)
