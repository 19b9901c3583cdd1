"""Leads' states in Kafka without their events: real ones, made by the real scorer, and written by its real store.

A million leads by way of HTTP would take an hour; what a worker restores is the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from services.ingest.reading.model import Arrival, Parsed
from services.ingest.reading.parse import parse
from services.ingest.reading.segment import read_batch
from services.scorer.apply import Applying, Codec
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from services.scorer.store import PartitionStore
from shared.events import Event
from shared.playbook import Playbook
from shared.topics import Topics

LEADS_IN_A_TRANSACTION = 4000
"""As many as a worker that is catching up changes in one."""


@dataclass
class Logged:
    """A record of `events`, as far as scoring looks."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    topic: str = "events"
    partition: int = 0
    headers: Sequence[tuple[str, bytes]] = field(default_factory=list)


def states_of(records: Sequence[tuple[bytes, bytes, datetime]], playbook: Playbook) -> dict[str, bytes]:
    """The state of each lead after its events, given as (key, value, received at)."""
    applying = Applying(Topics(), Scorer(playbook), Codec(encode_state, decode_state, playbook_of))
    log = [
        Logged(offset, key, value, int(received.timestamp() * 1000))
        for offset, (key, value, received) in enumerate(records)
    ]
    applied = applying.apply(log, lambda _: None, datetime.now(UTC))
    if applied.dead_letters:
        raise ValueError(f"{applied.dead_letters} of the events are none")
    return applied.changes


def records_of_calls(calls: Sequence[dict[str, object]]) -> list[tuple[bytes, bytes, datetime]]:
    """Segment calls as ingest stores them, each received when it happened."""
    records = []
    for call in calls:
        received = datetime.fromisoformat(str(call["timestamp"]))
        envelope = read_batch(msgspec.json.encode({"batch": [call]}))
        parsed = parse(envelope, Arrival("sample", received, "/v1/batch", lambda: ""))
        records += [(event.key.encode(), value, received) for event, value in _stored(parsed)]
    return records


def _stored(parsed: Parsed) -> Iterator[tuple[Event, bytes]]:
    return zip(parsed.accepted, parsed.values, strict=True)


async def write_states(  # noqa: PLR0913, PLR0917 - where to, and what
    bootstrap: str, topics: Topics, group: str, partitions: int, leads: Iterable[str], pool: Sequence[bytes]
) -> int:
    """Give every lead a state of `pool`, in turn, where the default partitioner puts its events.

    Returns how many bytes the states have together. `events` must be empty: a transaction includes a source record,
    so as many records as there are transactions are put there."""
    by_partition: dict[int, list[tuple[str, bytes]]] = {number: [] for number in range(partitions)}
    for number, lead in enumerate(leads):
        # As Kafka's clients choose it.
        partition = (murmur2(lead.encode()) & 0x7FFFFFFF) % partitions
        by_partition[partition].append((lead, pool[number % len(pool)]))
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        for partition, states in by_partition.items():
            for _ in _slices(states):
                await producer.send_and_wait(topics.events, b"included", key=b"included", partition=partition)
    finally:
        await producer.stop()
    await asyncio.gather(*(_write(bootstrap, topics, group, number, by_partition[number]) for number in by_partition))
    return sum(len(state) for states in by_partition.values() for _, state in states)


async def _write(bootstrap: str, topics: Topics, group: str, partition: int, states: list[tuple[str, bytes]]) -> None:
    store = await PartitionStore.open(
        partition,
        options={"bootstrap_servers": bootstrap},
        source_topic=topics.events,
        state_topic=topics.scorer_state,
        group=group,
    )
    try:
        for position, changes in enumerate(_slices(states)):
            await store.commit(dict(changes), [], position)
        await store.tell_group()
    finally:
        await store.close()


def _slices(states: list[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    rest = iter(states)
    while part := list(islice(rest, LEADS_IN_A_TRANSACTION)):
        yield part
