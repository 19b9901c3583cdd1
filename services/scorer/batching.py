"""A Faust transport that hands over all fetched records of a partition as one message.

Faust spends about 150 µs per message (conductor, stream, sensors, acknowledgement): a stock agent handles some
5,000 events/s. With one message per partition and fetch that price is paid once per some thousand records, and the
same worker reaches 150,000 and more, which is the consumer's own speed.

A message's value is a `Batch`. It says where it began and ended in the log, because Faust drops messages that it has
already fetched when a rebalance interrupts it (`Consumer._drain_messages`, `flow_control.clear`), and after that may
go on reading behind them (as in faust-streaming/faust#216 and #221, which are closed). `follows` makes such a hole
visible to whoever applies the batches.

The consumer itself is built here as well, instead of by Faust: read_committed without Faust's own transactions,
and the same TLS and SASL arguments as every other client of the project.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.drivers import aiokafka as driver

from shared.fresh_fetch import fetch_no_further, fetch_now

LEAST_PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.004, 0.01
"""Between two fetches: a broker answers as soon as it has one record, and every answer costs it, and us, as much as
many records do."""
AHEAD_SECONDS = 0.003
"""So long before a lane is ready for more it is fetched: that is what fetching and handing over take."""


def next_fetch(fetched_at: float, now: float, ready: Iterable[float]) -> float:
    """When to fetch, after the last fetch and for lanes `ready` at these times, all by one clock: so that what comes is
    there when the first lane is ready. With a pace of its own, an event would wait for that and then for the lane's."""
    soonest = min((moment for moment in ready if moment > now), default=0.0)
    return min(max(soonest - AHEAD_SECONDS, fetched_at + LEAST_PAUSE_SECONDS), fetched_at + MOST_PAUSE_SECONDS)


@dataclass(slots=True)
class Batch:
    """Consecutive records of one partition. Has the attributes by which Faust knows a Kafka record."""

    topic: str
    partition: int
    records: list[ConsumerRecord[bytes, bytes]]
    follows: int | None
    """Offset after the batch handed over before this one; None for the first since the assignment."""
    next_offset: int
    """Offset after this batch; counts what a reader never sees (markers of transactions)."""
    end_offset: int
    """The partition's end when this was fetched: lower than what was applied means another log."""
    headers: tuple[()] = ()
    key: None = None
    checksum: None = None
    serialized_key_size: int = 0
    serialized_value_size: int = 0
    timestamp_type: int = 0

    @property
    def value(self) -> Batch:
        return self

    @property
    def offset(self) -> int:
        # The last one: Faust compares it with what it has read, and must not take an overlapping batch for an old one.
        return int(self.records[-1].offset)

    @property
    def timestamp(self) -> int | None:
        timestamp: int | None = self.records[-1].timestamp
        return timestamp


@dataclass(frozen=True)
class Feed:
    """What the thread that fetches and the lanes know of each other, by partition."""

    read: dict[int, tuple[int, int]] = field(default_factory=dict)
    """See `Folding`."""
    ready: dict[int, float] = field(default_factory=dict)
    """When its lane takes the next batches, by the monotonic clock."""


