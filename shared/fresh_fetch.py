"""Reading what is in Kafka now, instead of what was there at the reading before.

aiokafka fetches ahead: when records are taken it asks at once for the next ones. Under a steady stream it is answered
with the first one or two, and asks no more of that broker until those are taken as well (`prefetch_backoff`): what came
in between is a whole reading late. There is no option against it. So partitions are
paused from one reading to the next, unless there is a backlog, which is better fetched ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized

from aiokafka import AIOKafkaConsumer, TopicPartition

BACKLOG_RECORDS = 500


def fetch_now(consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
    """Before a reading, which only gets records of these. Raises `IllegalStateError` when one is not assigned."""
    consumer.resume(*partitions)


def fetch_no_further(consumer: AIOKafkaConsumer, taken: Mapping[TopicPartition, Sized]) -> None:
    """Directly after a reading, with nothing awaited in between: the fetcher must not have run."""
    if any(taken.values()) and not is_backlog(taken):
        consumer.pause(*consumer.assignment())


def is_backlog(taken: Mapping[TopicPartition, Sized]) -> bool:
    """Whether a reading has got so much that there is probably more."""
    return sum(map(len, taken.values())) >= BACKLOG_RECORDS
