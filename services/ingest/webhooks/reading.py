"""The body of a webhook as an envelope: its events are cut out as raw bytes, and read by the mapping. Pure."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import msgspec

from services.ingest.bodies import decode_json
from services.ingest.errors import unparsable
from services.ingest.reading.model import Envelope
from services.ingest.reading.parse import MAX_EVENT_BYTES
from services.ingest.reading.segment import FEW_EVENTS, refuse_too_many
from services.ingest.schemas import Call, Keyed
from services.ingest.webhooks.forms import read_form
from services.ingest.webhooks.mapped import calls_of
from services.ingest.webhooks.mapping import Mapping
from services.ingest.webhooks.paths import Steps

_events = msgspec.json.Decoder(list[msgspec.Raw])
_few_events = msgspec.json.Decoder(FEW_EVENTS)
_keyed = msgspec.json.Decoder(Keyed)
_any = msgspec.json.Decoder()


def read_webhook(body: bytes, content_type: str, mapping: Mapping, name: str) -> Envelope:
    """`name` is the mapping's. Raises `Refused` (400, 413)."""
    if mapping.body == "form":
        # Some tools try an address with a form that has no fields.
        items = [msgspec.Raw(body)] if body.strip() else []
        read = partial(_read_form, content_type, mapping, name)
        return Envelope(items, None, read, _form_key(body, content_type), headers={"content-type": content_type})
    read = partial(_read_json, mapping, name)
    try:
        key = None if _is_list(body) else decode_json(_keyed, body).write_key
        raw = _under(mapping.events, body)
        if not _is_list(raw):
            return Envelope([msgspec.Raw(raw)], None, read, key)
        refuse_too_many(raw, _few_events)
        return Envelope(decode_json(_events, raw), None, read, key, is_batch=True)
    except ValueError as error:
        raise unparsable(str(error)) from error


def one_of_webhook(raw: bytes, content_type: str, mapping: Mapping, name: str) -> Envelope:
    """An event that was cut out of a request."""
    if mapping.body == "form":
        return Envelope([msgspec.Raw(raw)], None, partial(_read_form, content_type, mapping, name))
    return Envelope([msgspec.Raw(raw)], None, partial(_read_json, mapping, name))


def _read_json(mapping: Mapping, name: str, raw: msgspec.Raw) -> list[Call]:
    return calls_of(decode_json(_any, raw), mapping, name, bytes(raw))


def _read_form(content_type: str, mapping: Mapping, name: str, raw: msgspec.Raw) -> list[Call]:
    return calls_of(read_form(bytes(raw), content_type), mapping, name, bytes(raw))


def _form_key(body: bytes, content_type: str) -> str | None:
    """The field `writeKey`, of a form that can be read; another one is put aside later, with the reason."""
    try:
        key = read_form(body, content_type).get("writeKey") if len(body) <= MAX_EVENT_BYTES else None
    except ValueError:
        return None
    return key if isinstance(key, str) else None


def _under(steps: Steps, body: bytes) -> bytes:
    """Raises `ValueError`."""
    for step in steps:
        body = bytes(decode_json(_member(str(step)), body).found)
        if not body:
            raise ValueError(f"there is no '{step}', under which the mapping expects the events")
    return body


@lru_cache
def _member(key: str) -> msgspec.json.Decoder[Any]:
    """Of one member alone: a table of all of them would be as large as a sender likes."""
    fields = [("found", msgspec.Raw, msgspec.Raw())]
    return msgspec.json.Decoder(msgspec.defstruct("Member", fields, rename={"found": key}))


def _is_list(raw: bytes) -> bool:
    return raw.lstrip()[:1] == b"["
