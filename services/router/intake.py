"""From records to a batch: which scores may be decided now, and which wait for their events. Pure.

A score names the position in `events` that it includes. Contact data up to there must be applied first, or a hand-off
might go out without a telephone number; so a score waits until its partition of `events` has been read that far.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import msgspec

from services.router.batch import Batch, Received
from services.router.contact import ContactDatum, ContactReader
from services.router.lifecycle.rules import Rules
from services.router.metrics import RouterMetrics
from services.router.outbox import KafkaRecord, OutboxRow, dead_letter_row
from shared.scores import decode_score
from shared.topics import Topics


class TimedRecord(KafkaRecord, Protocol):
    """A record with the time at which Kafka took it, in ms since 1970."""

    @property
    def timestamp(self) -> int: ...


class Refused(NamedTuple):
    """A record of `scores` that is none, and its dead letter."""

    offset: int
    key: bytes | None
    value: bytes
    headers: Iterable[tuple[str, bytes]]
    row: OutboxRow


class Intake:
    """Partitions in hand: what is to be applied next (`next`) and to be read next (`read`), and scores that wait
    (`waiting`)."""

    def __init__(self, rules: Callable[[], Rules], topics: Topics, metrics: RouterMetrics) -> None:
        """`rules` gives those that hold: a new playbook may find contact data elsewhere."""
        self._rules, self._topics, self._metrics = rules, topics, metrics
        self._read_by, self._contact = rules(), ContactReader(rules().playbook)
        self.next: dict[tuple[str, int], int] = {}
        self.read: dict[tuple[str, int], int] = {}
        self.waiting: defaultdict[int, deque[Received | Refused]] = defaultdict(deque)
        self._contacts: list[ContactDatum] = []

    def start(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Begin anew at `offsets`; whatever was in memory is forgotten."""
        self.next, self.read = dict(offsets), dict(offsets)
        self.waiting.clear()
        self._contacts = []

    def take(self, events: Mapping[int, Iterable[TimedRecord]], scores: Mapping[int, Iterable[KafkaRecord]]) -> None:
        """Keep scores until `batch` lets them through, and what events tell for the next batch."""
        if (rules := self._rules()) is not self._read_by:
            self._read_by, self._contact = rules, ContactReader(rules.playbook)
        for told in events.values():
            self._read_events(told)
        for lane, records in scores.items():
            self._read_scores(lane, records)

    def batch(self, positions: Mapping[tuple[str, int], int]) -> Batch:
        """Everything that can be applied next. `positions`: the next offset that Kafka will hand over, per place."""
        batch, self._contacts = Batch(contacts=self._contacts), []
        for (topic, lane), position in positions.items():
            if topic == self._topics.events:
                self._advance(batch, (topic, lane), position)
        for (topic, lane), position in positions.items():
            if topic == self._topics.scores:
                waiting = self.waiting[lane]
                _let_through(waiting, positions.get((self._topics.events, lane), 0), batch)
                # With nothing waiting, also what read_committed hides (markers, aborted records) is behind us.
                self._advance(batch, (topic, lane), waiting[0].offset if waiting else position)
        return batch

    def read_on_behind(self, batch: Batch) -> None:
        """The batch is going to be applied: the next one begins where it ends."""
        self.read.update({place: after for place, (_, after) in batch.offsets.items()})

    def applied(self, batch: Batch) -> None:
        """The batch is in the ledger."""
        self.next.update({place: after for place, (_, after) in batch.offsets.items()})

    def _advance(self, batch: Batch, place: tuple[str, int], after: int) -> None:
        if after > self.read[place]:
            batch.offsets[place] = (self.read[place], after)

    def _read_events(self, records: Iterable[TimedRecord]) -> None:
        count = 0
        for record in records:
            count += 1
            try:
                self._contacts.extend(self._contact.read(record.key, record.value, record.timestamp))
            except ValueError:
                # The scorer asks the same question, gets the same answer, and keeps a dead letter: once is enough.
                self._metrics.unreadable_events.inc()
        self._metrics.records.labels(self._topics.events).inc(count)

    def _read_scores(self, lane: int, records: Iterable[KafkaRecord]) -> None:
        count, waiting = 0, self.waiting[lane]
        for record in records:
            count += 1
            if record.value is not None:  # a tombstone erases; the ledger was told before the scorer
                waiting.append(self._decoded(lane, record, record.value))
        self._metrics.records.labels(self._topics.scores).inc(count)

    def _decoded(self, lane: int, record: KafkaRecord, value: bytes) -> Received | Refused:
        try:
            score = decode_score(value)
            _refuse_wrong_place(score.lead_id, score.position.partition, lane)
        except (msgspec.MsgspecError, ValueError) as error:
            self._metrics.dead_letters.inc()
            row = dead_letter_row(self._topics, lane, record, f"no score record: {error}", datetime.now(UTC))
            return Refused(record.offset, record.key, value, record.headers, row)
        return Received(lane, record.offset, record.key, value, record.headers, score)


def _let_through(waiting: deque[Received | Refused], covered: int, batch: Batch) -> None:
    """Into the batch with all whose events have been read, which they are up to `covered`."""
    while waiting:
        first = waiting[0]
        if isinstance(first, Refused):
            batch.dead.append(first.row)
        elif first.record.position.offset < covered:
            batch.scores.append(first)
        else:
            break
        waiting.popleft()


def _refuse_wrong_place(lead_id: str, partition: int, lane: int) -> None:
    if not lead_id or "\0" in lead_id:
        raise ValueError("the lead id is empty or holds a NUL character")
    if partition != lane:
        # Its events would be looked for in the wrong partition, and it might wait for ever.
        raise ValueError(f"it names partition {partition} of events, but came in partition {lane}")
