"""One batch of records applied to the states of its leads. Pure: what to change and to publish, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from services.scorer.store.records import Output
from shared import cloudevents, dead_letters
from shared.acceptance import accepted, too_late
from shared.events import Event, Logged
from shared.scores import CLOUD_EVENT_TYPE, ScoreRecord, encode_score
from shared.topics import DAY_MS, Topics

SOURCE = "tasuki/scorer"
SERVICE = "scorer"
MAX_RECORD_BYTES = 900_000  # brokers refuse record batches over 1 MiB by default
MAX_REASON = 500


S = TypeVar("S")


@dataclass(frozen=True)
class Codec(Generic[S]):
    """How a lead's state becomes bytes and back."""

    encode: Callable[[S], bytes]
    decode: Callable[[bytes], S]


class Scoring(Protocol[S]):
    """The deciding side, see `services.scorer.scoring.Scorer`."""

    def new_state(self) -> S: ...

    def apply(self, state: S, events: Sequence[Logged], partition: int) -> list[ScoreRecord]: ...


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

    changes: dict[str, bytes] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    scored: list[ScoreRecord] = field(default_factory=list)
    events: int = 0
    dead_letters: int = 0
    late: int = 0
    """Applied events that were told of too late to move behaviour points."""


@dataclass(frozen=True)
class Applying:
    """Applies batches of one installation's events."""

    topics: Topics
    scoring: Scoring[Any]
    codec: Codec[Any]

    def apply(self, records: Iterable[Record], known: Callable[[str], bytes | None], at: datetime) -> Applied:
        """`records` are of one partition, in log order.

        `known` finds a lead's state; `at` is written into dead letters. States stay bytes between batches: decoding one
        costs less than the copy that a batch needs, as it may fail, and bytes take a tenth of the memory.
        """
        applied = Applied()
        by_lead: dict[str, list[tuple[Record, Event]]] = {}
        for record in records:
            try:
                event = accepted(record.key, record.value, record.timestamp)
            except ValueError as error:
                self._bury(applied, record, str(error), at)
            else:
                by_lead.setdefault(event.key, []).append((record, event))
        for lead, its_events in by_lead.items():
            self._score(applied, its_events, known(lead), at)
        return applied

    def _score(
        self, applied: Applied, its_events: list[tuple[Record, Event]], state: bytes | None, at: datetime
    ) -> None:
        partition, lead = its_events[0][0].partition, its_events[0][1].key
        # Not below: a state that cannot be read is no fault of the event.
        working = self.codec.decode(state) if state is not None else self.scoring.new_state()
        try:
            logged = [Logged(record.offset, record.timestamp // DAY_MS, event) for record, event in its_events]
            scores = self.scoring.apply(working, logged, partition)
            encoded = self.codec.encode(working)
            # Here, where one event can be given up: what the commit cannot write would stop the partition for good.
            _refuse_size("the lead's state", len(encoded))
            outputs = [self._publish(score, partition) for score in scores]
        except Exception as error:  # noqa: BLE001 - one event that no rule can bear must not stop its partition for good
            if len(its_events) == 1:
                self._bury(applied, its_events[0][0], f"scoring failed: {type(error).__name__}: {error}", at)
                return
            for one in its_events:
                current = applied.changes.get(lead, state)
                self._score(applied, [one], current, at)
            return
        applied.changes[lead] = encoded
        applied.events += len(its_events)
        applied.late += sum(too_late(event) for _, event in its_events)
        applied.scored += scores
        applied.outputs += outputs

    def _publish(self, score: ScoreRecord, partition: int) -> Output:
        headers = cloudevents.headers(
            id=score.id, type=CLOUD_EVENT_TYPE, source=SOURCE, subject=score.lead_id, time=score.time
        )
        value = encode_score(score)
        _refuse_size("the score record", len(value))
        # The same partition number as in `events`, whatever the partitioner of whoever wrote there.
        return Output(self.topics.scores, score.lead_id.encode(), value, headers, partition)

    def _bury(self, applied: Applied, record: Record, reason: str, at: datetime) -> None:
        headers = dead_letters.headers(
            reason=reason[:MAX_REASON],
            service=SERVICE,
            origin=f"{record.topic}/{record.partition}/{record.offset}",
            at=at,
            received=list(record.headers),
        )
        # Kafka clients refuse a record that has neither key nor value.
        value = b"" if record.key is None and record.value is None else record.value
        applied.outputs.append(Output(self.topics.dead_letters, record.key, value, headers))
        applied.dead_letters += 1


def _refuse_size(what: str, size: int) -> None:
    if size > MAX_RECORD_BYTES:
        raise ValueError(f"{what} would have {size:,} bytes; {MAX_RECORD_BYTES:,} can be written")
