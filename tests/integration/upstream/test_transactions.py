"""Transactions of aiokafka: what the scorer's store and the router's relay must not rely on."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import aiokafka.producer.sender
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, MessageSizeTooLargeError, ProducerFenced, for_code
from aiokafka.producer.sender import AddPartitionsToTxnHandler

from shared.transaction_backoff import shorten_transaction_backoff

NewTopic = Callable[..., Awaitable[str]]
NewProducer = Callable[[str], Awaitable[Any]]
CONCURRENT_TRANSACTIONS = 51


@pytest.fixture
async def new_producer(options: dict[str, Any]) -> AsyncIterator[NewProducer]:
    """Starts transactional producers, and stops them when the test is over."""
    producers: list[Any] = []

    async def make(transactional_id: str) -> Any:
        producers.append(AIOKafkaProducer(**options, transactional_id=transactional_id))
        await producers[-1].start()
        return producers[-1]

    yield make
    for producer in producers:
        await producer.stop()


async def committed(consumer: Any, partition: TopicPartition) -> int:
    """The group's offset, as soon as it has one: a transaction's end is written after its producer was told."""
    async with asyncio.timeout(5):
        while (offset := await consumer.committed(partition)) is None:  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(0.05)
    return int(offset)


async def test_a_transaction_is_committed_although_its_records_were_refused(
    options: dict[str, Any], narrow: Callable[[], Awaitable[str]], new_topic: NewTopic, new_producer: NewProducer
) -> None:
    """Ours: the store awaits every send before it commits (`test_a_transaction_is_all_or_nothing`)."""
    topic, source = await narrow(), TopicPartition(await new_topic("source"), 0)
    group = f"{topic}-group"
    producer = await new_producer(group)
    await producer.begin_transaction()
    refused = await producer.send(topic, b"x" * 10_000)
    await producer.send_offsets_to_transaction({source: 7}, group)
    await producer.commit_transaction()
    with pytest.raises(MessageSizeTooLargeError):
        await refused
    async with AIOKafkaConsumer(**options, group_id=group, enable_auto_commit=False) as consumer:
        offset = await committed(consumer, source)
    assert offset == 7, (
        "aiokafka does not commit such a transaction any more: the order in PartitionStore._transact may be loosened"
    )


async def test_who_is_fenced_is_told_only_that_no_transaction_is_open(
    new_topic: NewTopic, new_producer: NewProducer
) -> None:
    """Ours: the store asks what it has sent before (`test_a_store_fenced_between_two_of_its_batches_says_so`)."""
    topic = await new_topic("any")
    old = await new_producer(topic)
    await old.begin_transaction()
    await new_producer(topic)
    sent = await old.send(topic, b"1")
    with pytest.raises(ProducerFenced):
        await sent
    with pytest.raises(IllegalOperation) as told:
        await old.send(topic, b"2")
    assert told.value.__cause__ is None, "the reason is there now: PartitionStore._transact need not look for it"
    # aiokafka knows it, and asyncio complains some time later unless somebody asks.
    unasked = [batch._drain_waiter for batches in old._message_accumulator._batches.values() for batch in batches]
    unasked.append(old._txn_manager.wait_for_transaction_end())
    assert {type(future.exception()) for future in unasked} == {ProducerFenced}


async def test_offsets_are_taken_from_whoever_is_no_member_of_the_group(
    options: dict[str, Any], new_topic: NewTopic, new_producer: NewProducer
) -> None:
    """Ours: one transactional id per partition, so that opening it fences whoever had it
    (`test_opening_fences_the_previous_owner`)."""
    source = TopicPartition(await new_topic("source"), 0)
    group = f"{source.topic}-group"
    async with AIOKafkaConsumer(
        source.topic, **options, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    ) as member:
        assert member.assignment() == {source}, "the partition is the member's, and nobody else's"
        stranger = await new_producer(f"{group}-stranger")
        await stranger.begin_transaction()
        await stranger.send_offsets_to_transaction({source: 99}, group)
        await stranger.commit_transaction()
        assert await committed(member, source) == 99
    assert list(inspect.signature(AIOKafkaProducer.send_offsets_to_transaction).parameters) == [
        "self",
        "offsets",
        "group_id",
    ], "aiokafka can name the member now (KIP-447): let the store do so, as a second fence"


def test_the_pause_between_two_transactions_has_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def pause() -> float | None:
        """What aiokafka makes of a coordinator that is busy with the previous transaction, in seconds."""
        manager = SimpleNamespace(txn_partitions=set())
        sender = SimpleNamespace(_retry_backoff=0.001, _txn_manager=manager)
        handler = AddPartitionsToTxnHandler(sender, {TopicPartition("t", 0)})
        answer = SimpleNamespace(errors=[("t", [(0, CONCURRENT_TRANSACTIONS)])])
        seconds: float | None = handler.handle_response(answer)
        return seconds

    assert for_code(CONCURRENT_TRANSACTIONS).__name__ == "ConcurrentTransactions"
    monkeypatch.setattr(aiokafka.producer.sender, "BACKOFF_OVERRIDE", 0.02)
    assert pause() == 0.02, "retry_backoff_ms (here 1) is heeded now: shared/transaction_backoff.py may go"
    shorten_transaction_backoff()
    assert pause() == 0.002
