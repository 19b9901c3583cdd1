"""Segment's HTTP API: one request is read, parsed, stored in Kafka, and only then answered."""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from services.ingest.answers import json_response
from services.ingest.bodies import MAX_BODY_BYTES, unpack
from services.ingest.errors import Refused, incomplete, too_large, too_much_at_once, try_later, unknown_write_key
from services.ingest.metrics import IngestMetrics
from services.ingest.publishing import Busy, NotStored, Publisher, Record, TooMuch
from services.ingest.reading.cloudevents import read_cloudevents
from services.ingest.reading.model import Arrival, Envelope, Parsed, Rejection
from services.ingest.reading.parse import parse, set_aside
from services.ingest.reading.segment import read_batch, read_call
from services.ingest.records import records_of
from services.ingest.schemas import BATCH_PATHS, CLOUDEVENTS_PATH, SHORT_PATHS
from shared.events import Kind
from shared.key_file import ReloadingKeyRing
from shared.keys import KeyKind
from shared.topics import Topics

MAX_LISTED = 500  # rejected events in one answer

Endpoint = Callable[[Request], Awaitable[Response]]
Reader = Callable[[bytes, Request], Envelope]


@dataclass(frozen=True)
class Collaborators:
    """What the endpoints work with."""

    keys: ReloadingKeyRing
    publisher: Publisher
    topics: Topics
    metrics: IngestMetrics
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())


def event_routes(with_: Collaborators) -> list[Route]:
    """Segment's `/v1/track` and its kin, `/v1/batch`, the browser's short paths and `/v1/m`; RudderStack's beacon;
    CloudEvents.

    Plain routes: FastAPI's own handling of a request takes as long as everything that is done here."""
    routes = []
    for kind, short in SHORT_PATHS.items():
        endpoint = _endpoint(with_, _calls_of(kind))
        routes += [_post(f"/v1/{kind}", endpoint), _post(f"/v1/{short}", endpoint)]
    endpoint = _endpoint(with_, lambda body, _: read_batch(body))
    routes += [_post(path, endpoint) for path in BATCH_PATHS]
    endpoint = _endpoint(with_, lambda body, request: read_cloudevents(body, request.headers))
    return [*routes, _post(CLOUDEVENTS_PATH, endpoint), _post("/v1/m", _ignore)]


def _post(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["POST"])


def _calls_of(kind: Kind) -> Reader:
    return lambda body, _: read_call(body, kind)


def _endpoint(with_: Collaborators, read: Reader) -> Endpoint:
    async def take(request: Request) -> Response:
        envelope, parsed = await _take(with_, request, read)
        if envelope.is_batch:
            return json_response(200, _result(parsed))
        for rejection in parsed.rejected:
            raise Refused(400, rejection.code, rejection.message)
        return json_response(200, {"success": True})

    return take


async def _ignore(_: Request) -> Response:
    """analytics.js counts its own doings here; nobody reads that."""
    return json_response(200, {"success": True})


async def _take(with_: Collaborators, request: Request, read: Reader) -> tuple[Envelope, Parsed]:
    """Raises `Refused`; returns when everything is stored, rejected events in `dead-letters`."""
    received_at = with_.now()
    credentials = _basic_user(request) or request.query_params.get("writeKey")
    # A key that came before the body is looked at before the body: strangers cost us no memory.
    source = _source(with_, credentials) if credentials else None
    envelope = read(await _read_body(request), request)
    source = source or _source(with_, envelope.write_key)
    arrival = Arrival(source, received_at, request.url.path, with_.new_id)
    parsed = parse(envelope, arrival)
    parsed = await _store(with_, parsed, envelope, arrival)
    with_.metrics.stored(source, parsed)
    return envelope, parsed


def _basic_user(request: Request) -> str | None:
    """The user name of `Authorization: Basic`; the password is left empty by Segment's clients."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[0] or None
    except (binascii.Error, UnicodeDecodeError):
        raise unknown_write_key() from None


def _source(with_: Collaborators, write_key: str | None) -> str:
    entry = with_.keys.find(KeyKind.WRITE, write_key) if write_key else None
    if entry is None:
        raise unknown_write_key()
    return entry.name


async def _read_body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise too_large(MAX_BODY_BYTES)
            chunks.append(chunk)
    except ClientDisconnect:
        raise incomplete() from None  # nobody hears it; but it is no error of ours, to be logged with a traceback
    return unpack(b"".join(chunks), request.headers.get("content-encoding", ""))


async def _store(with_: Collaborators, parsed: Parsed, envelope: Envelope, arrival: Arrival) -> Parsed:
    """What is accepted in the end: Kafka may have events put aside that are too large for it."""
    too_large = await _publish(with_, records_of(parsed, envelope, arrival, with_.topics))
    if not too_large:
        return parsed
    events = [place for place in too_large if place < len(parsed.accepted)]
    lost = len(too_large) - len(events)
    parsed, late = set_aside(parsed, events, envelope)
    lost += len(await _publish(with_, records_of(Parsed([], late, []), envelope, arrival, with_.topics)))
    if lost:
        raise too_much_at_once(f"{lost} rejected events are too large for {with_.topics.dead_letters}, too: not kept")
    return parsed


async def _publish(with_: Collaborators, records: list[Record]) -> list[int]:
    started = time.perf_counter()
    try:
        too_large = await with_.publisher.publish(records)
    except TooMuch as error:
        raise too_much_at_once(f"{error}: send smaller batches") from error
    except Busy as error:
        raise try_later(2, f"{error}; send it again") from error
    except NotStored as error:
        raise try_later(1, f"{error}; send it again, with the same messageId") from error
    with_.metrics.produce_seconds.observe(time.perf_counter() - started)
    return too_large


def _result(parsed: Parsed) -> dict[str, Any]:
    result: dict[str, Any] = {
        "success": True,
        "accepted": len(parsed.accepted),
        "rejected": [_listed(rejection) for rejection in parsed.rejected[:MAX_LISTED]],
    }
    if len(parsed.rejected) > MAX_LISTED:
        result["rejected_not_listed"] = len(parsed.rejected) - MAX_LISTED
    return result


def _listed(rejection: Rejection) -> dict[str, Any]:
    return {
        "index": rejection.index,
        "message_id": rejection.message_id,
        "code": rejection.code,
        "message": rejection.message,
    }
