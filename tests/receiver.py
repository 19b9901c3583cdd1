"""A tool that takes webhooks, in tests: a real HTTP server that keeps what it is sent."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from services.router.webhooks.signing import signature


@dataclass
class Received:
    """One request."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed_by(self, secret: str) -> bool:
        expected = signature([secret], self.id, int(self.headers["webhook-timestamp"]), self.body)
        return expected in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """`answer` gives the status for a request; 0: no answer at all."""

    port: int
    answer: Callable[[Received], int] = lambda _: 204
    got: list[Received] = field(default_factory=list)
    answer_headers: dict[str, str] = field(default_factory=dict)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [one.event for one in self.got]

    async def until(self, enough: Callable[[list[Received]], bool], seconds: float = 20.0) -> list[Received]:
        """What came, as soon as it is `enough`."""
        try:
            async with asyncio.timeout(seconds):
                while not enough(self.got):
                    self.arrived.clear()
                    await self.arrived.wait()
        except TimeoutError:
            told = [(one.event["type"], one.event["subject"]) for one in self.got]
            raise AssertionError(f"not enough after {seconds} s: {told}") from None
        return list(self.got)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body, more = b"", True
        while more:
            part = await receive()
            if part["type"] == "http.disconnect":
                return  # the sender has died before it has sent all of it
            body, more = body + part.get("body", b""), part.get("more_body", False)
        request = Received({k.decode(): v.decode() for k, v in scope["headers"]}, body, scope["path"])
        self.got.append(request)
        self.arrived.set()
        status = self.answer(request)
        if not status:
            await asyncio.Event().wait()
        headers: Iterable[tuple[bytes, bytes]] = [(k.encode(), v.encode()) for k, v in self.answer_headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def receiving(answer: Callable[[Received], int] = lambda _: 204) -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        receiver = Receiver(listening.getsockname()[1], answer)
        config = uvicorn.Config(receiver, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.config.load()
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield receiver
        finally:
            server.should_exit = True
            await task
