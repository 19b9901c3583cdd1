"""One request is admitted, read, parsed and stored, and only then answered."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request

from services.ingest.admission.in_flight import NOBODY, Full, Hold
from services.ingest.bodies import MAX_BODY_BYTES, unpack
from services.ingest.collaborators import Collaborators
from services.ingest.errors import incomplete, too_large, try_later, unknown_write_key
from services.ingest.privacy import told_by
from services.ingest.reading.model import Arrival, Envelope, Parsed, Taken
from services.ingest.reading.parse import parsing
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
    body = await _read_body(request, hold)

    async def take_apart() -> tuple[KeyEntry, Envelope, Parsed, Arrival]:
        envelope = read(_unpacked(body, request, hold), request)
        of = owner or _admit(with_, envelope, request, hold)
        with_.gate.charge(of, len(envelope.items) - 1)
        arrival = Arrival(
            of.name,
            received_at,
            request.scope["path"],
            with_.new_id,
            told_by(request.headers.raw),
            with_.truncates_ip,
        )
        return of, envelope, await _parse(envelope, arrival), arrival

    if turn := with_.gate.turns.of(owner.name if owner else NOBODY, body):
        async with turn:
            owner, envelope, parsed, arrival = await take_apart()
    else:
        owner, envelope, parsed, arrival = await take_apart()
    parsed = await store(with_, parsed, envelope, arrival)
    with_.metrics.stored(owner.name, parsed)
    return envelope, parsed


def _admit(with_: Collaborators, envelope: Envelope, request: Request, hold: Hold) -> KeyEntry:
    """By the key in the body."""
    owner = with_.gate.admit(envelope.write_key, origin_of(request))
    hold.move(owner.name)
    return owner


async def _parse(envelope: Envelope, arrival: Arrival) -> Parsed:
    parsed, light = Parsed([], [], []), 0
    for _ in parsing(parsed, envelope, arrival):
        for place in range(light, light := len(parsed.accepted)):
            parsed.accepted[place] = Taken(parsed.accepted[place].kind, parsed.accepted[place].key)
        await asyncio.sleep(0)
    return parsed


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
    """As it came. Raises `Refused` (400, 413)."""
    chunks: list[bytes] = []
    size = _declared(request)
    hold.add(size)
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > size:  # it was not said how long it would be
                hold.add(received - size)
                size = received
            if size > MAX_BODY_BYTES:
                raise too_large(MAX_BODY_BYTES)
            chunks.append(chunk)
    except ClientDisconnect:
        raise incomplete() from None  # nobody hears it; but it is no error of ours, to be logged with a traceback
    return b"".join(chunks)


def _declared(request: Request) -> int:
    """Bytes that are to come; 0 where nobody says. Raises `Refused` (413)."""
    length = request.headers.get("content-length", "")
    size = int(length) if length.isdecimal() and len(length) < 20 else 0
    if size > MAX_BODY_BYTES:
        raise too_large(MAX_BODY_BYTES)
    return size


def _unpacked(body: bytes, request: Request, hold: Hold) -> bytes:
    unpacked = unpack(body, request.headers.get("content-encoding", ""))
    if len(unpacked) > len(body):
        hold.add(len(unpacked) - len(body))
    return unpacked
