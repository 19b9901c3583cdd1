"""The consume loop: read, decide and write in one transaction, then go on.

Both topics have the same partitions, and the range assignor gives the same numbers of both to the same member. The
truth about what has been applied is the table `offsets`; Kafka gets it told afterwards, for lag tools only.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError, KafkaTimeoutError

from services.router import repository
from services.router.batch import Batch
from services.router.failures import PostgresAway, told_apart
from services.router.intake import Intake
from services.router.ledger import Ledger
from services.router.outbox import dead_letter_row
from services.router.probe import Probe
from services.router.repository import OffsetsMoved
from services.router.status import Watch
from shared.fresh_fetch import fetch_no_further, fetch_now, is_backlog

log = logging.getLogger(__name__)

TELL_KAFKA_EVERY_SECONDS = 1.0
PAUSE_SECONDS = 0.002
"""Between two fetches: a broker answers as soon as it has one record, and each transaction costs as much as many do."""
PLAIN_OFFSETS_EVERY_SECONDS = 0.25
"""Most events have nothing for the ledger; that they have been read need not be written each time."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
MOST_PLAYBOOKS_NAMED = 100
DECODED_AT_ONCE = 100
"""Records: some 2 ms in which nothing else happens."""


class LogRecreated(Exception):
    """A topic ends before what has been applied of it: it is another topic of the same name."""


def kafka_consumer(
    options: dict[str, Any], group: str, *, records_at_once: int, session_timeout_seconds: float
) -> AIOKafkaConsumer:
    """A client set up as `Consumer` needs it."""
    return AIOKafkaConsumer(
        **options,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=int(session_timeout_seconds * 1000),
        heartbeat_interval_ms=1_000,
        max_poll_records=records_at_once,
        # A question about offsets waits behind the long poll on the same connection: 500 ms are felt at each start.
        fetch_max_wait_ms=200,
    )


