"""Schedules of faults: made anew by their seed, complete, and within the load."""

from __future__ import annotations

from tests.fault.faults import Faults
from tests.fault.schedule import KINDS, SHORT, generate
from tests.fault.stories import tell


def test_a_seed_makes_the_same_schedule_again_and_another_seed_another() -> None:
    assert generate(3, 300_000, 20) == generate(3, 300_000, 20) != generate(4, 300_000, 20)


def test_every_kind_comes_once_before_any_comes_twice() -> None:
    schedule = generate(1, 300_000, len(KINDS))
    assert sorted(fault.kind for fault in schedule) == sorted(kind.name for kind in KINDS)


def test_faults_lie_within_the_load_and_in_its_order() -> None:
    places = [fault.at for fault in generate(2, 100_000, 40)]
    assert places == sorted(places)
    assert 0 < places[0] < places[-1] < 95_000


def test_each_kind_of_fault_can_be_carried_out() -> None:
    kinds = {kind.name for kind in KINDS} | {fault.kind for fault in SHORT}
    assert [kind for kind in kinds if not hasattr(Faults, "_" + kind.replace("-", "_"))] == []


def test_stories_are_what_the_seed_says_with_history_and_bad_calls_among_them() -> None:
    stories = tell(1, 5_000)
    assert stories == tell(1, 5_000)
    assert len(stories.calls) == 5_000
    assert len(stories.by_id) == 5_000 - len(stories.bad) < 5_000
    assert any(call.get("historical") for call in stories.calls)
    assert [call["timestamp"] for call in stories.calls] != sorted(call["timestamp"] for call in stories.calls)
