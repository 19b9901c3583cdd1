"""A score that names events which do not exist is told from one whose events are still to come."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.router.probe import UNCOVERED_AFTER_SECONDS, Uncovered
from shared.scores import encode_score
from tests.score_records import Story


@dataclass(frozen=True)
class Record:
    offset: int
    value: bytes | None
    key: bytes | None = b"l"
    headers: Iterable[tuple[str, bytes]] = ()


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def at(offset: int, position: int) -> Record:
    return Record(offset, encode_score(Story("l").record(offset=position)))


def test_beyond_the_end_for_long_enough() -> None:
    time = Time()
    uncovered, waiting = Uncovered(time), {0: [at(7, 100), at(8, 101), at(9, 4)]}
    uncovered.look(waiting, {0: 100})
    assert (0, 7) not in uncovered, "its events may come yet"
    time.now = UNCOVERED_AFTER_SECONDS
    uncovered.look(waiting, {0: 100})
    assert [offset for offset in (7, 8, 9) if (0, offset) in uncovered] == [7, 8]


def test_an_end_that_moves_on_clears_it() -> None:
    time = Time()
    uncovered, waiting = Uncovered(time), {0: [at(7, 100)]}
    uncovered.look(waiting, {0: 100})
    uncovered.look(waiting, {0: 101})
    time.now = UNCOVERED_AFTER_SECONDS
    uncovered.look(waiting, {0: 100})
    assert (0, 7) not in uncovered


def test_only_the_lane_that_was_asked_about() -> None:
    time = Time()
    uncovered = Uncovered(time)
    for moment in (0.0, UNCOVERED_AFTER_SECONDS):
        time.now = moment
        uncovered.look({0: [at(7, 100)], 1: [at(7, 100)]}, {1: 3})
    assert (0, 7) not in uncovered
    assert (1, 7) in uncovered
