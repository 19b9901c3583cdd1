"""What the pure parts cost per event, as a multiple of the least that could be done with the same bytes.

    python -m tests.load.costs

Prints the ratios, which tests/unit/test_costs.py holds to bounds. Both sides are measured in one run, in processor
time, in turns; the fastest round of each counts. So neither the machine nor what else it does matters much.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from uuid import uuid4

import msgspec

from services.cli.sample import generate
from services.ingest.reading.model import Arrival
from services.ingest.reading.parse import parse
from services.ingest.reading.segment import read_batch
from services.router.lifecycle.decide import decide, new_lead
from services.router.lifecycle.model import HandOff, Lead
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Surroundings
from services.scorer.apply import Applying, Codec
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from shared.events import decode_event
from shared.playbook import Playbook, load_playbook
from shared.scores import decode_score
from shared.topics import Topics
from tests.load.bench.engines import PLAYBOOK
from tests.load.bench.states import Logged, records_of_calls
from tests.load.job.events import Size, backlog

ROUNDS = 5
JOB = Size(events=16_000, leads=2_000)
SAMPLE_LEADS = 900
EVENTS_IN_A_BATCH = 4000
CALLS_IN_A_REQUEST = 100
AT = datetime(2026, 11, 1, tzinfo=UTC)
TOPICS = Topics("costs.")


@dataclass(frozen=True)
class Subject:
    """`run` works through `values`, whose keys are `keys`."""

    name: str
    keys: Sequence[bytes]
    values: Sequence[bytes]
    run: Callable[[], None]


def subjects() -> list[Subject]:
    """Scorer, router and ingest, without Kafka, Postgres and HTTP."""
    job = [(key, value, decode_event(value).received_at) for key, value in backlog(JOB)]
    calls = generate(seed=1, leads=SAMPLE_LEADS, end=AT).calls
    sample = records_of_calls(calls)
    return [
        _scorer("scorer, benchmark's job", _batches(job), load_playbook(PLAYBOOK)),
        _scorer("scorer, default playbook", _batches(sample), load_playbook()),
        _router("router, default playbook", _batches(sample), load_playbook()),
        _ingest("ingest, batches of 100", calls),
    ]


def ratios(measured: Sequence[Subject], rounds: int = ROUNDS) -> dict[str, float]:
    """Processor time of each as a multiple of `least`'s with the same bytes."""
    own = dict.fromkeys((subject.name for subject in measured), float("inf"))
    reference = dict(own)
    gc.collect()
    gc.disable()  # a collection falls into one or the other by chance
    try:
        for _ in range(rounds):
            for subject in measured:
                reference[subject.name] = min(reference[subject.name], _seconds(partial(least, subject)))
                own[subject.name] = min(own[subject.name], _seconds(subject.run))
                gc.collect()
    finally:
        gc.enable()
    return {name: own[name] / reference[name] for name in own}


def least(subject: Subject) -> dict[bytes, int]:
    """Decode everything without a schema, and remember by key what depends on all of its bytes."""
    known: dict[bytes, int] = {}
    for key, value in zip(subject.keys, subject.values, strict=True):
        fields = _decode(value)
        known[key] = known.get(key, 0) ^ hash(value) ^ len(fields)
    return known


_decode = msgspec.json.Decoder().decode


def _seconds(run: Callable[[], object]) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began


Batch = list[Logged]


def _batches(records: Sequence[tuple[bytes, bytes, datetime]]) -> list[Batch]:
    log = (
        Logged(offset, key, value, int(received.timestamp() * 1000))
        for offset, (key, value, received) in enumerate(records)
    )
    return list(iter(lambda: list(islice(log, EVENTS_IN_A_BATCH)), []))


def _scorer(name: str, batches: list[Batch], playbook: Playbook) -> Subject:
    applying = Applying(TOPICS, Scorer(playbook), Codec(encode_state, decode_state, playbook_of))

    def run() -> None:
        states: dict[str, bytes] = {}
        for batch in batches:
            states.update(applying.apply(batch, states.get, AT).changes)
        assert states

    records = [record for batch in batches for record in batch]
    return Subject(name, [record.key or b"" for record in records], [record.value or b"" for record in records], run)


def _router(name: str, batches: list[Batch], playbook: Playbook) -> Subject:
    """From the bytes of the score records that the scorer makes of these events."""
    applying = Applying(TOPICS, Scorer(playbook), Codec(encode_state, decode_state, playbook_of))
    states: dict[str, bytes] = {}
    values: list[bytes] = []
    for batch in batches:
        applied = applying.apply(batch, states.get, AT)
        states.update(applied.changes)
        values += [output.value or b"" for output in applied.outputs if output.topic == applying.topics.scores]
    rules, keys = Rules(playbook), [decode_score(value).lead_id.encode() for value in values]

    def run() -> None:
        leads: dict[str, Lead] = {}
        around = Surroundings()
        opened: dict[str, HandOff] = {}
        for value in values:
            record = decode_score(value)
            lead = leads.get(record.lead_id) or new_lead(record.lead_id, 0, rules)
            decision = decide(lead, opened.get(record.lead_id), record, rules, AT, around)
            leads[record.lead_id] = decision.lead
            for change in decision.handoffs:
                opened[record.lead_id] = change.handoff
        assert opened, "of the sample some leads are handed off"

    return Subject(name, keys, values, run)


def _ingest(name: str, calls: Sequence[dict[str, object]]) -> Subject:
    bodies = [
        msgspec.json.encode({"batch": calls[first : first + CALLS_IN_A_REQUEST]})
        for first in range(0, len(calls), CALLS_IN_A_REQUEST)
    ]
    arrival = Arrival("costs", AT, "/v1/batch", lambda: str(uuid4()))

    def run() -> None:
        for body in bodies:
            parsed = parse(read_batch(body), arrival)
            assert parsed.values
            assert not parsed.rejected

    keys = [str(call["messageId"]).encode() for call in calls]
    return Subject(name, keys, [msgspec.json.encode(call) for call in calls], run)


def main() -> None:
    for name, ratio in ratios(subjects()).items():
        sys.stdout.write(f"{ratio:6.2f}  {name}\n")


if __name__ == "__main__":
    main()
