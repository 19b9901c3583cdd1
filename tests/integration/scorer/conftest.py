"""An installation of its own for each test on the session's Kafka: topics, a producer, a reader, worker processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.scorer.settings import ScorerSettings
from shared.kafka import create_topics
from shared.topics import Topics

ROOT = Path(__file__).parents[3]
REAL = [sys.executable, "-c", "from services.scorer.bootstrap import serve; serve()"]
COUNTING = [sys.executable, "-m", "tests.load.counting"]


@dataclass
class WorkerProcess:
    """A scorer process; its log is on the test's standard error if the test fails."""

    process: subprocess.Popen[bytes]
    port: int

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self, timeout: float = 15.0) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    async def ready(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        async with asyncio.timeout(timeout), httpx.AsyncClient() as http:
            while True:
                assert self.process.poll() is None, f"worker ended with {self.process.returncode}"
                try:
                    answer = await http.get(f"http://127.0.0.1:{self.port}/readyz")
                    if answer.status_code == 200:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                await asyncio.sleep(0.05)


@dataclass
class Installation:
    """Topics with a prefix of their own, and what tests do to them."""

    bootstrap: str
    topics: Topics
    partitions: int

    @property
    def options(self) -> dict[str, Any]:
        return {"bootstrap_servers": self.bootstrap}

    @property
    def group(self) -> str:
        return ScorerSettings(kafka_bootstrap=self.bootstrap, topic_prefix=self.topics.prefix).group

    async def produce(self, records: list[tuple[bytes | None, bytes | None]], partition: int | None = None) -> None:
        """Keys and values, into `events`."""
        producer = AIOKafkaProducer(**self.options, linger_ms=2, max_batch_size=1 << 18, enable_idempotence=True)
        await producer.start()
        try:
            for key, value in records:
                await producer.send(self.topics.events, value, key=key, partition=partition)
        finally:
            await producer.stop()

    async def read(self, topic: str, isolation: str = "read_committed") -> list[Any]:
        """All records of a topic, each partition in order."""
        consumer = AIOKafkaConsumer(
            **self.options, isolation_level=isolation, enable_auto_commit=False, fetch_max_wait_ms=50
        )
        await consumer.start()
        try:
            count = 1 if topic == self.topics.dead_letters else self.partitions
            partitions = [TopicPartition(topic, number) for number in range(count)]
            ends = await consumer.end_offsets(partitions)
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            records: list[Any] = []
            while [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
                for some in (await consumer.getmany(timeout_ms=100, max_records=10_000)).values():
                    records += some
            return records
        finally:
            await consumer.stop()

    async def committed(self, partition: int) -> int | None:
        consumer = AIOKafkaConsumer(**self.options, group_id=self.group, enable_auto_commit=False)
        await consumer.start()
        try:
            offset: int | None = await consumer.committed(TopicPartition(self.topics.events, partition))
            return offset
        finally:
            await consumer.stop()

    async def until_scored(self, timeout: float = 60.0) -> None:  # noqa: ASYNC109
        """Wait for the group to stand at the ends of `events`."""
        consumer = AIOKafkaConsumer(**self.options, group_id=self.group, enable_auto_commit=False)
        await consumer.start()
        partitions = [TopicPartition(self.topics.events, number) for number in range(self.partitions)]
        try:
            async with asyncio.timeout(timeout):
                ends = await consumer.end_offsets(partitions)
                for tp in partitions:
                    while (await consumer.committed(tp) or 0) < ends[tp]:  # noqa: ASYNC110 - Kafka tells nobody
                        await asyncio.sleep(0.1)
        finally:
            await consumer.stop()

    @contextmanager
    def worker(self, command: list[str] = REAL, **environment: str) -> Iterator[WorkerProcess]:
        """A worker process, killed at the end if it still runs."""
        port = _free_port()
        with _running(command, self._environment(port) | environment) as process:
            yield WorkerProcess(process, port)

    @contextmanager
    def worker_output(self, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """A real worker whose standard error is read."""
        variables = self._environment(_free_port()) | environment
        with _running(REAL, variables, stderr=subprocess.PIPE) as process:
            yield process

    def _environment(self, port: int) -> dict[str, str]:
        return {
            "TASUKI_KAFKA_BOOTSTRAP": self.bootstrap,
            "TASUKI_TOPIC_PREFIX": self.topics.prefix,
            "TASUKI_SCORER_PORT": str(port),
            # The lowest that brokers allow by default: tests wait for it after each kill.
            "TASUKI_SCORER_SESSION_TIMEOUT_SECONDS": "4",
        }


@contextmanager
def _running(command: list[str], variables: dict[str, str], **kwargs: Any) -> Iterator[subprocess.Popen[bytes]]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASUKI_")}
    process = subprocess.Popen(command, cwd=ROOT, env=inherited | variables, **kwargs)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def install(parts: Any) -> Callable[..., Any]:
    """Makes installations with any number of partitions."""

    async def make(partitions: int = 3) -> Installation:
        topics = Topics(f"scorer-{uuid.uuid4().hex[:8]}.")
        installation = Installation(parts.kafka_bootstrap, topics, partitions)
        await create_topics(installation.options, topics.specs([], partitions))
        return installation

    return make


@pytest.fixture
async def installation(install: Callable[..., Any]) -> Installation:
    made: Installation = await install()
    return made
