"""A router's surroundings in tests: topics and a database of its own, processes, what goes in and what comes out."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from services.router.migrate import upgrade
from shared.events import Event, encode_event
from shared.kafka import create_topics
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, encode_score
from shared.topics import Topics

ROOT = Path(__file__).parents[1]
SERVE = [sys.executable, "-c", "from services.router.bootstrap import serve; serve()"]
TOKENS = "reader-secret=reader:read,writer-secret=writer:read+write,blind-secret=blind:write,admin-secret=admin:admin"


@dataclass
class RouterProcess:
    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self, timeout: float = 20.0) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    async def ready(self) -> None:
        async with asyncio.timeout(40), httpx.AsyncClient() as http:
            while True:
                assert self.process.poll() is None, f"the router ended with {self.process.returncode}"
                try:
                    answer = await http.get(self.url + "/readyz")
                    if answer.status_code == 200:
                        return
                    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
                except httpx.TransportError:
                    pass  # not listening yet
                await asyncio.sleep(0.05)


@dataclass
class Message:
    """A message of the router: CloudEvents headers and value."""

    topic: str
    partition: int
    key: bytes | None
    headers: dict[str, bytes]
    value: bytes

    @property
    def id(self) -> str:
        return self.headers["ce_id"].decode()

    @property
    def type(self) -> str:
        return self.headers["ce_type"].decode()


@dataclass
class World:
    bootstrap: str
    database_url: str
    topics: Topics
    partitions: int = 2
    log: Path | None = None
    running: list[RouterProcess] = field(default_factory=list)

    @property
    def options(self) -> dict[str, Any]:
        return {"bootstrap_servers": self.bootstrap}

    async def make(self) -> None:
        """Topics and tables."""
        departments = load_playbook().departments
        await create_topics(self.options, self.topics.specs(departments, self.partitions))
        await asyncio.to_thread(upgrade, self.database_url)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("TASUKI_")},
            "TASUKI_KAFKA_BOOTSTRAP": self.bootstrap,
            "TASUKI_DATABASE_URL": self.database_url,
            "TASUKI_TOPIC_PREFIX": self.topics.prefix,
            "TASUKI_API_TOKENS": TOKENS,
            # A killed member is missed that long; the embedded broker takes nothing shorter.
            "TASUKI_ROUTER_SESSION_TIMEOUT_SECONDS": "6",
            # Stories happened some time ago; those that are about cooling by the clock say so.
            "TASUKI_ROUTER_COOLING_GRACE_SECONDS": "1e9",
            **more,
        }

    def start(self, **more: str) -> RouterProcess:
        """A router process, not yet ready."""
        port = _free_port()
        environment = self.environment(TASUKI_ROUTER_PORT=str(port), **more)
        stderr = self.log.open("ab") if self.log else None
        try:
            process = subprocess.Popen(SERVE, cwd=ROOT, env=environment, stdout=stderr, stderr=stderr)
        finally:
            if stderr:
                stderr.close()
        router = RouterProcess(process, port)
        self.running.append(router)
        return router

    async def messages(self, enough: Callable[[list[Message]], bool], seconds: float = 30.0) -> list[Message]:
        """Everything that the router has sent, as soon as it is `enough`. Fails, saying what came, if it never is."""
        names = [self.topics.stages, self.topics.dead_letters]
        names += [self.topics.handoffs(department) for department in load_playbook().departments]
        found: list[Message] = []
        reader = AIOKafkaConsumer(
            **self.options, isolation_level="read_committed", auto_offset_reset="earliest", fetch_max_wait_ms=50
        )
        await reader.start()
        try:
            counts = {name: 1 if name == self.topics.dead_letters else self.partitions for name in names}
            reader.assign([TopicPartition(name, number) for name in names for number in range(counts[name])])
            async with asyncio.timeout(seconds):
                while not enough(found):
                    for records in (await reader.getmany(timeout_ms=100)).values():
                        found += [
                            Message(r.topic, r.partition, r.key, dict(r.headers), r.value or b"") for r in records
                        ]
        except TimeoutError:
            told = [(message.topic, message.headers.get("ce_id")) for message in found]
            raise AssertionError(f"not enough after {seconds} s: {len(found)} messages: {told[:40]}") from None
        finally:
            await reader.stop()
        return found

    def http(self, router: RouterProcess, token: str | None = "writer-secret") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=router.url, headers=headers, timeout=10)


@dataclass
class Feeder:
    """Writes `events` and `scores` as ingest and scorer do: the scores in transactions."""

    world: World

    async def events(self, events: Iterable[Event | bytes], partition: int = 0) -> list[int]:
        """Their offsets."""
        producer = AIOKafkaProducer(**self.world.options, enable_idempotence=True)
        await producer.start()
        try:
            sent = [
                await producer.send(
                    self.world.topics.events,
                    event if isinstance(event, bytes) else encode_event(event),
                    key=b"?" if isinstance(event, bytes) else event.key.encode(),
                    partition=partition,
                )
                for event in events
            ]
            return [(await future).offset for future in sent]
        finally:
            await producer.stop()

    async def scores(self, records: Iterable[ScoreRecord | bytes], partition: int = 0) -> None:
        producer = AIOKafkaProducer(
            **self.world.options, transactional_id=f"{self.world.topics.prefix}feeder-{partition}", linger_ms=2
        )
        await producer.start()
        try:
            async with producer.transaction():
                futures = [
                    await producer.send(
                        self.world.topics.scores,
                        record if isinstance(record, bytes) else encode_score(record),
                        key=b"?" if isinstance(record, bytes) else record.lead_id.encode(),
                        partition=partition,
                    )
                    for record in records
                ]
                await asyncio.gather(*futures)
        finally:
            await producer.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
