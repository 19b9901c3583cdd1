"""/v1/webhooks: who gets messages by HTTP. They carry personal data out of the house, so only admins may say where."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import httpx
import msgspec
from fastapi import APIRouter, Depends, Request

from services.router.api.auth import require
from services.router.api.errors import ApiError, responses
from services.router.api.filters import refuse_unknown
from services.router.api.state import LedgerHere
from services.router.api.webhook_schemas import NewWebhook, Rotation, Tried, Webhook, WebhookWithSecret
from services.router.messages import SOURCE
from services.router.subscribers import Webhooks
from services.router.webhooks import signing
from services.router.webhooks.post import AddressRefused
from services.router.webhooks.registry import WebhookUnknown
from services.router.webhooks.sender import CONTENT
from services.router.webhooks.urls import UrlRefused, check_url
from shared.cloudevents import headers, structured
from shared.keys import KeyEntry

TEST = "tasuki.webhook.test"
router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
Admin = Annotated[KeyEntry, Depends(require("admin"))]


def _webhooks(request: Request) -> Webhooks:
    return cast(Webhooks, request.app.state.webhooks)


Here = Annotated[Webhooks, Depends(_webhooks)]


@router.post("", status_code=201, response_model=WebhookWithSecret, responses=responses())
async def create(body: NewWebhook, caller: Admin, here: Here, ledger: LedgerHere) -> Any:
    """From now on matching messages are delivered. The answer shows the secret, once."""
    refuse_unknown(ledger.rules.playbook, body.types, body.departments, body.teams)
    await _refuse_url(body.url, here)
    row, secret = await here.registry.create(body.model_dump(), caller.name)
    return {**row, "secret": secret}


@router.get("", response_model=list[Webhook], responses=responses())
async def list_webhooks(_: Admin, here: Here) -> Any:
    """All, the oldest first."""
    return await here.registry.all()


@router.get("/{id}", response_model=Webhook, responses=responses(404))
async def show(id: str, _: Admin, here: Here) -> Any:
    """One, and how it goes."""
    with _known(id):
        return await here.registry.one(id)


@router.delete("/{id}", status_code=204, responses=responses(404))
async def delete(id: str, _: Admin, here: Here) -> None:
    """With all that waits for it."""
    with _known(id):
        await here.registry.delete(id)


@router.post("/{id}/enable", response_model=Webhook, responses=responses(404))
async def enable(id: str, _: Admin, here: Here) -> Any:
    """Deliver again, first what still waits. What happened while it was disabled was not kept for it."""
    with _known(id):
        return await here.registry.enable(id)


@router.post("/{id}/rotate", response_model=WebhookWithSecret, responses=responses(404))
async def rotate(id: str, _: Admin, here: Here, body: Rotation | None = None) -> Any:
    """A new secret, shown once. For a while messages have a signature of the old one as well."""
    with _known(id):
        row, secret = await here.registry.rotate(id, timedelta(hours=(body or Rotation()).overlap_hours))
    return {**row, "secret": secret}


@router.post("/{id}/test", response_model=Tried, responses=responses(404))
async def test(id: str, caller: Admin, here: Here) -> Any:
    """Send one message of type `tasuki.webhook.test` at once, also to a webhook that is disabled."""
    with _known(id):
        url, secrets = await here.registry.secrets(id)
    event_id = f"test:{uuid.uuid4()}"
    told = headers(id=event_id, type=TEST, source=SOURCE, subject=id, time=datetime.now(UTC))
    body = structured(told, msgspec.json.encode({"webhook_id": id, "sent_by": caller.name}))
    poster = here.new_poster(url)
    try:
        outcome = await poster.post(CONTENT | signing.headers(secrets, event_id, int(time.time()), body), body)
    finally:
        await poster.close()
    return Tried(
        delivered=outcome.error is None, status=outcome.status, error=outcome.error, seconds=round(outcome.seconds, 3)
    )


async def _refuse_url(url: str, here: Webhooks) -> None:
    """Names are looked up already now, so that a mistake is told to whoever makes it; it is done again each time."""
    try:
        check_url(url, here.allow_private)
        poster = here.new_poster(url)
    except (UrlRefused, httpx.InvalidURL) as error:
        raise ApiError(422, "invalid_url", str(error)) from None
    try:
        await poster.addresses()
    except AddressRefused as error:
        raise ApiError(422, "invalid_url", str(error)) from None
    except (OSError, UnicodeError) as error:
        raise ApiError(422, "invalid_url", f"the URL's host cannot be looked up: {error}") from None
    finally:
        await poster.close()


@contextmanager
def _known(id: str) -> Iterator[None]:
    try:
        yield
    except WebhookUnknown:
        raise ApiError(404, "not_found", f"there is no webhook '{id}'") from None
