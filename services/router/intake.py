"""From records to a batch: which scores may be decided now, and which wait for their events. Pure.

A score names the position in `events` that it includes. Contact data up to there must be applied first, or a hand-off
might go out without a telephone number; so a score waits until its partition of `events` has been read that far.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from services.router.batch import Batch, Received
from services.router.contact import ContactReader
from services.router.lifecycle.rules import Rules
from services.router.metrics import RouterMetrics
from services.router.outbox import KafkaRecord, dead_letter_row
from shared.scores import decode_score
from shared.topics import Topics


class TimedRecord(KafkaRecord, Protocol):
    """A record with the time at which Kafka took it, in ms since 1970."""

    @property
    def timestamp(self) -> int: ...


class Intake:
    """Partitions in hand: what is to be applied next (`next`), and scores that wait (`waiting`)."""

    def __init__(self, rules: Callable[[], Rules], topics: Topics, metrics: RouterMetrics) -> None:
        """`rules` gives those that hold: a new playbook may find contact data elsewhere."""
        self._rules, self._topics, self._metrics = rules, topics, metrics
        self._read_by, self._contact = rules(), ContactReader(rules().playbook)
        self.next: dict[tuple[str, int], int] = {}
        self.waiting: defaultdict[int, deque[KafkaRecord]] = defaultdict(deque)
        self._events: Mapping[int, Iterable[TimedRecord]] = {}

    def start(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Begin anew at `offsets`; whatever was in memory is forgotten."""
        self.next = dict(offsets)
        self.waiting.clear()
        self._events = {}

    def take(self, events: Mapping[int, Iterable[TimedRecord]], scores: Mapping[int, Iterable[KafkaRecord]]) -> None:
        """Keep scores until `batch` lets them through, and events for the next batch."""
        self._events = events
        for lane, records in scores.items():
            self.waiting[lane].extend(records)

    def batch(self, positions: Mapping[tuple[str, int], int]) -> Batch:
        """Everything that can be applied now. `positions`: the next offset that Kafka will hand over, per place."""
        batch = Batch()
        if (rules := self._rules()) is not self._read_by:
            self._read_by, self._contact = rules, ContactReader(rules.playbook)
        for records in self._events.values():
            self._read_events(records, batch)
        for (topic, lane), position in positions.items():
            if topic == self._topics.events:
                self._advance(batch, (topic, lane), position)
        for (topic, lane), position in positions.items():
            if topic == self._topics.scores:
                waiting = self.waiting[lane]
                self._read_scores(lane, waiting, positions.get((self._topics.events, lane), 0), batch)
                # With nothing waiting, also what read_committed hides (markers, aborted records) is behind us.
                self._advance(batch, (topic, lane), waiting[0].offset if waiting else position)
        self._events = {}
        return batch

    def applied(self, batch: Batch) -> None:
        """The batch is in the ledger."""
        self.next.update({place: after for place, (_, after) in batch.offsets.items()})

    def _advance(self, batch: Batch, place: tuple[str, int], after: int) -> None:
        if after > self.next[place]:
            batch.offsets[place] = (self.next[place], after)

    def _read_events(self, records: Iterable[TimedRecord], batch: Batch) -> None:
        count = 0
        for record in records:
            count += 1
            try:
                batch.contacts.extend(self._contact.read(record.key, record.value, record.timestamp))
            except ValueError:
                # The scorer asks the same question, gets the same answer, and keeps a dead letter: once is enough.
                self._metrics.unreadable_events.inc()
        self._metrics.records.labels(self._topics.events).inc(count)

    def _read_scores(self, lane: int, waiting: deque[KafkaRecord], covered: int, batch: Batch) -> None:
        count = 0
        while waiting:
            record = waiting[0]
            if record.value is not None:  # a tombstone erases; the ledger was told before the scorer
                received = self._decode(lane, record, batch)
                if received is not None:
                    if received.record.position.offset >= covered:
                        break
                    batch.scores.append(received)
            waiting.popleft()
            count += 1
        self._metrics.records.labels(self._topics.scores).inc(count)

    def _decode(self, lane: int, record: KafkaRecord, batch: Batch) -> Received | None:
        value = record.value or b""
        try:
            score = decode_score(value)
            _refuse_wrong_place(score.lead_id, score.position.partition, lane)
        except (msgspec.MsgspecError, ValueError) as error:
            self._metrics.dead_letters.inc()
            batch.dead.append(
                dead_letter_row(self._topics, lane, record, f"no score record: {error}", datetime.now(UTC))
            )
            return None
        return Received(lane, record.offset, record.key, value, record.headers, score)


def _refuse_wrong_place(lead_id: str, partition: int, lane: int) -> None:
    if not lead_id or "\0" in lead_id:
        raise ValueError("the lead id is empty or holds a NUL character")
    if partition != lane:
        # Its events would be looked for in the wrong partition, and it might wait for ever.
        raise ValueError(f"it names partition {partition} of events, but came in partition {lane}")
