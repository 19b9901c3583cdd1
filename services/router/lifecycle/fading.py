"""What is left of a score record at a later moment, when nothing else happens.

The one place in the router that asks `shared.scores` how points fade.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from shared.points import MICRO, bounded, to_micro, to_points
from shared.scores import ScoreRecord, falls_below, score_at, worth_at

_ROUNDS = 8
_SHORT_OF_MS = 20
"""So much earlier than the solution in floating point the exact search begins."""
_FARTHEST_MS = 10**14
"""Three thousand years: later moments may be none that a calendar knows."""


def faded(record: ScoreRecord, moment: datetime) -> ScoreRecord:
    """`record` as it would be at `moment`: total, behaviour score and level. Its contributions stay as they were.

    A record tells until when its highest level holds, and not of lower ones that may hold for longer: after that
    moment there is none, until the lead's next record says more."""
    total = _total(record, moment)
    ended = record.level_until is not None and record.level_until <= moment
    return replace(
        record,
        time=moment,
        behaviour=to_points(worth_at(record.decay, moment)),
        total=to_points(total),
        level=0 if ended else record.level,
        level_until=None if ended else record.level_until,
    )


def next_end(record: ScoreRecord, limits: Iterable[float], after: datetime) -> datetime | None:
    """The first moment later than `after` at which the total has fallen to one of `limits` (points), or the level has
    ended. In whole milliseconds from `after`; None: never."""
    ends = [record.level_until] if record.level_until is not None and record.level_until > after else []
    total = to_points(_total(record, after))
    least = -math.inf if record.at_least is None else record.at_least
    # On its way down it comes to the highest of them first.
    limit = max((limit for limit in limits if least <= limit < total), default=None)
    if limit is not None and (fallen := _falls_to(record, limit, after)) is not None:
        ends.append(fallen)
    return min(ends, default=None)


def _total(record: ScoreRecord, moment: datetime) -> int:
    return bounded(score_at(record.attribute, record.decay, moment), record.at_least, record.at_most)


def _falls_to(record: ScoreRecord, limit: float, after: datetime) -> datetime | None:
    """As `falls_below`, which would try some sixty moments; begun near the end it tries a dozen."""
    near = _shortly_before(record, limit, after)
    if near is not None and score_at(record.attribute, record.decay, near) > to_micro(limit):
        after = near
    return falls_below(record.attribute, record.decay, limit, after)


def _shortly_before(record: ScoreRecord, limit: float, after: datetime) -> datetime | None:
    """A moment a little before the total falls to `limit`, by Newton's method; None where that is no help.

    The logarithm of a sum of fading terms is convex, so each round stays before the solution; with one half-life the
    first round hits it. What is found is only where the search begins: it need not be exact."""
    terms = record.decay
    target = limit - record.attribute + len(terms) / MICRO  # each is rounded to whole micro-points
    if limit <= record.attribute or not terms or any(term.points < 0 for term in terms):
        return None  # it does not end within any time worth guessing, or may rise and fall again
    fading = [
        (term.points, (term.since - after).total_seconds(), math.log(2) / term.half_life_seconds) for term in terms
    ]
    seconds = max(0.0, *(since for _, since, _ in fading))
    for _ in range(_ROUNDS):
        worth = [(points * math.exp(rate * (since - seconds)), rate) for points, since, rate in fading]
        left = sum(points for points, _ in worth)
        if left <= target:
            break
        step = math.log(left / target) * left / sum(points * rate for points, rate in worth)
        seconds += step
        if step < 0.001:
            break
    ms = int(seconds * 1000) - _SHORT_OF_MS
    return after + timedelta(milliseconds=ms) if 0 < ms < _FARTHEST_MS else None
