"""Waiting until a part truly answers: a metadata request for a broker, a query for a database."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from shared.parts.errors import PartsError

POLL_S = 0.05
LOG_LINES = 25

T = TypeVar("T")


class NotReadyError(Exception):
    """It does not answer yet; the text says what was seen."""


def await_ready(
    name: str, probe: Callable[[], None], running: Callable[[], bool], log: Path | None, patience_s: float
) -> None:
    """Call `probe` until it returns.

    Raises `PartsError` with the end of the log when the part has ended, or does not answer within `patience_s` seconds.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            return probe()
        except NotReadyError as error:
            if not running():
                raise PartsError(f"{name} ended while starting{tail(log)}") from error
            if time.monotonic() > until:
                raise PartsError(f"{name} does not answer after {patience_s:.0f} s: {error}{tail(log)}") from error
        time.sleep(POLL_S)


def kafka_answers(options: dict[str, Any]) -> None:
    """Ask a broker for its metadata. `options` are those of an aiokafka client. Raises `NotReadyError`."""
    run_async(_kafka_answers(options))


async def _kafka_answers(options: dict[str, Any]) -> None:
    await _something_listens(options["bootstrap_servers"])
    client = AIOKafkaClient(**options, request_timeout_ms=5000)
    try:
        await client.bootstrap()
        if not client.cluster.brokers():
            raise NotReadyError("it answers, but names no live broker yet")
    except (KafkaError, OSError, TimeoutError) as error:
        raise NotReadyError(str(error) or type(error).__name__) from error
    finally:
        await client.close()


async def _something_listens(addresses: str) -> None:
    """Look before asking: aiokafka logs an error for every refused connection, and a start refuses dozens."""
    failures = []
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 5)
        except (OSError, TimeoutError, ValueError) as error:
            failures.append(f"{address}: {str(error) or 'no connection within 5 s'}")
        else:
            writer.close()
            await writer.wait_closed()
            return
    raise NotReadyError("; ".join(failures))


def sql(url: str, statement: str) -> Any:
    """Run one statement, return the first value of its result. Raises `NotReadyError` when the database refuses."""
    return run_async(_sql(url, statement))


async def _sql(url: str, statement: str) -> Any:
    try:
        connection = await asyncpg.connect(url.replace("+asyncpg", "", 1), timeout=5)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise NotReadyError(f"{urlsplit(url).hostname}: {error or type(error).__name__}") from error
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from blocking code, in a thread: the caller's own thread may have a running loop (pytest)."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def tail(log: Path | None) -> str:
    """The end of a log, to be put after an error; empty when there is none."""
    if log is None or not log.exists():
        return ""
    with log.open(errors="replace") as lines:
        last = "".join(f"  {line}" for line in deque(lines, LOG_LINES))
    return f"; the end of {log}:\n{last}"
