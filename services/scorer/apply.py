"""One batch of records applied to the states of its leads. Pure: what to change and to publish, and nothing else."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, Protocol

from services.scorer.deciding import Codec, Heard, Scoring
from services.scorer.denied import Denied
from services.scorer.scoring.heard import EMPTIED, Remark
from services.scorer.scoring.times import to_ms
from services.scorer.store.records import Output
from shared import cloudevents, dead_letters
from shared.acceptance import accepted, accepted_before
from shared.between import SOURCE
from shared.erasure import ErasureKey, erasure_of
from shared.events import ERASE, Event, encode_event
from shared.scores import CLOUD_EVENT_TYPE, Position, ScoreRecord, encode_score
from shared.topics import DAY_MS, Topics

SERVICE = "scorer"
MAX_RECORD_BYTES = 900_000  # brokers refuse record batches over 1 MiB by default
MAX_REASON = 500
EVENTS_AT_ONCE, LEADS_AT_ONCE = 2_000, 500
"""In one step of a batch: some 10 and 30 ms."""


class Record(Protocol):
    """What is read of a Kafka record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int  # ms since 1970
    headers: Sequence[tuple[str, bytes]]


@dataclass
class Applied:
    """What one transaction has to hold, apart from the position."""

    changes: dict[str, bytes | None] = field(default_factory=dict)
    """States by lead; None: it has none any more."""
    outputs: list[Output] = field(default_factory=list)
    scores: int = 0
    """Score records among the outputs. As objects they are let go: they take ten times the memory of their bytes."""
    received: list[datetime] = field(default_factory=list)
    """When the events were received that led to live ones."""
    events: int = 0
    """What was applied of the log, messages of the scorer's own included."""
    dead_letters: int = 0
    remarks: Counter[str] = field(default_factory=Counter)
    """What is to be said of events that were applied, and of how many."""
    erased: int = 0
    """Ids that were erased."""
    denied: int = 0
    """Events that were dropped, as they are of somebody who was erased."""
    not_rescored: dict[str, str] = field(default_factory=dict)
    """Why a lead could not be scored anew."""


@dataclass(frozen=True)
class _Batch:
    """Records of one partition in log order; `at` is written into dead letters."""

    records: Sequence[Record]
    at: datetime
    applied: Applied
    known: Callable[[str], bytes | None]
    denied: Denied

    @property
    def partition(self) -> int:
        return self.records[0].partition

    def state_of(self, lead: str) -> bytes | None:
        """As it is by now."""
        changes = self.applied.changes
        return changes[lead] if lead in changes else self.known(lead)

    def record_at(self, offset: int) -> Record:
        records = self.records
        place = offset - records[0].offset
        if place < len(records) and records[place].offset == offset:
            return records[place]
        # Where transactions or a compaction have left holes.
        return self.records[bisect_left(self.records, offset, key=attrgetter("offset"))]

    def event_at(self, offset: int) -> Event:
        record = self.record_at(offset)
        return accepted_before(record.value or b"", record.timestamp)


