"""Every request has an id: the sender's `X-Request-Id`, or one of ours. It is in the answer, and in our log."""

from __future__ import annotations

import itertools
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-Id"
_KEY = "tasuki.request_id"
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")  # it goes into logs, where a line break would make another line


class RequestIds:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._process = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get(HEADER, "")
        id = scope[_KEY] = told if _SANE.fullmatch(told) else f"{self._process}-{next(self._numbers)}"

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = id
            await send(message)

        await self._app(scope, receive, send_with_id)


def request_id(scope: Scope) -> str:
    """Of a request that came through `RequestIds`."""
    return str(scope.get(_KEY, ""))
