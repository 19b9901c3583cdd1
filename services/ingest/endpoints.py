"""The HTTP API of events: which path is read how, and what is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from services.ingest.answers import json_response
from services.ingest.browser.routes import browser_routes
from services.ingest.collaborators import Collaborators
from services.ingest.errors import Refused
from services.ingest.reading.cloudevents import read_cloudevents
from services.ingest.reading.model import Envelope, Parsed, Rejection
from services.ingest.reading.segment import read_batch, read_call
from services.ingest.schemas import BATCH_PATHS, CLOUDEVENTS_PATH, SHORT_PATHS, WEBHOOK_PATH
from services.ingest.taking import Reader, key_before_body, origin_of, take
from shared.events import Kind

MAX_LISTED = 500  # rejected events in one answer

Endpoint = Callable[[Request], Awaitable[Response]]


def event_routes(with_: Collaborators) -> list[BaseRoute]:
    """Segment's `/v1/track` and its kin, `/v1/batch`, the browser's short paths and `/v1/m`; RudderStack's beacon;
    CloudEvents; webhooks of other tools; what browsers load before they send.

    Plain routes: FastAPI's own handling of a request takes as long as everything that is done here."""
    routes: list[BaseRoute] = []
    for kind, short in SHORT_PATHS.items():
        endpoint = _endpoint(with_, _calls_of(kind))
        routes += [_post(f"/v1/{kind}", endpoint), _post(f"/v1/{short}", endpoint)]
    endpoint = _endpoint(with_, lambda body, _: read_batch(body))
    routes += [_post(path, endpoint) for path in BATCH_PATHS]
    endpoint = _endpoint(with_, lambda body, request: read_cloudevents(body, request.headers))
    routes += [_post(CLOUDEVENTS_PATH, endpoint), _post("/v1/m", _ignore)]
    routes += [_post(WEBHOOK_PATH, _webhook(with_)), Route(WEBHOOK_PATH, _webhook_check(with_), methods=["GET"])]
    return [*routes, *browser_routes(with_.gate.owner, key_before_body, with_.script_dir, with_.public_url)]


def _post(path: str, endpoint: Endpoint) -> Route:
    return Route(path, endpoint, methods=["POST"])


def _calls_of(kind: Kind) -> Reader:
    return lambda body, _: read_call(body, kind)


def _endpoint(with_: Collaborators, read: Reader) -> Endpoint:
    async def answer(request: Request) -> Response:
        return _answer(*await take(with_, request, read))

    return answer


def _answer(envelope: Envelope, parsed: Parsed) -> Response:
    if envelope.is_batch:
        return json_response(200, _result(parsed))
    for rejection in parsed.rejected:
        raise Refused(400, rejection.code, rejection.message)
    return json_response(200, {"success": True})


def _webhook(with_: Collaborators) -> Endpoint:
    async def answer(request: Request) -> Response:
        webhook = with_.webhooks.named(request.path_params["name"])
        taken = await take(with_, request, partial(with_.webhooks.read, webhook))
        stored = _answer(*taken)
        # A person has sent the form, and not a client that takes a 3xx for success and drops its events.
        return RedirectResponse(webhook.mapping.redirect, 303) if webhook.mapping.redirect else stored

    return answer


def _webhook_check(with_: Collaborators) -> Endpoint:
    """Mailchimp asks with a GET whether there is somebody at the address."""

    async def check(request: Request) -> Response:
        with_.webhooks.named(request.path_params["name"])
        with_.gate.owner(key_before_body(request), origin_of(request))
        return json_response(200, {"success": True})

    return check


async def _ignore(_: Request) -> Response:
    """analytics.js counts its own doings here; nobody reads that."""
    return json_response(200, {"success": True})


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
