"""The bodies of Segment's HTTP API. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from services.ingest.bodies import decode_json
from services.ingest.errors import context_too_large, too_many_events, unparsable
from services.ingest.reading.model import Envelope
from services.ingest.schemas import MAX_BATCH_EVENTS, Batch, Call, Keyed
from shared.events import Kind

MAX_REPEATED_BYTES = 16 * 1024 * 1024  # what a batch's context may add to all of its events together

_batch = msgspec.json.Decoder(Batch)
FEW_EVENTS = msgspec.defstruct(
    "FewEvents",
    [(f"event_{number}", msgspec.Raw, msgspec.Raw()) for number in range(MAX_BATCH_EVENTS)],
    array_like=True,
    forbid_unknown_fields=True,
)
_short_batch = msgspec.json.Decoder(msgspec.defstruct("ShortBatch", [("batch", FEW_EVENTS)]))
_call = msgspec.json.Decoder(Call)
_keyed = msgspec.json.Decoder(Keyed)


def read_call(body: bytes, kind: Kind) -> Envelope:
    """A body with one event. Raises `Refused` (400) when it is no JSON object."""
    try:
        keyed = decode_json(_keyed, body)
    except ValueError as error:
        raise unparsable(str(error)) from error
    return Envelope([msgspec.Raw(body)], kind, _read, write_key=keyed.write_key)


def read_batch(body: bytes) -> Envelope:
    """A body with a list `batch`. Raises `Refused` (400) when it is none, and (413) when taking it apart would cost
    more than a body of its size may."""
    try:
        refuse_too_many(body, _short_batch)
        batch = decode_json(_batch, body)
    except ValueError as error:
        raise unparsable(str(error)) from error
    context = batch.context or {}
    if context and len(batch.batch) * _encoded_size(context) > MAX_REPEATED_BYTES:
        raise context_too_large(MAX_REPEATED_BYTES)
    return Envelope(batch.batch, None, _read, batch.write_key, batch.sent_at, context, is_batch=True)


def one_of_batch(raw: bytes) -> Envelope:
    """An event that was cut out of a batch, which names its own kind."""
    return Envelope([msgspec.Raw(raw)], None, _read)


def _encoded_size(context: dict[str, Any]) -> int:
    try:
        return len(msgspec.json.encode(context))
    except RecursionError as error:
        raise unparsable("JSON is nested too deeply") from error


def refuse_too_many(body: bytes, decoder: msgspec.json.Decoder[Any]) -> None:
    """Stops at the first event too many, where a list with `max_length` is built to its end before it is refused."""
    # Each event but one brings a comma: without so many commas there is nothing to count.
    if body.count(b",") < MAX_BATCH_EVENTS:
        return
    try:
        decode_json(decoder, body)
    except msgspec.ValidationError as error:
        if "at most length" in str(error):
            raise too_many_events(MAX_BATCH_EVENTS) from error
        raise


def _read(raw: msgspec.Raw) -> Call:
    return decode_json(_call, raw)
