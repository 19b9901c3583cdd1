"""The line that recycling draws (domain C5): the days up to it, its own among them, are as if they had not been.

A line lies at the end of a day, as what a rule gathers is kept by day. It may be told of after newer days, or come with
another identity of the lead, and then frees what the days before it had used up: of a rule that counts once, or of a
cap for ever. Such days are therefore not dropped but put aside, of each rule the latest `MOST_SPARE`.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.scorer.scoring.parts import RuleState

MOST_SPARE = 100
"""Days, so that no state grows for ever. A line that so many of them come after when it is told of frees no earlier."""


def all_days(gathered: RuleState) -> dict[int, int]:
    """What was gathered by day, whether it counts at present or not."""
    days = dict(gathered.days)
    for day, amount in gathered.spare.items():
        days[day] = days.get(day, 0) + amount
    return days


def begin_after(line: int, gathered: RuleState) -> None:
    """Drop the days up to `line`, and let all others count, as far as others let them."""
    gathered.days = {day: amount for day, amount in all_days(gathered).items() if day > line}
    gathered.spare = {}
    if gathered.forgot <= line:
        gathered.forgot = 0


def put_aside(gathered: RuleState, days: Iterable[int]) -> None:
    """These days count for nothing at present."""
    for day in days:
        gathered.spare[day] = gathered.spare.get(day, 0) + gathered.days.pop(day)
    _bound(gathered)


def keep_first(gathered: RuleState) -> None:
    """Of a rule that counts once the earliest day stands for all."""
    days = gathered.days.keys() | gathered.spare.keys()
    if not days:
        return
    first = min(days)
    gathered.days, gathered.spare = {first: 1}, dict.fromkeys(days - {first}, 1)
    _bound(gathered)


def _bound(gathered: RuleState) -> None:
    while len(gathered.spare) > MOST_SPARE:
        del gathered.spare[min(gathered.spare)]
