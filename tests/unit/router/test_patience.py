"""Before leads of a lane cool by the clock, what its log holds about them is read."""

from __future__ import annotations

from datetime import timedelta

from services.router.patience import PATIENCE_SECONDS, Patience
from tests.score_records import MONDAY

LATER = MONDAY + timedelta(seconds=1)


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_with_everything_read_it_may_go_at_once() -> None:
    assert Patience().may_go(0, MONDAY, applied=7, end=7) == MONDAY


def test_it_waits_for_what_was_in_the_log_when_it_was_due_and_not_for_more() -> None:
    patience = Patience()
    assert patience.may_go(0, MONDAY, applied=5, end=7) is None
    assert patience.may_go(0, LATER, applied=6, end=9) is None
    # Who has become due meanwhile waits for the log of its own moment.
    assert patience.may_go(0, LATER, applied=7, end=11) == MONDAY
    assert patience.may_go(0, LATER, applied=7, end=11) is None
    assert patience.may_go(1, LATER, applied=0, end=0) == LATER


def test_until_kafka_has_told_the_end_it_waits() -> None:
    patience = Patience()
    assert patience.may_go(0, MONDAY, applied=5, end=None) is None
    assert patience.may_go(0, LATER, applied=5, end=6) is None
    assert patience.may_go(0, LATER, applied=6, end=6) == MONDAY


def test_a_lane_that_is_stuck_is_not_waited_for_for_ever() -> None:
    time = Time()
    patience = Patience(time)
    assert patience.may_go(0, MONDAY, applied=5, end=7) is None
    time.now = PATIENCE_SECONDS - 0.1
    assert patience.may_go(0, LATER, applied=5, end=7) is None
    time.now = PATIENCE_SECONDS
    assert patience.may_go(0, LATER, applied=5, end=7) == MONDAY


def test_a_lane_that_comes_back_begins_anew() -> None:
    time = Time()
    patience = Patience(time)
    assert patience.may_go(0, MONDAY, applied=5, end=7) is None
    patience.keep(frozenset({1}))
    time.now = PATIENCE_SECONDS
    assert patience.may_go(0, LATER, applied=5, end=7) is None
