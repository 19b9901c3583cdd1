"""One request is admitted, read, parsed and stored, and only then answered."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request

from services.ingest.admission.in_flight import NOBODY, Full, Hold
from services.ingest.bodies import MAX_BODY_BYTES, unpack
from services.ingest.collaborators import Collaborators
from services.ingest.errors import incomplete, too_large, try_later, unknown_write_key
from services.ingest.privacy import told_by
from services.ingest.reading.model import Arrival, Envelope, Parsed
from services.ingest.reading.parse import parse
from services.ingest.storing import store
from shared.keys import KeyEntry

Reader = Callable[[bytes, Request], Envelope]


async def take(with_: Collaborators, request: Request, read: Reader) -> tuple[Envelope, Parsed]:
    """Raises `Refused`; returns when everything is stored, rejected events in `dead-letters`."""
    # A key that came before the body is looked at before the body: strangers and floods cost us no memory.
    write_key = key_before_body(request)
    owner = with_.gate.admit(write_key, origin_of(request)) if write_key else None
    try:
        with with_.gate.in_flight.hold(owner.name if owner else NOBODY) as hold:
            return await _take(with_, request, read, owner, hold)
    except Full as error:
        if owner:
            with_.metrics.turned_away(owner.name, "share")
        raise try_later(1, f"{error}; send it again") from error


async def _take(
    with_: Collaborators, request: Request, read: Reader, owner: KeyEntry | None, hold: Hold
) -> tuple[Envelope, Parsed]:
    received_at = with_.now()
    envelope = read(await _read_body(request, hold), request)
    if owner is None:
        owner = with_.gate.admit(envelope.write_key, origin_of(request))
        hold.move(owner.name)
    with_.gate.charge(owner, len(envelope.items) - 1)
    told = told_by(request.headers)
    arrival = Arrival(owner.name, received_at, request.url.path, with_.new_id, told, with_.truncates_ip)
    parsed = await store(with_, parse(envelope, arrival), envelope, arrival)
    with_.metrics.stored(owner.name, parsed)
    return envelope, parsed


def key_before_body(request: Request) -> str | None:
    """The write key, if it is not in the body: Basic's user name, or in the query. Raises `Refused` (401)."""
    return _basic_user(request) or request.query_params.get("writeKey")


def origin_of(request: Request) -> str | None:
    """Of the website whose page sends it; a server has none."""
    return request.headers.get("origin")


def _basic_user(request: Request) -> str | None:
    """The user name of `Authorization: Basic`; the password is left empty by Segment's clients."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[0] or None
    except (binascii.Error, UnicodeDecodeError):
        raise unknown_write_key() from None


async def _read_body(request: Request, hold: Hold) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise too_large(MAX_BODY_BYTES)
            hold.add(len(chunk))
            chunks.append(chunk)
    except ClientDisconnect:
        raise incomplete() from None  # nobody hears it; but it is no error of ours, to be logged with a traceback
    body = unpack(b"".join(chunks), request.headers.get("content-encoding", ""))
    if len(body) > size:
        hold.add(len(body) - size)
    return body
