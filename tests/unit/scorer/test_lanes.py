"""A lane applies what has arrived meanwhile together, in order, and only once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from services.scorer.apply import Applying
from services.scorer.batching import Batch
from services.scorer.lanes import Lane, LogGap
from services.scorer.metrics import ScorerMetrics
from services.scorer.store.records import Output
from shared.topics import Topics
from tests.load.counting import CODEC, Counting
from tests.unit.scorer.test_apply import record

MOST = 1_000


class SlowStore:
    """A store in memory whose commits wait until they are let go."""

    def __init__(self) -> None:
        self.position = -1
        self.states: dict[str, bytes] = {}
        self.commits: list[int] = []
        self.outputs: list[Output] = []
        self.told = -1
        self.go = asyncio.Semaphore(0)

    def get(self, key: str) -> bytes | None:
        return self.states.get(key)

    def keys(self) -> list[str]:
        return list(self.states)

    async def commit(
        self, changes: Mapping[str, bytes | None], outputs: Sequence[Output], position: int | None = None
    ) -> None:
        await self.go.acquire()
        self.states |= {key: state for key, state in changes.items() if state is not None}
        self.outputs += outputs
        if position is not None:
            self.position = position
        self.commits.append(self.position)

    async def tell_group(self) -> None:
        self.told = self.position

    async def close(self) -> None:
        pass

    def counted(self, lead: str) -> int:
        return CODEC.decode(self.states[lead]).events


def batch(first: int, count: int = 1, follows: int | None = None) -> Batch:
    records: list[Any] = [record(offset, "a") for offset in range(first, first + count)]
    return Batch("events", 0, records, follows, first + count, first + count)


async def opened(failures: list[BaseException]) -> tuple[Lane, SlowStore]:
    store = SlowStore()

    async def opening(partition: int) -> Any:
        return store

    return Lane(0, opening, Applying(Topics(""), Counting(), CODEC), ScorerMetrics(), failures.append, MOST), store


async def until(true: Any) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_arrives_during_a_transaction_is_applied_by_the_next_one_together() -> None:
    failures: list[BaseException] = []
    lane, store = await opened(failures)
    await lane.put(batch(0))
    await asyncio.sleep(0.05)  # its transaction is under way
    for offset in range(1, 6):
        await lane.put(batch(offset, follows=offset))
    store.go.release()
    store.go.release()
    await until(lambda: store.position == 5)
    assert (store.commits, store.counted("a"), failures) == ([0, 5], 6, [])
    await until(lambda: store.told == 5)  # nothing more comes: the group is told
    await lane.close()


async def test_records_that_come_twice_count_once_also_within_one_transaction() -> None:
    failures: list[BaseException] = []
    lane, store = await opened(failures)
    await lane.put(batch(0))
    await asyncio.sleep(0.05)
    await lane.put(batch(0, 3))  # Faust has sought back
    await lane.put(batch(2, 3, follows=2))
    store.go.release()
    store.go.release()
    await until(lambda: store.position == 4)
    assert (store.counted("a"), failures) == (5, [])
    await lane.close()


async def test_a_hole_between_two_waiting_batches_ends_the_lane() -> None:
    failures: list[BaseException] = []
    lane, store = await opened(failures)
    await lane.put(batch(0))
    await asyncio.sleep(0.05)
    await lane.put(batch(1, follows=1))
    await lane.put(batch(5, follows=4))
    store.go.release()
    await until(lambda: failures)
    assert (store.commits, [type(failure) for failure in failures]) == ([0], [LogGap])
    await lane.close()


async def test_whoever_brings_more_than_fits_waits_and_is_let_go_when_the_lane_closes() -> None:
    failures: list[BaseException] = []
    lane, store = await opened(failures)
    await lane.put(batch(0))
    await asyncio.sleep(0.05)
    await lane.put(batch(1, MOST, follows=1))
    waiting = asyncio.create_task(lane.put(batch(1 + MOST, follows=1 + MOST)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.1)
    closing = asyncio.create_task(lane.close())
    await asyncio.sleep(0.05)
    store.go.release()
    await asyncio.wait_for(asyncio.gather(closing, waiting), 5)
    assert (store.commits, failures) == ([0], [])
