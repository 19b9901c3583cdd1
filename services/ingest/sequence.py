"""Keeps the sequence of an idempotent producer whole when Kafka refuses a batch for its size.

aiokafka counts a batch's records as soon as it takes the batch up. One that is refused was never counted by the broker,
which then refuses everything that follows it in its partition. The Java client gives such numbers back; aiokafka has no
option for it, so its batches are watched here. A partition has one batch under way at a time, and a batch fails before
the next one is numbered: the numbers are free again in time. No upstream issue is known.
"""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError


def keep_whole(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    """The same producer, whose later records are not harmed by one that was too large."""
    accumulator, transactions = producer._message_accumulator, producer._txn_manager
    append = accumulator._append_batch

    def append_watched(builder: Any, place: Any) -> Any:
        batch = append(builder, place)
        fail = batch.failure

        def failure(exception: BaseException) -> None:
            if isinstance(exception, MessageSizeTooLargeError) and not batch.future.done():
                transactions.increment_sequence_number(place, -batch.record_count)
            fail(exception)

        batch.failure = failure
        return batch

    accumulator._append_batch = append_watched
    return producer
