"""Lanes: for each assigned partition one store, and one task that applies its batches in order.

Partitions do not wait for each other's transactions. What arrives during a transaction is applied by the next one
together, however many batches that is: so transactions get larger under load, and no queue of them builds up. What a
lane raises ends the worker: its successor begins with what the topics hold.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from services.scorer.apply import Applied
from services.scorer.batching import Batch, Feed
from services.scorer.denied import Denied
from services.scorer.metrics import ScorerMetrics
from services.scorer.playbooks import Playbooks
from services.scorer.rescoring import Rescoring
from services.scorer.store import PartitionStore, StoreError
from shared.activation import activated

log = logging.getLogger(__name__)

Opening = Callable[[int], Awaitable[PartitionStore]]
IDLE_SECONDS = 0.25
PACE_SECONDS = 0.01
"""From one transaction of a partition to its next, times the partitions of this worker: 100 transactions a second. At a
thousand events/s nearly all of our processor time, and of the broker's, is for transactions; they would follow each
other as fast as it allows, and leave none to those behind us."""


class LogGap(Exception):
    """Batches and state do not join: records between them never arrived. They do after a restart from the topic."""


class Lane:
    """One partition from assignment to revocation. With `most_events` no further batch is taken into memory, nor into
    one transaction. Whoever has the `turn` applies events: two at once would take each other's cache."""

    def __init__(  # noqa: PLR0913, PLR0917 - made by the bootstrap only
        self,
        partition: int,
        opening: Opening,
        playbooks: Playbooks,
        metrics: ScorerMetrics,
        on_failure: Callable[[BaseException], None],
        most_events: int,
        turn: asyncio.Lock,
    ) -> None:
        self.partition = partition
        self.feed = Feed()
        self.store: PartitionStore | None = None
        self.pace_seconds = PACE_SECONDS
        self._opening = opening
        self._playbooks = playbooks
        self._applying = playbooks.own
        self._metrics = metrics
        self._on_failure = on_failure
        self._most_events = most_events
        self._turn = turn
        self._waiting: deque[Batch] = deque()
        self._changed = asyncio.Condition()
        self._closing = False
        self._in_hand = False
        self._rescoring: Rescoring | None = None
        self._task = asyncio.create_task(self._run(), name=f"lane-{partition}")

    async def put(self, batch: Batch) -> None:
        """Wait for room; after `close` batches are dropped, they belong to the next owner."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._closing or _events(self._waiting) < self._most_events)
            if not self._closing:
                self._waiting.append(batch)
                self._changed.notify_all()

    async def close(self) -> None:
        """Finish the batch in hand, drop the others, give up the partition."""
        self._closing = True
        if not self._in_hand:
            self._task.cancel()
        await asyncio.wait([self._task])
        if self._rescoring is not None:
            self._rescoring.close()
        async with self._changed:
            self._changed.notify_all()  # lets go whoever waits in put()
        if self.store is not None:
            try:
                await self.store.tell_group()
            except StoreError as error:
                log.info("the group was not told how far partition %d is: %s", self.partition, error)
            await self.store.close()

    async def _run(self) -> None:
        try:
            began = time.monotonic()
            self.store = await self._opening(self.partition)
            self._metrics.restore_seconds.observe(time.monotonic() - began)
            denied = self._applying.denied(self.store.denied)
            await self._follow(self.store)
            while not self._closing:
                await asyncio.sleep(max(0.0, began + self.pace_seconds - time.monotonic()))
                batches = await self._take(0.0 if self._is_rescoring else IDLE_SECONDS)
                self._in_hand = True
                if batches or self._is_rescoring:
                    began = time.monotonic()
                    self.feed.ready[self.partition] = began + self.pace_seconds
                if batches:
                    await self._apply(self.store, batches, denied)
                # After the events: those that come during a slice wait for no more than this one.
                if self._rescoring is not None and self._rescoring.at_work:
                    await self._rescoring.slice()
                elif not batches:
                    await self._keep_up(self.store)
                self._in_hand = False
        except Exception as error:  # noqa: BLE001 - reported, never survived
            self._on_failure(error)

    async def _follow(self, store: PartitionStore) -> None:
        """Score by the playbook that holds from here on, and leads of any other one anew."""
        self._applying = await self._playbooks.applying(store.playbook)
        if self._rescoring is not None:
            self._rescoring.close()
        self._rescoring = Rescoring(self.partition, store, self._applying, self._metrics)
        await self._rescoring.find()

    @property
    def _is_rescoring(self) -> bool:
        return self._rescoring is not None and self._rescoring.at_work

    async def _keep_up(self, store: PartitionStore) -> None:
        """Nothing waits. Markers of transactions at the end of the log are behind us as well, or it would look as if
        something did."""
        after_batches, read_to = self.feed.read.get(self.partition, (0, 0))
        if after_batches <= store.position + 1 < read_to:
            await store.commit({}, [], read_to - 1)
        await store.tell_group()

    async def _take(self, seconds: float) -> list[Batch]:
        """All that waits, up to `most_events` and the batch that reaches them; nothing when none has come in so many
        seconds."""
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait_for(lambda: self._waiting)
            taken: list[Batch] = []
            while self._waiting and _events(taken) < self._most_events:
                taken.append(self._waiting.popleft())
            self._changed.notify_all()
        return taken

    async def _apply(self, store: PartitionStore, batches: Sequence[Batch], denied: Denied) -> None:
        records: list[Any] = []
        position = store.position
        for batch in batches:
            _check(position, batch)
            records += [record for record in batch.records if record.offset > position]
            position = max(position, batch.next_offset - 1)
        skipped = _events(batches) - len(records)
        if not records:
            self._metrics.skipped.inc(skipped)
            return
        for part, playbook in _parts(records):
            # Behind the last record there may be markers of transactions, which nobody reads.
            reached = position if part[-1] is records[-1] else part[-1].offset
            await self._commit(store, part, reached, playbook, denied)
        self._metrics.skipped.inc(skipped)

    async def _commit(
        self, store: PartitionStore, records: Sequence[Any], position: int, playbook: str | None, denied: Denied
    ) -> None:
        """These records, in a transaction. `playbook`: the last of them says that this one holds from there on."""
        events = records if playbook is None else records[:-1]
        async with self._turn:
            applied = Applied()
            for _ in self._applying.steps(events, store.get, datetime.now(UTC), applied, denied):
                await asyncio.sleep(0)  # health checks, and what other lanes hear of Kafka
        began = time.monotonic()
        await store.commit(applied.changes, applied.outputs, position, playbook)
        self._metrics.committed(applied, time.monotonic() - began, datetime.now(UTC))
        if playbook is not None:
            log.info("partition %d: the playbook %s holds from offset %d on", self.partition, playbook, position)
            await self._follow(store)


def _events(batches: Iterable[Batch]) -> int:
    return sum(len(batch.records) for batch in batches)


def _parts(records: Sequence[Any]) -> Iterator[tuple[Sequence[Any], str | None]]:
    """The records, cut after each that activates a playbook, with its id; those after the last one with None."""
    start = 0
    for place, record in enumerate(records, start=1):
        if (playbook := activated(record.key, record.value)) is not None:
            yield records[start:place], playbook
            start = place
    if start < len(records):
        yield records[start:], None


def _check(position: int, batch: Batch) -> None:
    where = f"{batch.topic}[{batch.partition}]"
    if batch.follows is not None and batch.follows > position + 1:
        raise LogGap(f"{where}: applied up to {position}, but the next batch follows {batch.follows - 1}")
    if batch.end_offset <= position:
        # Opening the store anew compares it with the topic as it is then, and says what to do.
        raise LogGap(f"{where}: ends at {batch.end_offset}, but events up to {position} have been applied")


class Lanes:
    """The lanes of this worker. Faust's signals open and close them."""

    def __init__(self, make: Callable[[int], Lane], metrics: ScorerMetrics) -> None:
        self._make = make
        self._metrics = metrics
        self._lanes: dict[int, Lane] = {}
        self._stopped = False
        self.feed = Feed()
        self.joined = False
        """Whether the group has given us an assignment, possibly an empty one."""

    async def assign(self, partitions: Iterable[int]) -> None:
        """Open lanes; restoring goes on in the background."""
        if self._stopped:
            return
        wanted = set(partitions)
        await self.revoke(wanted & self._lanes.keys())
        self._lanes.update({partition: self._make(partition) for partition in sorted(wanted)})
        for partition in wanted:
            self._lanes[partition].feed = self.feed
        self._count()
        self.joined = True
        log.info("assigned partitions: %s", sorted(wanted) or "none")

    async def revoke(self, partitions: Iterable[int]) -> None:
        """Close lanes; returns when their batches in hand are committed."""
        leaving = [lane for partition in partitions if (lane := self._lanes.pop(partition, None))]
        await asyncio.gather(*(lane.close() for lane in leaving))
        self._count()

    async def stop(self) -> None:
        """Close all for good: nothing is assigned or submitted any more."""
        self._stopped = True
        await self.revoke(list(self._lanes))

    def _count(self) -> None:
        self._metrics.partitions.set(len(self._lanes))
        for lane in self._lanes.values():
            lane.pace_seconds = PACE_SECONDS * len(self._lanes)

    async def submit(self, batch: Batch) -> None:
        """Hand a batch to its lane; without one it is dropped, since its partition is somebody else's by now."""
        lane = self._lanes.get(batch.partition)
        if lane is not None:
            await lane.put(batch)

    def positions(self) -> dict[int, int | None]:
        """Next offset to apply by partition; None while it is being opened."""
        return {
            partition: None if lane.store is None else lane.store.position + 1
            for partition, lane in self._lanes.items()
        }
