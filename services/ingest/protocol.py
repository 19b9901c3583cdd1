"""HTTP for whoever sends slowly, or without an end: uvicorn itself waits for the rest of a request for ever."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
MAX_UNREAD_BYTES = 1024 * 1024
UNREAD_PAUSE_SECONDS = 1.0
"""After each `MAX_UNREAD_BYTES` of a body that goes on after it was refused. A batch of any SDK has less. To close the
connection would take the refusal back, where the sender has not read it yet."""


class ImpatientProtocol(HttpToolsProtocol):
    """From its first byte, and from the beginning of a connection, a request has `read_seconds` to be here as a whole;
    its line and its headers may have `MAX_HEAD_BYTES`. Who goes on with a body that was refused is slowed down: to
    receive what nobody reads costs everybody else their turn."""

    read_seconds = 20.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes: int | None = 0  # of a request whose headers are not complete
        self._unread_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_bytes is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        # A body may have come with its headers; what counts is whether they are complete by now.
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, "headers_too_large", f"the headers exceed {MAX_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._unread_bytes = 0
        self._begin_reading()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > MAX_UNREAD_BYTES:
                self._unread_bytes = 0
                self.flow.pause_reading()
                self.loop.call_later(UNREAD_PAUSE_SECONDS, self._go_on_reading)

    def on_message_complete(self) -> None:
        self._end_reading()
        self._head_bytes = 0
        super().on_message_complete()

    def _go_on_reading(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _begin_reading(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.read_seconds, self._too_slow)

    def _end_reading(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self._head_bytes == 0:
            self.transport.close()  # nothing was asked: a browser connects before it has something to say
        else:
            message = f"the request was not complete after {self.read_seconds:g} s: send smaller batches"
            self._refuse(408, "too_slow", message)

    def send_400_response(self, msg: str) -> None:
        """As all other errors."""
        self._refuse(400, "malformed_request", msg)

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Says why where nothing else is being answered, and ends the connection; whoever reads the request is told."""
        if self.transport.is_closing():
            return
        if self._may_answer():
            body = json.dumps({"code": code, "message": message}).encode()
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

    def _may_answer(self) -> bool:
        if self._head_bytes is not None:  # the next request: the one before may still be in work
            return self.cycle is None or self.cycle.response_complete
        return not self.pipeline and not self.cycle.response_started


def impatient(read_seconds: float) -> type[ImpatientProtocol]:
    """What uvicorn makes for each connection."""
    return type("Protocol", (ImpatientProtocol,), {"read_seconds": read_seconds})
