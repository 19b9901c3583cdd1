"""Faust's Kafka transport: what `services/scorer/batching.py` and the scorer's lanes are there for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from faust.types import TP

from services.scorer.apply import Applying, Codec
from services.scorer.batching import Batch, BatchingTransport, Feed
from services.scorer.lanes import Lane, LogGap
from services.scorer.metrics import ScorerMetrics
from services.scorer.playbooks import Playbooks
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from services.scorer.store import PartitionStore
from shared.playbook import load_playbook
from shared.topics import Topics

NewTopic = Callable[..., Awaitable[str]]
NewConsumer = Callable[..., Any]
PLACE = TP("t", 0)
NOWHERE = {"bootstrap_servers": "127.0.0.1:1"}


def stock(app: Any, _: dict[str, Any]) -> Any:
    return app.transport


def ours(app: Any, options: dict[str, Any]) -> Any:
    return BatchingTransport(app, frozenset(), options, Feed())


@pytest.fixture
def new_consumer() -> Iterator[NewConsumer]:
    """Makes consumers of Faust, not started, of the transport that `make` gives an app."""
    consumers: list[Any] = []

    async def nothing(*_: Any) -> None: ...

    def new(make: Any = stock, options: dict[str, Any] = NOWHERE, callback: Any = nothing) -> Any:
        broker = f"kafka://{options['bootstrap_servers']}"
        app = faust.App("upstream", broker=broker, store="memory://", topic_disable_leader=True, web_enabled=False)
        transport = make(app, options)
        consumers.append(
            transport.create_consumer(callback=callback, on_partitions_revoked=nothing, on_partitions_assigned=nothing)
        )
        return consumers[-1]

    yield new
    for consumer in consumers:
        consumer._thread.thread_loop.close()  # made with it, and closed by the thread only


def record(offset: int) -> Any:
    return SimpleNamespace(
        topic=PLACE.topic,
        partition=PLACE.partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        headers=(),
        key=None,
        value=b"",
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
    )


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110 - the libraries tell nobody
        await asyncio.sleep(0.01)


async def test_what_a_rebalance_interrupts_is_dropped_and_reading_goes_on_behind_it(new_consumer: NewConsumer) -> None:
    got: list[int] = []
    delivering, free = asyncio.Event(), asyncio.Event()
    fetches = [[record(0), record(1), record(2)], [record(3)]]

    async def deliver(message: Any) -> None:
        delivering.set()
        await free.wait()
        got.append(message.offset)

    async def fetch(**_: Any) -> Any:
        if not fetches:
            await asyncio.Event().wait()
        return {PLACE: fetches.pop(0)}

    consumer = new_consumer(callback=deliver)
    consumer._getmany, consumer.highwater = fetch, lambda _: 4  # Kafka's part: four records, in two fetches
    consumer._active_partitions = {PLACE}
    fetcher = SimpleNamespace(_stopped=asyncio.Event())
    draining = asyncio.create_task(consumer._drain_messages(fetcher))
    async with asyncio.timeout(5):
        await delivering.wait()
        consumer.stop_flow()  # as a rebalance does
        await until(lambda: consumer._read_offset[PLACE] == 0)
        free.set()
        consumer.resume_flow()
        await until(lambda: consumer._read_offset[PLACE] == 3)
    draining.cancel()
    await asyncio.wait([draining])
    assert got == [3], "Faust delivers what it has fetched: `Batch.follows` and `LogGap` may go"


async def test_a_lane_notices_the_hole(options: dict[str, Any], new_topic: NewTopic) -> None:
    async def open_store(partition: int) -> Any:
        return await PartitionStore.open(
            partition,
            options=options,
            source_topic=source,
            state_topic=state,
            group=source,
        )

    source, state = await new_topic("source"), await new_topic("state")
    failed = asyncio.get_running_loop().create_future()
    applying = Applying(Topics(""), Scorer(load_playbook()), Codec(encode_state, decode_state, playbook_of))
    lane = Lane(0, open_store, Playbooks(applying), ScorerMetrics(), failed.set_result, 1000, asyncio.Lock())
    await lane.put(Batch(source, 0, [record(3)], follows=3, next_offset=4, end_offset=4))
    assert isinstance(await asyncio.wait_for(failed, 10), LogGap)
    await lane.close()


@pytest.mark.parametrize("make", [stock, ours])
async def test_a_fetch_while_all_buffers_get_full(
    options: dict[str, Any], new_topic: NewTopic, new_consumer: NewConsumer, make: Any
) -> None:
    """Faust hands its own set of active partitions to aiokafka, to which an empty set means all of them."""
    topic = await new_topic("two", 2)
    wanted, full = TopicPartition(topic, 0), TopicPartition(topic, 1)
    thread = new_consumer(make, options)._thread
    async with (
        AIOKafkaConsumer(**options, enable_auto_commit=False, fetch_max_wait_ms=50) as kafka,
        AIOKafkaProducer(**options) as producer,
        asyncio.timeout(10),
    ):
        kafka.assign([wanted, full])
        await kafka.seek_to_beginning(wanted, full)
        active = {wanted}
        fetching = asyncio.create_task(thread._fetch_records(kafka, active, timeout=10))
        await until(lambda: kafka._fetcher._fetch_waiters)
        active.clear()  # as Consumer.on_buffer_full does
        await producer.send_and_wait(topic, b"1", partition=1)
        await until(lambda: full in kafka._fetcher._records or fetching.done())
        await producer.send_and_wait(topic, b"0", partition=0)
        fetched = set(await fetching)
    assert fetched == ({full} if make is stock else {wanted}), (
        "stock Faust leaves full buffers alone now: the copy in _fetch_records may go"
    )


async def test_a_topic_without_acknowledgements_is_waited_for(new_consumer: NewConsumer) -> None:
    """Ours: `stream_wait_empty=False` in services/scorer/app.py; the lanes wait for their batches in hand."""
    consumer = new_consumer()
    app = consumer.app
    app.topics.add(app.topic(PLACE.topic, acks=False))
    message = consumer._to_message(PLACE, record(0))
    consumer.track_message(message)
    consumer.ack(message)
    assert set(consumer.unacked) == {message}, (
        "an acknowledged message of a topic with acks=False is done with now: stream_wait_empty may be the default"
    )


@pytest.mark.parametrize("make", [stock, ours])
async def test_a_partition_that_was_just_assigned_to_an_old_worker(
    options: dict[str, Any],
    new_topic: NewTopic,
    new_consumer: NewConsumer,
    caplog: pytest.LogCaptureFixture,
    make: Any,
) -> None:
    """Faust counts from the start of the worker, not of the assignment, and calls for help at once."""
    caplog.set_level(logging.ERROR)
    place = TopicPartition(await new_topic("any"), 0)
    consumer = new_consumer(make, options)
    thread = consumer._thread
    async with AIOKafkaConsumer(**options, enable_auto_commit=False) as kafka:
        thread._consumer, thread.time_started = kafka, time.monotonic() - 3600
        kafka.assign([place])
        consumer.verify_event_path(time.monotonic(), TP(*place))
        await asyncio.sleep(0)  # a consumer whose tasks have never run does not stop
    said = [entry.getMessage() for entry in caplog.records if "has not sent fetch request" in entry.getMessage()]
    assert bool(said) == (make is stock), "Faust's watch tells the truth now: verify_event_path need not be silenced"


@pytest.mark.parametrize(
    ("make", "isolation"), [(stock, "read_uncommitted"), (ours, "read_committed")], ids=["faust", "ours"]
)
async def test_what_a_transaction_has_not_committed_is_read_by_default(
    new_consumer: NewConsumer, make: Any, isolation: str
) -> None:
    """Faust has no setting for it, but that of its own transactions (`exactly_once`)."""
    consumer = new_consumer(make)
    kafka = consumer._thread._create_worker_consumer(consumer.transport)
    await kafka.stop()
    assert kafka._isolation_level == isolation
    assert not [name for name in consumer.app.conf.SETTINGS if "isolation" in name], (
        "Faust has a setting now: _create_worker_consumer may go, if fetch_max_wait_ms can be set as well"
    )
