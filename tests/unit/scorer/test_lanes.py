"""A lane applies what has arrived meanwhile together, in order, and only once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest

from services.scorer.apply import Applying
from services.scorer.batching import Batch
from services.scorer.lanes import Lane, LogGap
from services.scorer.metrics import ScorerMetrics
from services.scorer.playbooks import PlaybookMissing, Playbooks
from services.scorer.rescoring import SLICE_LEADS
from services.scorer.store.records import Output
from shared.activation import KEY, Activation, activation_event
from shared.events import encode_event
from shared.scores import Position, ScoreRecord, Trigger, decode_score
from shared.topics import Topics
from tests.load.counting import CODEC, Count, Counting
from tests.unit.scorer.test_apply import record

MOST = 1_000


class SlowStore:
    """A store in memory whose commits wait until they are let go."""

    def __init__(self) -> None:
        self.position, self.playbook = -1, ""
        self.states: dict[str, bytes] = {}
        self.denied: dict[bytes, bytes] = {}
        self.commits: list[int] = []
        self.outputs: list[Output] = []
        self.told = -1
        self.go = asyncio.Semaphore(0)
        self.begun = 0

    def get(self, key: str) -> bytes | None:
        return self.states.get(key)

    def keys(self) -> list[str]:
        return list(self.states)

    async def commit(
        self,
        changes: Mapping[str, bytes | None],
        outputs: Sequence[Output],
        position: int | None = None,
        playbook: str | None = None,
    ) -> None:
        self.begun += 1
        await self.go.acquire()
        self.states |= {key: state for key, state in changes.items() if state is not None}
        self.outputs += outputs
        if position is not None:
            self.position = position
        self.playbook = self.playbook if playbook is None else playbook
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

    return Lane(
        0,
        opening,
        Playbooks(Applying(Topics(""), Counting(), CODEC)),
        ScorerMetrics(),
        failures.append,
        MOST,
        asyncio.Lock(),
    ), store


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


class Renamed(Counting):
    """Counts as before, but by a playbook of another name; of "unbearable" it can make nothing."""

    playbook_id = "anew"

    def rescore(self, state: Count, lead_id: str, position: Position, at: int) -> ScoreRecord | None:
        if lead_id == "unbearable":
            raise ArithmeticError("nobody can count this anew")
        state.playbook = self.playbook_id
        now = datetime.now(UTC)
        return ScoreRecord(
            lead_id=lead_id,
            seq=state.events + 1,
            epoch=0,
            time=now,
            attribute=0.0,
            behaviour=0.0,
            total=float(state.events),
            trigger=Trigger(event_id=self.playbook_id, source="test", kind="playbook", time=now, received_at=now),
            position=position,
            playbook=self.playbook_id,
        )


async def opened_anew(leads: list[str], failures: list[BaseException]) -> tuple[Lane, SlowStore, ScorerMetrics]:
    """A lane over states up to offset 4, made by "counting"."""
    store, metrics = SlowStore(), ScorerMetrics()
    store.position = 4
    store.states = {lead: CODEC.encode(Count(5, 5, 4)) for lead in leads}

    async def opening(partition: int) -> Any:
        return store

    return (
        Lane(
            0,
            opening,
            Playbooks(Applying(Topics(""), Renamed(), CODEC)),
            metrics,
            failures.append,
            MOST,
            asyncio.Lock(),
        ),
        store,
        metrics,
    )


def to_rescore(metrics: ScorerMetrics) -> float | None:
    return metrics.registry.get_sample_value("tasuki_scorer_leads_to_rescore", {"partition": "0"})


async def test_leads_of_another_playbook_are_scored_anew_in_slices_and_events_come_in_between() -> None:
    failures: list[BaseException] = []
    leads = [f"lead-{number}" for number in range(2 * SLICE_LEADS)]
    lane, store, metrics = await opened_anew([*leads, "a"], failures)
    await until(lambda: store.begun == 1)
    assert to_rescore(metrics) == len(leads) + 1
    await lane.put(batch(5, follows=5))  # of the lead "a", while the first slice is written
    for _ in range(2):
        store.go.release()
    await until(lambda: store.position == 5)
    assert store.commits == [4, 5], "one slice, which moves no position, and then the event"
    assert len(store.outputs) == SLICE_LEADS + 1
    for _ in range(2):
        store.go.release()
    await until(lambda: to_rescore(metrics) == 0)
    assert {CODEC.playbook_of(state) for state in store.states.values()} == {"anew"}
    records = [decode_score(output.value or b"") for output in store.outputs]
    assert Counter(record.lead_id for record in records) == dict.fromkeys([*leads, "a"], 1), "by its event, or anew"
    assert {record.position.offset for record in records} == {4, 5}
    assert failures == []
    await lane.close()
    assert to_rescore(metrics) is None, "another worker's now"


async def test_a_lead_that_cannot_be_scored_anew_is_counted_and_keeps_its_state() -> None:
    failures: list[BaseException] = []
    lane, store, metrics = await opened_anew(["unbearable", "b"], failures)
    store.go.release()
    await until(lambda: to_rescore(metrics) == 0)
    assert [CODEC.playbook_of(store.states[lead]) for lead in ("unbearable", "b")] == ["counting", "anew"]
    assert metrics.registry.get_sample_value("tasuki_scorer_rescore_failures_total") == 1
    assert metrics.registry.get_sample_value("tasuki_scorer_rescored_leads_total") == 1
    assert failures == []
    await lane.close()


async def test_where_all_follow_the_playbook_nothing_is_written() -> None:
    failures: list[BaseException] = []
    lane, store, metrics = await opened_anew([], failures)
    await until(lambda: store.told == 4)
    assert (store.commits, to_rescore(metrics)) == ([], 0)
    await lane.close()


async def test_from_a_marker_in_the_log_on_another_playbook_holds() -> None:
    failures: list[BaseException] = []
    store = SlowStore()
    store.go = asyncio.Semaphore(100)
    written = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")

    async def opening(partition: int) -> Any:
        return store

    async def texts() -> dict[str, str]:
        return {"renamed": written}

    own = Applying(Topics(""), Counting(), CODEC)
    playbooks = Playbooks(own, texts, lambda playbook: Applying(Topics(""), Renamed(), CODEC))
    lane = Lane(0, opening, playbooks, ScorerMetrics(), failures.append, MOST, asyncio.Lock())
    marker = activation_event(Activation("renamed", 1), datetime(2026, 11, 16, tzinfo=UTC))
    told = record(2, KEY)
    told.value = encode_event(marker)
    records: list[Any] = [record(0, "a"), record(1, "b"), told, record(3, "a")]
    await lane.put(Batch("events", 0, records, None, 4, 4))
    await until(lambda: store.position == 3 and len(store.outputs) == 4)
    assert (store.commits[:2], store.playbook, failures) == ([2, 3], "renamed", [])
    made = [decode_score(output.value or b"") for output in store.outputs]
    assert [(one.lead_id, one.playbook) for one in made] == [
        ("a", "counting"),
        ("b", "counting"),
        ("a", "anew"),
        ("b", "anew"),  # which has no event of its own
    ]
    told_again = record(4, KEY)
    told_again.value = encode_event(marker)
    await lane.put(Batch("events", 0, [told_again], 4, 6, 6))  # the end of a transaction follows it
    await until(lambda: store.position == 5)
    await lane.put(batch(6, follows=6))
    await until(lambda: store.position == 6)
    assert failures == []
    await lane.close()


async def test_a_playbook_that_nobody_has_ends_the_lane() -> None:
    async def texts() -> dict[str, str]:
        return {"another": "nonsense: ["}

    playbooks = Playbooks(Applying(Topics(""), Counting(), CODEC), texts, lambda playbook: playbooks.own)
    with pytest.raises(PlaybookMissing, match="this version cannot read"):
        await playbooks.applying("another")
    with pytest.raises(PlaybookMissing, match="whose text is not in the topic"):
        await Playbooks(playbooks.own).applying("unknown")