class Consumer:
    """Reads its partitions until cancelled. `lanes` are the partitions it has now, `latest` the latest time of a score
    in each; `on_messages` is called after a transaction that left something in the outbox."""

    def __init__(
        self, kafka: AIOKafkaConsumer, ledger: Ledger, intake: Intake, watch: Watch, on_messages: Callable[[], None]
    ) -> None:
        self._kafka, self._ledger, self._intake, self._on_messages = kafka, ledger, intake, on_messages
        self._metrics, self._status = watch.metrics, watch.status
        self._topics = (ledger.topics.events, ledger.topics.scores)
        self._probe = Probe(kafka, ledger.topics.events, intake, watch.status)
        self._foreign: set[str] = set()
        self.lanes: frozenset[int] = frozenset()
        self.latest: dict[int, datetime] = {}
        self._rebalances, self._opened = 0, 0
        self._ahead: Batch | None = None  # has been read, and is to be applied next
        self._is_behind = False
        self._told_at = self._fetched_at = self._written_at = 0.0

    async def run(self) -> None:
        """Until cancelled. Raises `LogRecreated`; waits, and tries again, while Postgres or Kafka is away."""
        await self._kafka.start()
        probe = asyncio.create_task(self._probe.run(), name="probe")
        try:
            self._kafka.subscribe(self._topics, listener=_Rebalance(self))
            await self._consume(probe)
        finally:
            self._status.consumer = "stopped"
            probe.cancel()
            await asyncio.wait([probe])
            await self._kafka.stop()

    async def _consume(self, probe: asyncio.Task[None]) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            if probe.done():
                await probe  # raises what ended it
            try:
                await self._step()
                pause = FIRST_PAUSE_SECONDS
            except OffsetsMoved as moved:
                log.warning("%s; starting again from the ledger", moved)
                self._reopen()
                await asyncio.sleep(FIRST_PAUSE_SECONDS)
            except (PostgresAway, KafkaError) as error:
                if not (isinstance(error, PostgresAway | KafkaTimeoutError) or error.retriable):
                    raise
                reason = str(error) if isinstance(error, PostgresAway) else f"Kafka: {type(error).__name__}"
                self._status.consumer = reason
                log.warning("%s; trying again in %.1f s", reason, pause)
                # What was read is in memory only: it is read again from the ledger's offsets.
                self._reopen()
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def scores_applied(self, lane: int) -> tuple[int, int | None]:
        """Of a lane: the next score to be applied, and where they end as far as Kafka has told (None: not yet)."""
        place = (self._topics[1], lane)
        part = TopicPartition(*place)
        # Asked by others at any time, also of a partition that has just been taken away.
        end = self._kafka.last_stable_offset(part) if part in self._kafka.assignment() else None
        return self._intake.next.get(place, 0), end if end is not None and end >= 0 else None

    async def _step(self) -> None:
        generation = self._rebalances
        if self._opened != generation:
            self._ahead = None
            await self._open(generation)
        batch, self._ahead = self._ahead or await self._read(generation), None
        if batch is None:
            return  # read under another assignment: after opening, it is read again from the ledger's offsets
        if batch.offsets and self._is_due(batch):
            self._intake.read_on_behind(batch)
            await (self._apply_and_read_on(batch, generation) if self._is_behind else self._apply(batch))
        if self._rebalances != generation:
            return  # taken away while the batch was applied: aiokafka answers no questions about them any more
        # Those of a backlog are fetched ahead, unless they are to wait.
        self._kafka.pause(*(self._kafka.assignment() - set(self._wanted())))
        self._watch_lag()
        await self._tell_kafka()

    async def _read(self, generation: int) -> Batch | None:
        """What comes next; None: partitions have been taken away, or given."""
        await asyncio.sleep(max(0.0, self._fetched_at + PAUSE_SECONDS - time.monotonic()))
        try:
            fetch_now(self._kafka, self._wanted())
            fetched = await self._kafka.getmany(timeout_ms=200)
            fetch_no_further(self._kafka, fetched)
            self._fetched_at = time.monotonic()
            positions = await self._positions()
        except IllegalStateError:  # a partition was taken away between two calls
            if self._rebalances == generation:
                raise
        if self._rebalances != generation:
            return None
        self._is_behind = is_backlog(fetched)
        for portion in _portions(fetched):
            self._intake.take(*self._by_topic(portion))
            await asyncio.sleep(0)  # others may go on: the batch before, when Postgres has answered
        if self._rebalances != generation:
            return None
        batch = self._intake.batch(positions)
        self._bury_uncovered(batch, positions)
        return batch

    async def _apply(self, batch: Batch) -> None:
        started = time.perf_counter()
        with told_apart():
            messages = await self._ledger.apply(batch)
        self._metrics.batch_seconds.observe(time.perf_counter() - started)
        self._written_at = time.monotonic()
        self._intake.applied(batch)
        self._count(batch)
        if messages:
            self._on_messages()

    async def _apply_and_read_on(self, batch: Batch, generation: int) -> None:
        """Read the next batch of a backlog while Postgres works on this one: a tenth more in the same time."""
        reading = asyncio.create_task(self._read(generation), name="read on")
        try:
            await self._apply(batch)
            self._ahead = await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def _is_due(self, batch: Batch) -> bool:
        plain = not (batch.scores or batch.contacts or batch.dead)
        return not plain or time.monotonic() - self._written_at >= PLAIN_OFFSETS_EVERY_SECONDS

    async def _open(self, generation: int) -> None:
        """Go on where the ledger says, for all partitions assigned."""
        assigned = self._kafka.assignment()
        self.lanes = frozenset()
        places = [(tp.topic, tp.partition) for tp in assigned]
        with told_apart():
            async with self._ledger.engine.begin() as connection:
                offsets = await repository.starting_offsets(connection, places)
        ends = await self._kafka.end_offsets(list(assigned)) if assigned else {}
        for place, offset in offsets.items():
            refuse_recreated(place, offset, ends[TopicPartition(*place)])
        if self._rebalances != generation:
            return
        for place, offset in offsets.items():
            self._kafka.seek(TopicPartition(*place), offset)
        self._intake.start(offsets)
        self.lanes = frozenset(partition for topic, partition in offsets if topic == self._topics[1])
        self._opened, self._status.consumer = generation, None
        self._on_messages()  # the lanes' outbox may hold messages of a predecessor
        log.info("reading partitions %s", sorted(self.lanes))

    def _reopen(self) -> None:
        self._rebalances += 1

    def rebalanced(self, lanes_lost: bool) -> None:
        """The assignment changes: whatever is in memory is of no use any more."""
        self._rebalances += 1
        self._metrics.lag.clear()  # partitions that go to others would keep their last lag for ever
        if lanes_lost:
            self.lanes = frozenset()
            self._status.consumer = "partitions are being assigned"

    def _by_topic(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> tuple[dict[int, Any], dict[int, Any]]:
        events, scores = self._topics
        return (
            {tp.partition: records for tp, records in fetched.items() if tp.topic == events},
            {tp.partition: records for tp, records in fetched.items() if tp.topic == scores},
        )

    async def _positions(self) -> dict[tuple[str, int], int]:
        """Positions and not "last record + 1": they also pass what read_committed hides."""
        return {place: await self._kafka.position(TopicPartition(*place)) for place in self._intake.next}

    def _bury_uncovered(self, batch: Batch, positions: dict[tuple[str, int], int]) -> None:
        """Scores at the head of a lane that name events which do not exist become dead letters."""
        for lane, waiting in self._intake.waiting.items():
            place, before = (self._topics[1], lane), len(batch.dead)
            while waiting and (lane, waiting[0].offset) in self._probe.uncovered:
                record = waiting.popleft()
                reason = "it includes events behind the end of their partition: no scorer of this log wrote it"
                batch.dead.append(dead_letter_row(self._ledger.topics, lane, record, reason, datetime.now(UTC)))
                log.warning("partition %d of %s, offset %d: %s", lane, place[0], record.offset, reason)
            if len(batch.dead) > before:
                self._metrics.dead_letters.inc(len(batch.dead) - before)
                after = waiting[0].offset if waiting else positions[place]
                batch.offsets[place] = (self._intake.read[place], after)

    def _count(self, batch: Batch) -> None:
        """What is odd about a batch that has been applied."""
        for item in batch.scores:
            self.latest[item.lane] = max(item.record.time, self.latest.get(item.lane, item.record.time))
        self._metrics.cooled.labels("record").inc(batch.cooled)
        self._metrics.refused_contacts.inc(batch.refused_contacts)
        self._metrics.denied.inc(batch.denied)
        self._metrics.dead_letters.inc(batch.refused_scores)
        own, known = self._ledger.rules.playbook.id, self._ledger.playbooks.rules
        foreign = [id for item in batch.scores if (id := item.record.playbook) != own and known(id) is None]
        self._metrics.foreign_scores.inc(len(foreign))
        for id in set(foreign) - self._foreign:
            if len(self._foreign) < MOST_PLAYBOOKS_NAMED:
                self._foreign.add(id)
                log.warning("scores were made with the playbook %.200r, but this router decides by %s", id, own)

    def _wanted(self) -> list[TopicPartition]:
        """All, without scores of partitions in which some wait for their events."""
        held_back = {TopicPartition(self._topics[1], lane) for lane, waiting in self._intake.waiting.items() if waiting}
        return [tp for tp in self._kafka.assignment() if tp not in held_back]

    def _watch_lag(self) -> None:
        for (topic, partition), applied in self._intake.next.items():
            end = self._kafka.last_stable_offset(TopicPartition(topic, partition))
            if end is not None and end >= 0:
                self._metrics.lag.labels(topic, partition).set(max(0, end - applied))

    async def _tell_kafka(self) -> None:
        if time.monotonic() - self._told_at < TELL_KAFKA_EVERY_SECONDS or not self._intake.next:
            return
        self._told_at = time.monotonic()
        try:
            await self._kafka.commit({TopicPartition(*place): offset for place, offset in self._intake.next.items()})
        except KafkaError as error:
            # The truth is in Postgres; this only tells lag tools, and is said again in a second.
            log.info("could not tell Kafka the offsets: %s", type(error).__name__)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._consumer.rebalanced(lanes_lost=bool(list(revoked)))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._consumer.rebalanced(lanes_lost=False)


def _portions(fetched: Mapping[TopicPartition, Sequence[Any]]) -> Iterator[dict[TopicPartition, Sequence[Any]]]:
    for place, records in fetched.items():
        for first in range(0, len(records), DECODED_AT_ONCE):
            yield {place: records[first : first + DECODED_AT_ONCE]}


def refuse_recreated(place: tuple[str, int], applied: int, end: int) -> None:
    """Raises `LogRecreated`."""
    if applied > end:
        raise LogRecreated(
            f"partition {place[1]} of {place[0]} ends at {end}, but {applied} records of it have been applied: "
            "the topic was made anew; use another database or another TASUKI_TOPIC_PREFIX"
        )
