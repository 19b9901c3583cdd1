"""Servers to compare ingest with: `python -m tests.load.bench.compared bare|canned PORT`.

`bare` is a FastAPI route that only decodes, on the same server and loop as ingest. `canned` answers everything without
reading it: what the senders could do themselves.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI, Request

from tests.load.bench.senders import message_length

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-length: 16\r\ncontent-type: application/json\r\n\r\n{"success":true}'


def bare() -> FastAPI:
    """A route for single events, one for batches."""
    app = FastAPI()

    @app.post("/v1/track")
    @app.post("/v1/batch")
    async def take(request: Request) -> dict[str, bool]:
        await request.json()
        return {"success": True}

    @app.get("/readyz")
    async def readyz() -> dict[str, bool]:
        return {"success": True}

    return app


class Canned(asyncio.Protocol):
    """The same answer to everything."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        length = message_length(self._received)
        if length is not None and len(self._received) >= length:
            self._received.clear()
            self._transport.write(ANSWER)


async def canned(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        uvicorn.run(
            bare(), port=int(sys.argv[2]), loop="uvloop", http="httptools", access_log=False, log_level="warning"
        )
    else:
        uvloop.run(canned(int(sys.argv[2])))
