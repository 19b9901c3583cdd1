"""`python -m tests.fault.switched_off SERVICE MEASURE`: a worker with one of our measures taken away.

`--window-only` leaves the measure in place, and only makes the moment wider in which it is needed. Nothing of this is
known to the services: parts of theirs are replaced here, in the process of the test.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.structs import OffsetAndMetadata

import services.router.batch as router_batch
import services.router.consumer as router_consumer
from services.cli.stack.lifeline import end_with_parent
from services.ingest import bootstrap as ingest
from services.ingest import publisher
from services.router import bootstrap as router
from services.router import relay, repository
from services.router.ledger import Ledger
from services.scorer import bootstrap as scorer
from services.scorer.lanes import Lane
from services.scorer.scoring import linked
from services.scorer.scoring import scorer as scoring
from services.scorer.store import PartitionStore, partition, restore

WINDOW_SECONDS = 0.4
EARLIER_BY = 30

SERVE: Mapping[str, Callable[[], None]] = {"ingest": ingest.serve, "scorer": scorer.serve, "router": router.serve}


@dataclass(frozen=True)
class Measure:
    """What `off` takes away from `service`, and the `window` in which that is needed."""

    service: str
    off: Callable[[], None]
    window: Callable[[], None] = lambda: None


def _nobody_is_fenced() -> None:
    usual = partition.AIOKafkaProducer

    def producer(**options: Any) -> Any:
        return usual(**options | {"transactional_id": f"{options['transactional_id']}-{uuid.uuid4()}"})

    partition.AIOKafkaProducer = producer


def _positions_are_not_looked_at() -> None:
    async def apply(self: Lane, store: PartitionStore, batches: Any) -> None:
        records = [record for batch in batches for record in batch.records]
        applied = self._applying.apply(records, store.get, datetime.now(UTC))
        store.position = min(store.position, batches[-1].next_offset - 2)  # commit() looks as well
        await store.commit(applied.changes, applied.outputs, batches[-1].next_offset - 1)

    Lane._apply = apply  # type: ignore[method-assign]


def _offsets_come_too_early_and_copies_count() -> None:
    """Between reading the group's offset and fencing, the predecessor may still commit: here it always did. What is
    applied once more would be copies of known messages, the line behind this measure: it is gone, too, and so the load
    must not repeat requests."""
    usual = GroupCoordinator.fetch_committed_offsets

    async def early(self: Any, partitions: Any) -> Any:
        known = await usual(self, partitions)
        return {
            tp: OffsetAndMetadata(max(0, at.offset - EARLIER_BY), at.metadata) if at.offset > 0 else at
            for tp, at in known.items()
        }

    GroupCoordinator.fetch_committed_offsets = early
    for module in (scoring, linked):
        module.fresh = lambda state, events: list(events)  # type: ignore[attr-defined]


def _states_are_read_uncommitted() -> None:
    usual = restore.AIOKafkaConsumer
    restore.AIOKafkaConsumer = lambda **options: usual(**options | {"isolation_level": "read_uncommitted"})


def _scores_are_read_uncommitted() -> None:
    usual = router_consumer.AIOKafkaConsumer
    router_consumer.AIOKafkaConsumer = lambda **options: usual(**options | {"isolation_level": "read_uncommitted"})


def _answered_before_it_is_stored() -> None:
    usual = publisher.KafkaPublisher.publish

    async def publish(self: publisher.KafkaPublisher, records: Any) -> None:
        async def store() -> None:
            try:
                await usual(self, records)
            except publisher.NotStored:
                return  # the sender believes that it is stored: that is the point

        self._in_background(store())

    publisher.KafkaPublisher.publish = publish  # type: ignore[method-assign]


def _offsets_before_states() -> None:
    async def transact(self: PartitionStore, records: Any, position: int) -> None:
        await self._producer.begin_transaction()
        await self._producer.send_offsets_to_transaction({self._source: position + 1}, self._group)
        await self._producer.commit_transaction()
        await self._producer.begin_transaction()
        sent: list[Any] = []
        await self._send(records, sent)
        await asyncio.gather(*sent)
        await self._producer.commit_transaction()

    PartitionStore._transact = transact  # type: ignore[method-assign]


def _offsets_are_set_whatever_they_were() -> None:
    blindly = repository.text(
        "UPDATE offsets o SET next_offset = w.next FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[]), "
        "CAST(:next AS bigint[])) AS w (topic, partition, next) WHERE o.topic = w.topic AND o.partition = w.partition"
    )

    async def advance(connection: Any, offsets: Mapping[tuple[str, int], tuple[int, int]]) -> None:
        places = sorted(offsets)
        values = {
            "topics": [topic for topic, _ in places],
            "partitions": [number for _, number in places],
            "next": [offsets[place][1] for place in places],
        }
        await connection.execute(blindly, values)

    repository.advance = advance  # type: ignore[assignment]


def _ledger_takes_long_and_ages_are_not_looked_at() -> None:
    """What a predecessor applies once more would be too old for each single lead: the line behind this measure."""
    usual = Ledger.apply
    router_batch.is_stale = lambda lead, record: False  # type: ignore[attr-defined]

    async def apply(self: Ledger, batch: Any) -> int:
        await asyncio.sleep(WINDOW_SECONDS)
        return await usual(self, batch)

    Ledger.apply = apply  # type: ignore[method-assign]


def _relays_are_not_fenced() -> None:
    usual = router.lane_producer
    router.lane_producer = lambda options, name, lane: usual(options, f"{name}-{uuid.uuid4()}", lane)


def _relays_take_long() -> None:
    usual = relay.Relay._send

    async def send(self: relay.Relay, lane: int, rows: Any) -> bool:
        await asyncio.sleep(WINDOW_SECONDS)
        return await usual(self, lane, rows)

    relay.Relay._send = send  # type: ignore[method-assign]


def _relays_take_what_is_not_locked() -> None:
    """The usual recipe: everybody sends whatever row nobody else has locked."""

    async def round_(self: relay.Relay) -> bool:
        if 0 not in self._producers:
            self._producers[0] = self._new_producer(uuid.uuid4().int % 10**9)
            await self._producers[0].start()
        query = repository.text("SELECT * FROM outbox ORDER BY id LIMIT 5 FOR UPDATE SKIP LOCKED")
        # The relay's own engine commits after each statement, and would let go of the rows at once.
        engine = self._engine.execution_options(isolation_level="READ COMMITTED")
        async with engine.begin() as connection:
            rows = (await connection.execute(query)).mappings().all()
            if rows:
                await asyncio.sleep(random.uniform(0, WINDOW_SECONDS))
                async with self._producers[0].transaction():
                    await asyncio.gather(*[await self._producers[0].send(**relay._message(row)) for row in rows])
                await repository.delete_outbox(connection, [row["id"] for row in rows])
        return bool(rows)

    relay.Relay._round = round_  # type: ignore[method-assign]


MEASURES: Mapping[str, Measure] = {
    "fencing": Measure("scorer", _nobody_is_fenced),
    "position-check": Measure("scorer", _positions_are_not_looked_at, _offsets_come_too_early_and_copies_count),
    "read-committed-states": Measure("scorer", _states_are_read_uncommitted),
    "read-committed-scores": Measure("router", _scores_are_read_uncommitted),
    "answer-after-storing": Measure("ingest", _answered_before_it_is_stored),
    "offsets-with-states": Measure("scorer", _offsets_before_states),
    "compare-and-set": Measure(
        "router", _offsets_are_set_whatever_they_were, _ledger_takes_long_and_ages_are_not_looked_at
    ),
    "relay-fencing": Measure("router", _relays_are_not_fenced, _relays_take_long),
    "relay-order": Measure("router", _relays_take_what_is_not_locked),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service", choices=SERVE)
    parser.add_argument("measure", choices=MEASURES)
    parser.add_argument("--window-only", action="store_true")
    given = parser.parse_args()
    end_with_parent()
    measure = MEASURES[given.measure]
    if measure.service == given.service:
        measure.window()
        if not given.window_only:
            measure.off()
    SERVE[given.service]()


if __name__ == "__main__":
    main()
