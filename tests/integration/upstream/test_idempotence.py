"""aiokafka's idempotent producer: sequence numbers that nobody gets, and batches that never give up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
)
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.sender import SendProduceReqHandler
from aiokafka.producer.transaction_manager import TransactionManager

from services.ingest.sequence import keep_whole

NARROW = Callable[[], Awaitable[str]]
PLACE = TopicPartition("t", 0)


async def after_a_refusal(topic: str, producer: Any) -> None:
    """One record that is too large for `topic`, and one that is not."""
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"before", partition=0)
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(topic, b"x" * 10_000, partition=0)
        await producer.send_and_wait(topic, b"after", partition=0)
    finally:
        await producer.stop()


async def test_after_one_record_that_is_too_large_its_partition_takes_none(
    options: dict[str, Any], narrow: NARROW
) -> None:
    topic = await narrow()
    # If this fails, aiokafka gives the sequence number back itself, and services/ingest/sequence.py may go.
    with pytest.raises(OutOfOrderSequenceNumber):
        await after_a_refusal(topic, AIOKafkaProducer(**options, enable_idempotence=True))


async def test_with_the_sequence_kept_whole_it_does(options: dict[str, Any], narrow: NARROW) -> None:
    topic = await narrow()
    await after_a_refusal(topic, keep_whole(AIOKafkaProducer(**options, enable_idempotence=True)))


def accumulator(manager: TransactionManager, seconds_to_live: float) -> MessageAccumulator:
    return MessageAccumulator(ClusterMetadata(), 16_384, 0, seconds_to_live, txn_manager=manager)


@pytest.fixture
async def manager() -> TransactionManager:
    """The sequence numbers of an idempotent producer."""
    made = TransactionManager(None, 60_000)
    made._pid_and_epoch = SimpleNamespace(pid=1, epoch=0)
    return made


async def test_a_batch_that_waited_too_long_for_a_leader_takes_its_number_with_it(manager: TransactionManager) -> None:
    """Ours: after a failure the publisher goes on with another producer (`KafkaPublisher._renew`)."""
    waiting = accumulator(manager, seconds_to_live=0)
    sent = await waiting.add_message(PLACE, b"k", b"v", timeout=1)
    await asyncio.sleep(0.01)
    waiting.drain_by_nodes(ignore_nodes=set())  # the cluster is not known: there is no leader
    with pytest.raises(NotLeaderForPartitionError):
        await sent
    assert manager.sequence_number(PLACE) == 1, (
        "a batch that was never sent has no number any more: KafkaPublisher need not start another producer for it"
    )


async def test_a_batch_is_tried_again_for_ever_and_stop_waits_for_it(manager: TransactionManager) -> None:
    """Ours: everybody who waits for a producer, or stops one, does so with a timeout of his own."""
    waiting = accumulator(manager, seconds_to_live=0)
    await waiting.add_message(PLACE, b"k", b"v", timeout=1)
    await asyncio.sleep(0.01)
    (batch,) = waiting._batches[PLACE]
    handler = SendProduceReqHandler(SimpleNamespace(_txn_manager=manager, client=None, _retry_backoff=0), {})
    assert batch.expired()
    assert handler._can_retry(KafkaConnectionError(), batch), "batches expire now: look at who waits with a timeout"
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(waiting.close(), 0.2)
    batch.done_noack()
