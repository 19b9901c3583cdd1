"""When a partition counts as stalled."""

from services.scorer.progress import Progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def progress() -> tuple[Progress, Clock]:
    clock = Clock()
    return Progress(clock), clock


def test_lag_without_progress_is_a_stall() -> None:
    seen, clock = progress()
    seen.note({0: 5, 1: 5}, {0: 9, 1: 9})
    clock.now = 20
    seen.note({0: 5, 1: 6}, {0: 9, 1: 9})
    assert seen.stalled(15) == [0]
    assert seen.lags() == {0: 4, 1: 3}


def test_nothing_to_do_is_none() -> None:
    seen, clock = progress()
    for clock.now in (0, 20, 40):
        seen.note({0: 9}, {0: 9})
    assert seen.stalled(15) == []


def test_new_events_after_a_pause_get_their_time() -> None:
    seen, clock = progress()
    seen.note({0: 9}, {0: 9})
    clock.now = 100
    seen.note({0: 9}, {0: 12})
    clock.now = 110
    seen.note({0: 9}, {0: 13})
    assert seen.stalled(15) == []
    clock.now = 120
    assert seen.stalled(15) == [0]


def test_opening_is_no_stall_and_leaving_forgets() -> None:
    seen, clock = progress()
    seen.note({0: None, 1: 5}, {0: 9, 1: 9})
    clock.now = 100
    seen.note({0: None}, {0: 9})
    assert seen.stalled(15) == []
    assert seen.lags() == {0: 9}
