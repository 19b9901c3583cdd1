"""Errors have the one shape that Segment's and RudderStack's clients read: `{code, message}`."""

from __future__ import annotations

import logging
import traceback
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.ingest.errors import Refused
from services.ingest.request_ids import request_id

log = logging.getLogger(__name__)


def json_response(status: int, body: object, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")


async def refused_response(_: Request, error: Exception) -> Response:
    """Handler of `Refused`."""
    assert isinstance(error, Refused)
    return json_response(error.status, {"code": error.code, "message": error.message}, error.headers)


async def http_error_response(request: Request, error: Exception) -> Response:
    """Handler of the framework's own errors (404, 405): RudderStack's Python client raises on `detail`."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    message = f"{error.detail}: {request.method} {request.url.path}"
    return json_response(error.status_code, {"code": code, "message": message}, dict(error.headers or {}))


class UnexpectedErrors:
    """ASGI middleware: a defect of ours is logged, and answered as JSON inside the CORS headers.

    The framework's own handling of 500 lies outside of all middleware: a browser could not read the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            # Where, and not what: the error's own words, and the path, may hold somebody's data or a write key.
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("unexpected %s in request %s\n%s", type(error).__qualname__, request_id(scope), where)
            if started:
                raise
            message = f"an error of ours, logged as request {request_id(scope)}; send it again later"
            await json_response(500, {"code": "internal_error", "message": message})(scope, receive, send)
