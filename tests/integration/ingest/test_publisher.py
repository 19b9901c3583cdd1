"""The publisher against a real Kafka, in the cases that HTTP does not reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer

from services.ingest.publisher import MAX_BATCH_BYTES, MAX_RECORD_BYTES, KafkaPublisher, Limits
from services.ingest.publishing import Busy, NotStored, Record, TooMuch
from shared.kafka import create_topics
from shared.parts import Parts
from shared.topics import TopicSpec

NARROW = {"max.message.bytes": "20000"}


@pytest.fixture
async def topic(parts: Parts, topic_prefix: str) -> str:
    """One partition, which takes no more than 20,000 bytes at once."""
    name = f"{topic_prefix}narrow"
    await create_topics({"bootstrap_servers": parts.kafka_bootstrap}, [TopicSpec(name, 1, NARROW)])
    return name


async def open_publisher(parts: Parts, topic: str, **changes: int) -> KafkaPublisher:
    limits = Limits(**({"timeout_seconds": 4.5, "linger_ms": 0, "max_in_flight_bytes": 1_000_000} | changes))
    return await KafkaPublisher.open({"bootstrap_servers": parts.kafka_bootstrap}, [topic], limits)


@pytest.fixture
async def publisher(parts: Parts, topic: str) -> AsyncIterator[KafkaPublisher]:
    publisher = await open_publisher(parts, topic)
    yield publisher
    await publisher.close()


async def test_after_a_refused_record_others_are_stored(parts: Parts, topic: str, publisher: KafkaPublisher) -> None:
    if "not Apache Kafka" in parts.kafka.description:
        pytest.skip("the embedded broker knows no max.message.bytes")
    await publisher.publish([Record(topic, b"k", b"before")])
    # In one Kafka batch with it are others, of which each would do.
    mixed = [Record(topic, b"k", value) for value in (b"a" * 9_000, b"x" * 100_000, b"b" * 9_000, b"c" * 9_000)]
    assert await publisher.publish(mixed) == [1]
    assert await publisher.publish([Record(topic, b"k", b"x" * 100_000)]) == [0]
    assert await publisher.publish([Record(topic, b"k", b"after", [("why", b"because")])]) == []
    assert await publisher.trouble() is None
    assert await _values(parts, topic, 5) == [b"before", b"a" * 9_000, b"b" * 9_000, b"c" * 9_000, b"after"]


async def test_a_topic_that_refuses_what_is_small_is_wrong_and_not_the_event(parts: Parts, topic_prefix: str) -> None:
    if "not Apache Kafka" in parts.kafka.description:
        pytest.skip("the embedded broker knows no max.message.bytes")
    topic = f"{topic_prefix}tiny"
    await create_topics(
        {"bootstrap_servers": parts.kafka_bootstrap}, [TopicSpec(topic, 1, {"max.message.bytes": "200"})]
    )
    publisher = await open_publisher(parts, topic)
    try:
        with pytest.raises(NotStored, match=r"refuses records of 400 bytes: look at max\.message\.bytes"):
            await publisher.publish([Record(topic, b"k", b"x" * 400)])
        assert "max.message.bytes" in (await publisher.trouble() or "")
        assert await publisher.publish([Record(topic, b"k", b"small")]) == []
    finally:
        await publisher.close()


async def test_what_is_too_large_to_send_is_refused_alone(parts: Parts, topic_prefix: str) -> None:
    topic = f"{topic_prefix}wide"
    await create_topics({"bootstrap_servers": parts.kafka_bootstrap}, [TopicSpec(topic, 1, {})])
    publisher = await open_publisher(parts, topic, max_in_flight_bytes=20_000_000)
    try:
        values = (b"a", b"x" * (MAX_RECORD_BYTES + 1), b"b")
        assert await publisher.publish([Record(topic, b"k", value) for value in values]) == [1]
        assert await publisher.trouble() is None
        assert await _values(parts, topic, 2) == [b"a", b"b"]
    finally:
        await publisher.close()


async def test_more_than_may_ever_wait_is_of_no_use_to_repeat(publisher: KafkaPublisher, topic: str) -> None:
    headers = [("text", b"x" * 2_000_000)]
    with pytest.raises(TooMuch):
        await publisher.publish([Record(topic, b"k", b"small", headers)])


async def test_more_than_may_wait_is_refused_at_once(parts: Parts, topic: str) -> None:
    publisher = await open_publisher(parts, topic, linger_ms=300, max_in_flight_bytes=1500)
    first = asyncio.create_task(publisher.publish([Record(topic, b"k", b"x" * 400)]))
    await asyncio.sleep(0.05)
    with pytest.raises(Busy):
        await publisher.publish([Record(topic, b"k", b"y" * 400)])
    await first
    await publisher.publish([Record(topic, b"k", b"z" * 400)])
    assert await _values(parts, topic, 2) == [b"x" * 400, b"z" * 400]
    await publisher.close()


async def test_records_of_a_request_keep_their_order(parts: Parts, topic: str, publisher: KafkaPublisher) -> None:
    await publisher.publish([Record(topic, None, str(number).encode()) for number in range(100)])
    assert await _values(parts, topic, 100) == [str(number).encode() for number in range(100)]


async def test_what_is_more_than_one_batch_keeps_its_order_with_others_among_it(
    parts: Parts, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}wide"
    await create_topics({"bootstrap_servers": parts.kafka_bootstrap}, [TopicSpec(topic, 1, {})])
    publisher = await open_publisher(parts, topic, linger_ms=5, max_in_flight_bytes=20_000_000)
    senders = [[b"%d/%d/" % (sender, number) + b"x" * 10_000 for number in range(50)] for sender in range(4)]
    assert MAX_BATCH_BYTES < 50 * 10_000
    try:
        await asyncio.gather(*(publisher.publish([Record(topic, b"k", one) for one in values]) for values in senders))
        stored = await _values(parts, topic, 200)
    finally:
        await publisher.close()
    for sender, values in enumerate(senders):
        assert [value for value in stored if value.startswith(b"%d/" % sender)] == values


async def test_what_lingers_is_stored_before_the_connection_is_closed(parts: Parts, topic: str) -> None:
    publisher = await open_publisher(parts, topic, linger_ms=400)
    under_way = asyncio.create_task(publisher.publish([Record(topic, b"k", b"last")]))
    await asyncio.sleep(0.05)
    await publisher.close()
    assert await under_way == []
    assert await _values(parts, topic, 1) == [b"last"]


async def test_nothing_to_publish_is_no_trouble(publisher: KafkaPublisher) -> None:
    await publisher.publish([])


async def _values(parts: Parts, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=parts.kafka_bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(10):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()
