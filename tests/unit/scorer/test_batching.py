"""Folding fetched records into batches, and how batches of an assignment are chained."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from services.scorer.batching import AHEAD_SECONDS, Folding, next_fetch


class TP(NamedTuple):
    topic: str
    partition: int


EVENTS, OTHER = TP("events", 0), TP("other", 0)


class Assignment:
    """As aiokafka's: knows position and end of each partition."""

    tps = (EVENTS,)

    def __init__(self, position: int = 0, highwater: int | None = 100) -> None:
        self.position = position
        self.highwater = highwater

    def state_value(self, _tp: TP) -> Any:
        return SimpleNamespace(position=self.position, highwater=self.highwater, has_valid_position=True)


def fetched(offsets: Iterable[int]) -> dict[Any, list[Any]]:
    return {EVENTS: [SimpleNamespace(offset=offset, timestamp=1000 + offset) for offset in offsets]}


def fold(folding: Folding, assignment: Assignment, offsets: range, position: int | None = None) -> Any:
    assignment.position = offsets.stop if position is None else position
    (batch,) = folding.fold(assignment, fetched(offsets))[EVENTS]
    return batch


def test_all_records_of_a_partition_become_one_message_that_looks_like_the_last() -> None:
    batch = fold(Folding(frozenset({"events"})), Assignment(), range(5, 9))
    assert [record.offset for record in batch.value.records] == [5, 6, 7, 8]
    assert (batch.topic, batch.partition, batch.offset, batch.timestamp, batch.key) == ("events", 0, 8, 1008, None)
    assert (batch.next_offset, batch.end_offset) == (9, 100)


def test_other_topics_stay_as_they_are_and_empty_lists_vanish() -> None:
    folding = Folding(frozenset({"events"}))
    records = [SimpleNamespace(offset=1), SimpleNamespace(offset=2)]
    assert folding.fold(Assignment(), {OTHER: records, EVENTS: []}) == {OTHER: records}


def test_batches_of_one_assignment_follow_each_other() -> None:
    folding, assignment = Folding(frozenset({"events"})), Assignment()
    assert [fold(folding, assignment, offsets).follows for offsets in (range(5), range(5, 8), range(8, 9))] == [
        None,
        5,
        8,
    ]


def test_a_batch_ends_after_the_transaction_markers_that_no_reader_sees() -> None:
    folding, assignment = Folding(frozenset({"events"})), Assignment()
    assert fold(folding, assignment, range(5), position=6).next_offset == 6
    assert fold(folding, assignment, range(6, 8)).follows == 6


def test_a_new_assignment_begins_a_new_chain() -> None:
    folding = Folding(frozenset({"events"}))
    fold(folding, Assignment(), range(5))
    assert fold(folding, Assignment(), range(3, 6)).follows is None


def test_seeking_back_is_no_hole() -> None:
    folding, assignment = Folding(frozenset({"events"})), Assignment()
    fold(folding, assignment, range(10))
    assert fold(folding, assignment, range(4, 12)).follows == 4


def test_what_no_reader_sees_after_the_last_batch_is_known_to_be_read() -> None:
    folding, assignment = Folding(frozenset({"events"})), Assignment()
    assert folding.fold(assignment, {}) == {}
    assert folding.read == {0: (0, 0)}
    fold(folding, assignment, range(5))
    assert folding.read == {0: (5, 5)}
    assignment.position = 7  # two markers
    assert folding.fold(assignment, {}) == {}
    assert folding.read == {0: (5, 7)}


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        ([], 100.004),
        ([100.009], 100.009 - AHEAD_SECONDS),
        ([100.009, 100.012], 100.009 - AHEAD_SECONDS),
        ([99.0], 100.004),  # a lane that waits for events
        ([99.0, 100.009], 100.009 - AHEAD_SECONDS),
        ([100.5], 100.01),
    ],
)
def test_it_is_fetched_shortly_before_a_lane_is_ready(ready: list[float], expected: float) -> None:
    assert next_fetch(100.0, 100.001, ready) == pytest.approx(expected)
