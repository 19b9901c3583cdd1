"""aiokafka's consumer: what it keeps to itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError
from faust.types import TP

from services.scorer.app import create_app
from services.scorer.lanes import Lane, Lanes
from services.scorer.metrics import ScorerMetrics
from services.scorer.settings import ScorerSettings

NewTopic = Callable[..., Awaitable[str]]


class Failing(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        raise OSError("the state could not be saved")

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.asked.set()
        raise OSError("the state could not be restored")


async def test_a_rebalance_that_failed_goes_on_as_if_it_had_not(options: dict[str, Any], new_topic: NewTopic) -> None:
    topic = await new_topic("any")
    async with AIOKafkaProducer(**options) as producer:
        await producer.send_and_wait(topic, b"1")
    listener = Failing()
    consumer = AIOKafkaConsumer(**options, group_id=f"{topic}-group", auto_offset_reset="earliest")
    consumer.subscribe([topic], listener=listener)
    async with consumer, asyncio.timeout(10):
        await listener.asked.wait()
        # If this raises, aiokafka tells it now: `reporting` in services/scorer/app.py may go.
        assert (await consumer.getone()).value == b"1"


async def test_a_rebalance_that_failed_ends_the_scorer(tmp_path: Path) -> None:
    def make(partition: int) -> Lane:
        raise OSError(f"no room for partition {partition}")

    failures: list[BaseException] = []
    settings = ScorerSettings(kafka_bootstrap="127.0.0.1:1")
    lanes = Lanes(make, ScorerMetrics())
    app = create_app(settings, {}, lanes, tmp_path, failures.append)
    with pytest.raises(OSError, match="no room"):
        await app.on_partitions_assigned.send({TP(settings.topics.events, 3)})
    assert [str(failure) for failure in failures] == ["no room for partition 3"]


async def test_questions_about_a_partition_that_was_taken_away_end_in_an_assertion(options: dict[str, Any]) -> None:
    """Ours: the router asks no questions after a rebalance (test_router.py)."""
    gone = TopicPartition("gone", 0)
    async with AIOKafkaConsumer(**options) as consumer:
        await consumer.topics()  # a consumer whose tasks have never run does not stop
        for ask in (consumer.last_stable_offset, consumer.highwater):
            with pytest.raises(AssertionError):
                ask(gone)
        with pytest.raises(IllegalStateError):  # as those should
            await consumer.position(gone)


async def test_a_seek_to_the_beginning_is_overtaken_by_an_answer_about_the_end(
    options: dict[str, Any], new_topic: NewTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: who wants the beginning asks for it in the same step as for the partition, before anything is under way
    (`read_states` in services/scorer/store/restore.py); reading nothing would restore nothing."""
    place = TopicPartition(await new_topic("any"), 0)
    async with AIOKafkaProducer(**options) as producer:
        await producer.send_and_wait(place.topic, b"1", partition=0)
    async with AIOKafkaConsumer(**options, enable_auto_commit=False) as consumer, asyncio.timeout(10):
        asked, sought = asyncio.Event(), asyncio.Event()
        ask = consumer._fetcher._proc_offset_request

        async def slowly(*args: Any) -> Any:
            answer = await ask(*args)
            asked.set()
            await sought.wait()
            return answer

        monkeypatch.setattr(consumer._fetcher, "_proc_offset_request", slowly)
        consumer.assign([place])
        await asked.wait()  # for the end: auto_offset_reset is "latest"
        seeking = asyncio.create_task(consumer.seek_to_beginning(place))
        await asyncio.sleep(0)
        sought.set()
        await seeking
        assert await consumer.position(place) == 1, (
            "aiokafka keeps the two apart now: the order of assign and seek_to_beginning is free"
        )


async def test_a_question_about_ends_waits_behind_the_long_poll(options: dict[str, Any], new_topic: NewTopic) -> None:
    """Ours: ends are asked before partitions are assigned, or of a consumer with a short `fetch_max_wait_ms`."""

    async def seconds(**settings: Any) -> float:
        async with AIOKafkaConsumer(**options, enable_auto_commit=False, **settings) as consumer:
            consumer.assign([empty])
            await consumer.seek_to_beginning(empty)
            await consumer.getmany(timeout_ms=300)  # from now on a fetch waits at the broker
            began = time.monotonic()
            await consumer.end_offsets([empty])
            return time.monotonic() - began

    empty = TopicPartition(await new_topic("empty"), 0)
    assert await seconds(fetch_max_wait_ms=4000) > 2, (
        "questions have a connection of their own now: fetch_max_wait_ms may be the default everywhere"
    )
    assert await seconds(fetch_max_wait_ms=50) < 2
