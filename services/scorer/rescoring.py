"""Leads whose state was made by another playbook, scored anew in slices between the batches of events.

Which leads those are is asked of the states themselves, when their partition is opened: so nothing need be kept of
how far this has come, and whoever opens the partition after a crash goes on with those that are left. A lead that has
an event meanwhile follows with that. Nothing is asked again while the partition is open, so that two workers with
different playbooks, as during an update, undo each other's work at most once whenever a partition changes hands.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from datetime import UTC, datetime

from services.scorer.apply import Applying
from services.scorer.metrics import ScorerMetrics
from services.scorer.store import PartitionStore
from shared.scores import Position

log = logging.getLogger(__name__)

SLICE_LEADS = 200
"""Events wait as long as it takes to score them: some 50 ms, and all lanes of a worker with them."""
ASKED_AT_ONCE = 10_000
PROGRESS_SECONDS = 5.0


class Rescoring:
    """Of one open partition. `at_work` while there are leads left."""

    def __init__(self, partition: int, store: PartitionStore, applying: Applying, metrics: ScorerMetrics) -> None:
        self._partition, self._store, self._applying, self._metrics = partition, store, applying, metrics
        self._left: deque[str] = deque()
        self._done = 0
        self._told_at = 0.0
        self._count()

    @property
    def at_work(self) -> bool:
        return bool(self._left)

    async def find(self) -> None:
        """Ask all states by which playbook they were made. Raises `StateError` if one cannot be read."""
        store, follows_another = self._store, self._applying.follows_another
        for number, lead in enumerate(store.keys(), start=1):
            state = store.get(lead)
            if state is not None and follows_another(state):
                self._left.append(lead)
            if number % ASKED_AT_ONCE == 0:
                await asyncio.sleep(0)
        if self._left:
            self._told_at = time.monotonic()
            left = self._count()
            log.info("partition %d: %d leads follow another playbook, and are scored anew", self._partition, left)

    async def slice(self) -> None:
        """The next leads, in a transaction of their own. Raises `StoreError`."""
        store = self._store
        leads = [self._left.popleft() for _ in range(min(SLICE_LEADS, len(self._left)))]
        known = [(lead, state) for lead in leads if (state := store.get(lead)) is not None]
        states = [(lead, state) for lead, state in known if self._applying.follows_another(state)]
        if states:
            applied = self._applying.rescore(states, Position(self._partition, store.position), datetime.now(UTC))
            for lead, reason in applied.not_rescored.items():
                log.error(
                    "partition %d: lead %r keeps the score of another playbook: %s", self._partition, lead, reason
                )
            if applied.changes:
                await store.commit(applied.changes, applied.outputs)
            self._metrics.rescored.inc(len(applied.changes))
            self._metrics.not_rescored.inc(len(applied.not_rescored))
            self._metrics.scores.inc(applied.scores)
            self._done += len(applied.changes)
        self._tell_progress(self._count())

    def close(self) -> None:
        """The leads that are left are the next owner's."""
        self._metrics.to_rescore.remove(str(self._partition))

    def _count(self) -> int:
        left = len(self._left)
        self._metrics.to_rescore.labels(str(self._partition)).set(left)
        return left

    def _tell_progress(self, left: int) -> None:
        now = time.monotonic()
        if not left:
            log.info("partition %d: %d leads scored anew; all follow the playbook", self._partition, self._done)
        elif now - self._told_at >= PROGRESS_SECONDS:
            self._told_at = now
            log.info("partition %d: %d leads scored anew, %d to go", self._partition, self._done, left)