@dataclass(frozen=True)
class Applying:
    """Applies batches of one installation's events. Without `erasure_key` nobody can be erased."""

    topics: Topics
    scoring: Scoring[Any, Any]
    codec: Codec[Any]
    erasure_key: ErasureKey | None = None

    def denied(self, stored: Mapping[bytes, bytes]) -> Denied:
        """The deny-list of a partition, as its state topic has it. Raises `ErasureKeyError`."""
        return Denied(self.erasure_key, stored)

    def apply(
        self,
        records: Sequence[Record],
        known: Callable[[str], bytes | None],
        at: datetime,
        denied: Denied | None = None,
    ) -> Applied:
        """`records` are of one partition, in log order.

        `known` finds a lead's state; `at` is written into dead letters. States stay bytes between batches: decoding one
        costs less than the copy that a batch needs, as it may fail, and bytes take a tenth of the memory.
        """
        applied = Applied()
        for _ in self.steps(records, known, at, applied, self.denied({}) if denied is None else denied):
            pass
        return applied

    def steps(
        self,
        records: Sequence[Record],
        known: Callable[[str], bytes | None],
        at: datetime,
        applied: Applied,
        denied: Denied,
    ) -> Iterator[None]:
        """The same into `applied`, in steps of some ten milliseconds, so that others may work in between. `denied` is
        the partition's, and follows at once: if the transaction fails, it is of no use any more.

        Raises `ErasureKeyError` at an erasure that was made by another key."""
        batch, by_lead = _Batch(records, at, applied, known, denied), dict[str, list[Heard]]()
        for start in range(0, len(records), EVENTS_AT_ONCE):
            if start:
                yield
            self._hear(batch, records[start : start + EVENTS_AT_ONCE], by_lead)
        for number, (lead, heard) in enumerate(by_lead.items(), start=1):
            self._score(batch, lead, heard, batch.state_of(lead))
            if number % LEADS_AT_ONCE == 0:
                yield

    def follows_another(self, state: bytes) -> bool:
        """Whether a state was made by another playbook."""
        return self.codec.playbook_of(state) != self.scoring.playbook_id

    def rescore(self, states: Iterable[tuple[str, bytes]], position: Position, at: datetime) -> Applied:
        """Leads of another playbook by this one, at the moment `at`; `position` is of the last event applied.

        A lead that cannot be scored anew stays as it is until its next event, which then has to bear it."""
        applied, moment = Applied(), to_ms(at)
        for lead, state in states:
            working = self.codec.decode(state)
            try:
                score = self.scoring.rescore(working, lead, position, moment)
                encoded = self.codec.encode(working)
                _refuse_size("the lead's state", len(encoded))
                outputs = [self._publish(score, position.partition)] if score else []
            except Exception as error:  # noqa: BLE001 - one lead must not stop its partition for good
                applied.not_rescored[lead] = _unbearable(error)
                continue
            applied.changes[lead] = encoded
            applied.outputs += outputs
            applied.scores += len(outputs)
        return applied

    def _hear(self, batch: _Batch, records: Sequence[Record], by_lead: dict[str, list[Heard]]) -> None:
        """Add what these of its events tell. Each event is let go at once: to keep a batch of them costs a third more,
        as they do not fit into the processor's cache (6.4 instead of 10.4 µs an event, of the benchmark's job)."""
        hear, remarks, denied = self.scoring.hear, batch.applied.remarks, batch.denied
        newest = denied.newest
        for record in records:
            try:
                event = accepted(record.key, record.value, record.timestamp)
            except ValueError as error:
                self._bury(batch, record, str(error))
                continue
            if event.kind is ERASE:
                self._erase(batch, event, record.offset, by_lead)
                newest = denied.newest
                continue
            if (event.time <= newest or event.received_at <= newest) and denied.covers(event):
                batch.applied.denied += 1  # no dead letter: that would keep personal data
                continue
            try:
                heard = hear(event, record.offset, record.timestamp // DAY_MS)
            except Exception as error:  # noqa: BLE001 - as in `_score`
                self._bury(batch, record, _unbearable(error))
                continue
            for remark in heard.remarks:
                remarks[remark] += 1
            its_events = by_lead.get(event.key)
            if its_events is None:
                by_lead[event.key] = [heard]
            else:
                its_events.append(heard)

    def _erase(self, batch: _Batch, event: Event, offset: int, by_lead: dict[str, list[Heard]]) -> None:
        """Nothing is left of the lead, nor of what it did in this batch, but its hash on the deny-list; whoever names
        it is told to forget it."""
        applied, lead = batch.applied, event.key
        key, value = batch.denied.add(lead, erasure_of(event))
        for heard in by_lead.pop(lead, ()):
            applied.remarks.subtract(heard.remarks)
        state = batch.state_of(lead)
        if state is not None:
            told = self.scoring.erase(self.codec.decode(state), event, offset)
            applied.outputs += [self._pass_on(one) for one in told]
        applied.outputs.append(Output(self.topics.scorer_state, key, value, [], batch.partition))
        applied.erased += 1
        self._drop(batch, lead)

    def _drop(self, batch: _Batch, lead: str) -> None:
        """The lead's state, and its score for whoever reads the compacted topic."""
        batch.applied.changes[lead] = None
        batch.applied.outputs.append(Output(self.topics.scores, lead.encode(), None, [], batch.partition))

    def _score(self, batch: _Batch, lead: str, heard: list[Heard], state: bytes | None) -> None:
        applied, partition = batch.applied, batch.partition
        # Not below: a state that cannot be read is no fault of the event.
        working = self.codec.decode(state) if state is not None else self.scoring.new_state()
        try:
            told = self.scoring.score(working, heard, partition, batch.event_at)
            encoded = self.codec.encode(working)
            # Here, where one event can be given up: what the commit cannot write would stop the partition for good.
            _refuse_size("the lead's state", len(encoded))
            outputs = [self._output(one, partition) for one in told if not isinstance(one, Remark)]
        except Exception as error:  # noqa: BLE001 - one event that no rule can bear must not stop its partition for good
            if len(heard) == 1:
                applied.remarks.subtract(heard[0].remarks)
                self._bury(batch, batch.record_at(heard[0].offset), _unbearable(error))
                return
            for one in heard:
                self._score(batch, lead, [one], batch.state_of(lead))
            return
        applied.changes[lead] = encoded
        applied.events += len(heard)
        applied.outputs += outputs
        for result in told:
            if isinstance(result, ScoreRecord):
                applied.scores += 1
                if not result.historical:
                    applied.received.append(result.trigger.received_at)
            elif isinstance(result, Remark):
                applied.remarks[result.what] += 1
                if result.what == EMPTIED:
                    self._drop(batch, lead)

    def _output(self, told: ScoreRecord | Event, partition: int) -> Output:
        return self._publish(told, partition) if isinstance(told, ScoreRecord) else self._pass_on(told)

    def _publish(self, score: ScoreRecord, partition: int) -> Output:
        headers = cloudevents.headers(
            id=score.id, type=CLOUD_EVENT_TYPE, source=SOURCE, subject=score.lead_id, time=score.time
        )
        value = encode_score(score)
        _refuse_size("the score record", len(value))
        # The same partition number as in `events`, whatever the partitioner of whoever wrote there.
        return Output(self.topics.scores, score.lead_id.encode(), value, headers, partition)

    def _pass_on(self, event: Event) -> Output:
        """To the partition of whoever it is about; read there like any event."""
        value = encode_event(event)
        _refuse_size("what a member tells its lead", len(value))
        return Output(self.topics.events, event.key.encode(), value, [])

    def _bury(self, batch: _Batch, record: Record, reason: str) -> None:
        headers = dead_letters.headers(
            reason=reason[:MAX_REASON],
            service=SERVICE,
            origin=f"{record.topic}/{record.partition}/{record.offset}",
            at=batch.at,
            received=list(record.headers),
        )
        # Kafka clients refuse a record that has neither key nor value.
        value = b"" if record.key is None and record.value is None else record.value
        batch.applied.outputs.append(Output(self.topics.dead_letters, record.key, value, headers))
        batch.applied.dead_letters += 1


def _unbearable(error: Exception) -> str:
    return f"scoring failed: {type(error).__name__}: {error}"


def _refuse_size(what: str, size: int) -> None:
    if size > MAX_RECORD_BYTES:
        raise ValueError(f"{what} would have {size:,} bytes; {MAX_RECORD_BYTES:,} can be written")
