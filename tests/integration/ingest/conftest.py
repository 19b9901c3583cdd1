"""An ingest process on the session's Kafka, with topics of its own."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.events import Event, decode_event
from shared.kafka import create_topics
from shared.parts import Parts
from shared.topics import Topics

SERVE = [sys.executable, "-c", "from services.ingest.bootstrap import serve; serve()"]
START_SECONDS = 20


@dataclass
class Ingest:
    """A running process; `http` sends with the write key of source `website`."""

    http: httpx.Client
    topics: Topics
    bootstrap: str
    process: subprocess.Popen[bytes]

    def events(self) -> list[tuple[ConsumerRecord, Event]]:
        """Everything in `events`, by partition and offset."""
        return [(record, decode_event(record.value)) for record in self.records(self.topics.events)]

    def dead_letters(self) -> list[ConsumerRecord]:
        return self.records(self.topics.dead_letters)

    def records(self, topic: str) -> list[ConsumerRecord]:
        # In a thread: a test that drives a browser has a loop running.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, _read_all(self.bootstrap, topic)).result()


def environment(**variables: str) -> dict[str, str]:
    """Ours without any setting, plus `variables` under the prefix."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASUKI_")}
    return inherited | {f"TASUKI_{name}": value for name, value in variables.items()}


@contextmanager
def running(parts: Parts, prefix: str, log: Path, **variables: str) -> Iterator[Ingest]:
    """Ends with SIGTERM; the log is shown if it did not start."""
    settings = {
        "KAFKA_BOOTSTRAP": parts.kafka_bootstrap,
        "TOPIC_PREFIX": prefix,
        "WRITE_KEYS": "key=website",
        "INGEST_PORT": "0",
        "SPOOL_DIR": str(log.parent / "spool"),
    }
    with log.open("wb") as stderr:
        process = subprocess.Popen(SERVE, env=environment(**(settings | variables)), stderr=stderr)
    try:
        port = _port(process, log)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("key", ""), timeout=20) as http:
            yield Ingest(http, Topics(prefix), parts.kafka_bootstrap, process)
    finally:
        process.terminate()
        process.wait(20)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text()):
            return int(found[1])
        time.sleep(0.02)
    raise AssertionError(f"ingest did not start:\n{log.read_text()}")


async def _read_all(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=50)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        ends = await consumer.end_offsets(partitions)
        records: list[ConsumerRecord] = []
        while len(records) < sum(ends.values()):
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                records += batch
        return sorted(records, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()


def make_topics(parts: Parts) -> str:
    """The prefix of new topics; `events` has three partitions."""
    prefix = f"ingest-{uuid.uuid4().hex[:10]}."
    asyncio.run(create_topics({"bootstrap_servers": parts.kafka_bootstrap}, Topics(prefix).specs([], 3)))
    return prefix


@pytest.fixture(scope="session")
def shared_ingest(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    with running(parts, make_topics(parts), tmp_path_factory.mktemp("ingest") / "log") as ingest:
        yield ingest


@pytest.fixture
def user() -> str:
    """A user id of this test's own, to find its events in topics that it shares."""
    return f"user-{uuid.uuid4().hex[:10]}"
