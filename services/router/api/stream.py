"""/v1/stream: what happens, as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.types import Receive, Scope, Send

from services.router.api.auth import Reader, is_still_allowed
from services.router.api.errors import ApiError, responses
from services.router.api.filters import refuse_unknown
from services.router.api.state import LedgerHere
from services.router.interest import Interest
from services.router.stream.places import PlacesInvalid
from services.router.stream.stream import Stream, Streams, TooManyStreams
from services.router.stream.tail import TailAway

SEND_SECONDS = 30.0
router = APIRouter(prefix="/v1/stream", tags=["stream"])


def _streams(request: Request) -> Streams:
    return cast(Streams, request.app.state.streams)


class EventStream(Response):
    """Sends frames until there are no more, the client has gone, or `may_go_on` says no. A client that takes
    nothing for half a minute is cut off: what waits for it must not pile up."""

    media_type = "text/event-stream"

    def __init__(self, stream: Stream, may_go_on: Callable[[], bool], send_seconds: float = SEND_SECONDS) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._stream, self._may_go_on, self._send_seconds = stream, may_go_on, send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_gone(receive))
        try:
            async with aclosing(self._stream.frames()) as frames:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async for frame in frames:
                    if gone.done() or not self._may_go_on():
                        break
                    if frame:
                        async with asyncio.timeout(self._send_seconds):
                            await send({"type": "http.response.body", "body": frame, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            return  # the server closes the connection of an answer that is not complete
        finally:
            gone.cancel()
            await self._stream.close()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@router.get(
    "",
    response_class=EventStream,
    status_code=200,  # OpenAPI cannot see it in the class
    responses={
        **responses(),
        200: {"content": {"text/event-stream": {}}, "description": "events without an end; see docs/subscribers.md"},
    },
)
async def get_stream(  # noqa: PLR0913, PLR0917 - each parameter is one of the query's
    request: Request,
    _: Reader,
    ledger: LedgerHere,
    streams: Annotated[Streams, Depends(_streams)],
    department: Annotated[list[str] | None, Query(description="of these departments; more than one: repeat it")] = None,
    team: Annotated[list[str] | None, Query(description="of these teams")] = None,
    type: Annotated[list[str] | None, Query(description="types of messages, or `tasuki.handoff.*`")] = None,
    lead: Annotated[list[str] | None, Query(description="lead ids")] = None,
    last_event_id: Annotated[str | None, Header(description="go on after this event")] = None,
) -> Any:
    """Stages, hand-offs and alerts. Each event has the message's type and, as data, the CloudEvent in JSON."""
    refuse_unknown(ledger.rules.playbook, type or (), department or (), team or ())
    interest = Interest(*(frozenset(given or ()) for given in (type, department, team, lead)))
    try:
        opened = await streams.open(interest, last_event_id)
    except PlacesInvalid as error:
        raise ApiError(422, "invalid_event_id", f"Last-Event-ID is no id of this stream: {error}") from None
    except TooManyStreams:
        raise ApiError(
            503, "too_many_streams", "this router has no stream left: try again later", {"Retry-After": "10"}
        ) from None
    except TailAway as error:
        raise ApiError(503, "kafka_away", f"{error}: try again", {"Retry-After": "5"}) from None
    return EventStream(opened, lambda: is_still_allowed(request, "read"))