@dataclass
class Folding:
    """Makes batches of what was fetched and chains them, per assignment."""

    topics: frozenset[str]
    read: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By partition: the offset after the last batch handed over (0: there was none), and the one that has been read up
    to. Between them was nothing for a reader: markers of transactions, or what was aborted."""
    _assignment: object = None
    _handed_over: dict[Any, int] = field(default_factory=dict)

    def fold(self, assignment: Any, fetched: dict[Any, list[Any]]) -> dict[Any, list[Any]]:
        """`assignment` is aiokafka's: a new object, with positions read from the group anew, after each rebalance."""
        if assignment is not self._assignment:
            self._assignment = assignment
            self._handed_over.clear()
            self.read.clear()
        folded = {
            tp: [self._batch(tp, records, assignment.state_value(tp))] if tp.topic in self.topics else records
            for tp, records in fetched.items()
            if records
        }
        for tp in assignment.tps:
            state = assignment.state_value(tp)
            if tp.topic in self.topics and state.has_valid_position:
                self.read[tp.partition] = (self._handed_over.get(tp, 0), state.position)
        return folded

    def _batch(self, tp: Any, records: list[Any], state: Any) -> Batch:
        follows = self._handed_over.get(tp)
        if follows is not None:
            # Faust has sought back to the committed offset: no hole, the records come again.
            follows = min(follows, records[0].offset)
        next_offset = max(state.position, records[-1].offset + 1)
        self._handed_over[tp] = next_offset
        return Batch(tp.topic, tp.partition, records, follows, next_offset, state.highwater or next_offset)


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's thread around the aiokafka consumer; everything here runs on that thread's loop."""

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self._feed: Feed = consumer.transport.feed
        self._folding = Folding(consumer.transport.batched_topics, self._feed.read)
        self._fetched_at = 0.0
        super().__init__(consumer, **kwargs)

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[Any],
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is Faust's
        max_records: int | None = None,
    ) -> Any:
        now = time.monotonic()
        # A copy in one step: lanes come and go in another thread.
        await asyncio.sleep(max(0.0, next_fetch(self._fetched_at, now, list(self._feed.ready.values())) - now))
        # A copy: Faust takes out partitions whose buffer is full, and a set that it has emptied while aiokafka waits
        # means all partitions (see robinhood/faust#69).
        wanted = set(active_partitions)
        # Those of the assignment: Faust may not know yet that one was taken away, and its tuples are of another type.
        fetch_now(consumer, [tp for tp in consumer.assignment() if tp in wanted])
        fetched = await super()._fetch_records(consumer, wanted, timeout=timeout, max_records=max_records)
        fetch_no_further(consumer, fetched)
        self._fetched_at = time.monotonic()
        subscription = consumer._subscription.subscription
        if subscription is None or subscription.assignment is None:
            return {}
        mine = {tp: records for tp, records in fetched.items() if tp in subscription.assignment.tps}
        return self._folding.fold(subscription.assignment, mine)

    def _create_worker_consumer(self, transport: Any) -> Any:
        conf = self.app.conf
        self._assignor = RoundRobinPartitionAssignor
        return AIOKafkaConsumer(
            **transport.client_options,
            client_id=conf.broker_client_id,
            group_id=conf.id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=conf.broker_max_poll_records,
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            # Requests on the same connection (offsets, metadata) wait behind a long poll.
            fetch_max_wait_ms=250,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
        )


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Faust's watch for stuck partitions assumes that Faust commits, and gives false alarms at each rebalance
        (faust-streaming/faust#503, #629); `progress` watches the true offsets."""


class _Producer(driver.Producer):
    """Faust starts a producer of its own, which nothing is sent through; it needs the same credentials."""

    def _settings_auth(self) -> dict[str, Any]:
        return cast(BatchingTransport, self.transport).client_options


class BatchingTransport(driver.Transport):
    """Faust's Kafka transport, with the records of `batched_topics` handed over in batches."""

    Consumer = _Consumer
    Producer = _Producer

    def __init__(
        self,
        app: Any,
        batched_topics: frozenset[str],
        client_options: dict[str, Any],
        feed: Feed,
    ) -> None:
        super().__init__(app.conf.broker, app)
        self.batched_topics, self.feed = batched_topics, feed
        self.client_options = client_options


def install(app: Any, batched_topics: frozenset[str], client_options: dict[str, Any], feed: Feed) -> None:
    """Give `app` this transport, which keeps `feed`; before its first topic or agent, which bind to the transport that
    they find.

    Given directly, and not by a URL scheme in Faust's registry: that is global, and two apps would share it.
    """
    app.transport = BatchingTransport(app, batched_topics, client_options, feed)
