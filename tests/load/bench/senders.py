"""Sends HTTP requests over raw sockets: an HTTP library would cost more than the service that is measured."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

_CONTENT_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n")
_HEAD_END = b"\r\n\r\n"


def request_bytes(path: str, body: object, write_key: str) -> bytes:
    """A whole request with its write key."""
    payload = msgspec.json.encode(body)
    user = base64.b64encode(f"{write_key}:".encode()).decode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {user}\r\nContent-Length: {len(payload)}\r\n\r\n"
    return head.encode() + payload


def message_length(data: bytes | bytearray) -> int | None:
    """How long the HTTP message is that `data` begins with; None while its head is not complete."""
    end = data.find(_HEAD_END)
    if end < 0:
        return None
    found = _CONTENT_LENGTH.search(data, 0, end + 2)
    return end + len(_HEAD_END) + (int(found[1]) if found else 0)


class Connections:
    """Keeps connections to one server, each with at most one request under way; others wait for a free one.

    `answered` is called with the number of the request and the seconds since it was due: what waits for a connection
    waits at our expense, as it would for a user. Any answer but 200 is a failure, and ends the measurement."""

    def __init__(self, answered: Callable[[int, float], None]) -> None:
        self._answered = answered
        self._free: deque[_Connection] = deque()
        self._waiting: deque[tuple[bytes, int, float]] = deque()
        self._all: list[asyncio.Transport] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Never has a result, only an exception."""
        self.under_way = 0

    async def open(self, port: int, count: int) -> None:
        for _ in range(count):
            transport, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self), "127.0.0.1", port
            )
            self._all.append(transport)
            self._free.append(connection)

    def send(self, request: bytes, number: int, due: float) -> None:
        """`due` by time.perf_counter()."""
        self.under_way += 1
        if self._free:
            self._free.popleft().send(request, number, due)
        else:
            self._waiting.append((request, number, due))

    def close(self) -> None:
        self.failed.cancel()
        for transport in self._all:
            transport.abort()

    def done(self, connection: _Connection, number: int, due: float) -> None:
        self.under_way -= 1
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._free.append(connection)
        self._answered(number, time.perf_counter() - due)

    def lost(self, connection: _Connection, reason: str) -> None:
        """A server may close a connection that is idle, as long as others are left."""
        if connection in self._free and len(self._free) > 1:
            self._free.remove(connection)
        else:
            self.fail(reason)

    def fail(self, reason: str) -> None:
        if not self.failed.done():
            self.failed.set_exception(RuntimeError(reason))


class _Connection(asyncio.Protocol):
    def __init__(self, owner: Connections) -> None:
        self._owner = owner
        self._transport: Any = None
        self._received = bytearray()
        self._number, self._due = -1, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, request: bytes, number: int, due: float) -> None:
        self._number, self._due = number, due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        length = message_length(self._received)
        if length is None or len(self._received) < length:
            return
        if not self._received.startswith(b"HTTP/1.1 200"):
            self._owner.fail(f"the server answered {self._received.decode(errors='replace')}")
            return
        self._received.clear()
        self._owner.done(self, self._number, self._due)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.lost(self, f"the server closed a connection: {exc!r}")


@dataclass
class Answers:
    """What a load came to: `latencies` in seconds, ascending. `busy` is the share of one processor that we ourselves
    needed: near 1 the senders were the bottleneck."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    busy: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds


async def at_full_speed(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Answers:
    """Each connection sends its next request as soon as it has its answer."""
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    def answered(number: int, seconds_taken: float) -> None:
        latencies.append(seconds_taken)
        if (now := time.perf_counter()) < until:
            following = number + connections
            pool.send(requests[following % len(requests)], following, now)

    pool = Connections(answered)
    await pool.open(port, connections)
    began, cpu = time.perf_counter(), time.process_time()
    for number in range(connections):
        pool.send(requests[number % len(requests)], number, began)
    return await _finished(pool, latencies, began, cpu)


async def at_a_rate(port: int, requests: Sequence[bytes], connections: int, rate: float, seconds: float) -> Answers:
    """`rate` requests a second, however long the answers take."""
    latencies: list[float] = []
    pool = Connections(lambda _, seconds_taken: latencies.append(seconds_taken))
    await pool.open(port, connections)
    began, cpu = time.perf_counter(), time.process_time()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        pool.send(requests[number % len(requests)], number, due)
    return await _finished(pool, latencies, began, cpu)


async def _finished(pool: Connections, latencies: list[float], began: float, cpu: float) -> Answers:
    try:
        while pool.under_way:
            await asyncio.wait([pool.failed], timeout=0.01)
            if pool.failed.done():
                pool.failed.result()
        elapsed = time.perf_counter() - began
        return Answers(elapsed, sorted(latencies), (time.process_time() - cpu) / elapsed)
    finally:
        pool.close()
