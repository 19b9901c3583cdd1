"""Whether the installation is well: asked of its workers, of Kafka and of the ledger."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from services.cli.demo.drain import Backlog, Gauge
from shared.settings import CommonSettings
from tests.fault.cluster import PARTITIONS, PREFIX, Cluster, Worker

ASK_SECONDS = 0.5
ANSWER_SECONDS = 8.0
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Size:
    """What a process uses: megabytes of memory, and open files."""

    megabytes: float
    files: int


def size_of(worker: Worker) -> Size | None:
    """None while it is not running."""
    if (pid := worker.pid) is None:
        return None
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return Size(pages * PAGE / 1e6, len(os.listdir(f"/proc/{pid}/fd")))
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None  # it has just ended


class Observer:
    """An asynchronous context manager. Has its own connections, which pass by the proxy."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._gauge: Gauge | None = None

    async def __aenter__(self) -> Observer:
        self._engine = create_async_engine(self._cluster.database_url, pool_pre_ping=True)
        self._http = httpx.AsyncClient(timeout=2.0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._forget_gauge()
        await self._http.aclose()
        await self._engine.dispose()

    async def troubles(self) -> dict[str, str]:
        """By name, what workers that should be ready say instead."""
        workers = self._cluster.running
        answers = await asyncio.gather(*(self._trouble(worker) for worker in workers))
        return {worker.name: answer for worker, answer in zip(workers, answers, strict=True) if answer}

    async def backlog(self) -> Backlog | None:
        """None while Kafka or Postgres cannot be asked."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._gauge is None:
                    settings = CommonSettings(kafka_bootstrap=self._cluster.bootstrap, topic_prefix=PREFIX)
                    # Kept before it is entered: given up half-way, it must be closed as well.
                    self._gauge = Gauge(settings, PARTITIONS, self._engine)
                    await self._gauge.__aenter__()
                return await self._gauge.backlog()
        except Exception:  # noqa: BLE001 - whatever a broken part raises in a client, the answer is "cannot be asked"
            await self._forget_gauge()
            return None

    async def cooling(self) -> int | None:
        """How many leads are to have cooled by now, and have not; None while Postgres cannot be asked."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._engine.connect() as connection:
                return int(await connection.scalar(text("SELECT count(*) FROM leads WHERE cools_at <= now()")) or 0)
        except (OSError, SQLAlchemyError, TimeoutError):
            return None

    async def until(self, well: Callable[[], Awaitable[str]], seconds: float) -> str:
        """Ask until nothing is wrong; what was wrong last, or empty."""
        deadline = time.monotonic() + seconds
        while (wrong := await well()) and time.monotonic() < deadline:  # noqa: ASYNC110 - asks others
            await asyncio.sleep(ASK_SECONDS)
        return wrong

    async def unwell(self, bound: int) -> str:
        """Empty when each worker is ready and no more than `bound` messages wait at any place."""
        if troubles := await self.troubles():
            return "; ".join(f"{name}: {trouble}" for name, trouble in troubles.items())
        backlog = await self.backlog()
        if backlog is None:
            return "Kafka or Postgres cannot be asked"
        if max(backlog.unscored, backlog.unrouted, backlog.outbox) > bound:
            return (
                f"waiting: {backlog.unscored} events, {backlog.unrouted} for the router, {backlog.outbox} in the outbox"
            )
        return ""

    async def _trouble(self, worker: Worker) -> str:
        try:
            answer = await self._http.get(f"{worker.url}/readyz")
        except httpx.TransportError as error:
            return f"no answer ({type(error).__name__})"
        return "" if answer.is_success else answer.text

    async def _forget_gauge(self) -> None:
        gauge, self._gauge = self._gauge, None
        if gauge is None:
            return
        # Its connections may be broken already, which is why it is forgotten: whatever comes of it is of no interest,
        # nor that aiokafka, when it is stopped while a fetch fails, says that somebody has cancelled it.
        closing = asyncio.ensure_future(gauge.__aexit__(None, None, None))
        await asyncio.wait([closing], timeout=5)
        if not closing.done():
            closing.cancel()
        elif not closing.cancelled():
            closing.exception()
