"""CloudEvents 1.0 over HTTP, in their three modes, read as calls of Segment's specification. Pure.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md

An event whose `type` is a call's (`track`, `identify` …) has that call as its data. Any other one is a `track` named by
its type, with its data as properties. Whose it is say the extensions `userid` and `anonymousid`, or the data's `userId`
and `anonymousId`, or else the subject.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import partial
from urllib.parse import unquote

import msgspec

from services.ingest.bodies import decode_json
from services.ingest.errors import unparsable
from services.ingest.reading.calls import KINDS
from services.ingest.reading.model import Envelope, Unacceptable
from services.ingest.reading.segment import FEW_EVENTS, refuse_too_many
from services.ingest.schemas import Call, CloudEvent
from shared.events import Kind

HEADER = "ce-"
_NO_DATA = msgspec.Raw(b"{}")
_NONE = (b"", b"null")
_IDS = (("user_id", "userId"), ("anonymous_id", "anonymousId"))

_events = msgspec.json.Decoder(list[msgspec.Raw])
_few_events = msgspec.json.Decoder(FEW_EVENTS)
_event = msgspec.json.Decoder(CloudEvent)
_call = msgspec.json.Decoder(Call)
_any = msgspec.json.Decoder()
_object = msgspec.json.Decoder(msgspec.defstruct("Object", []))


def read_cloudevents(body: bytes, headers: Mapping[str, str]) -> Envelope:
    """`headers` by their names in lower case. By content, as some senders name the data's type only: with attributes in
    the headers it is the binary mode, a list is the batched one. Raises `Refused` (400, 413)."""
    attributes = {name: value for name, value in headers.items() if name.startswith(HEADER)}
    if attributes:
        about = attributes | {"content-type": headers.get("content-type", "")}
        return Envelope([msgspec.Raw(body)], None, partial(_read_binary, about), headers=about)
    try:
        if body.lstrip()[:1] != b"[":
            decode_json(_object, body)
            return Envelope([msgspec.Raw(body)], None, _read)
        refuse_too_many(body, _few_events)
        return Envelope(decode_json(_events, body), None, _read, is_batch=True)
    except ValueError as error:
        raise unparsable(str(error)) from error


def one_of_cloudevents(raw: bytes, headers: Mapping[str, str]) -> Envelope:
    """An event that was cut out of a request in any mode; `headers` has attributes in the binary mode only."""
    return read_cloudevents(raw, headers) if headers else Envelope([msgspec.Raw(raw)], None, _read)


def _read(raw: msgspec.Raw) -> Call:
    event = decode_json(_event, raw)
    if event.data_base64 is None:
        return _call_of(event, event.data if bytes(event.data) not in _NONE else _NO_DATA)
    try:
        decoded = base64.b64decode(event.data_base64, validate=True)
    except binascii.Error as error:
        raise Unacceptable("malformed_event", f"data_base64 is no base64: {error}") from error
    return _call_of(event, _json(decoded, event.datacontenttype or ""))


def _read_binary(headers: Mapping[str, str], raw: msgspec.Raw) -> Call:
    """Attributes are percent-encoded UTF-8 in headers, the body is the data."""
    attributes = {name.removeprefix(HEADER): unquote(value) for name, value in headers.items()}
    event = msgspec.convert(attributes, CloudEvent)
    return _call_of(event, _json(bytes(raw), headers["content-type"]))


def _json(data: bytes, content_type: str) -> msgspec.Raw:
    media = content_type.partition(";")[0].strip().lower()
    if media and not media.endswith(("/json", "+json")):
        raise Unacceptable("unsupported_data", f"data of type {media[:64]!r}: send JSON")
    return msgspec.Raw(data) if data.strip() else _NO_DATA


def _call_of(event: CloudEvent, data: msgspec.Raw) -> Call:
    if not event.specversion.startswith("1."):
        raise Unacceptable("unknown_specversion", f"specversion {event.specversion[:16]!r}: send CloudEvents 1.0")
    if missing := [name for name in ("id", "source", "type") if not getattr(event, name).strip()]:
        raise Unacceptable("missing_attribute", f"a CloudEvent needs {', '.join(missing)}")
    is_call = event.type in KINDS
    call = decode_json(_call, data) if is_call else _track(event.type, data)
    call.type = event.type if is_call else Kind.TRACK.value
    call.message_id = f"{event.source} {event.id}"  # which together are unique
    call.timestamp = call.timestamp or event.time
    call.user_id = event.userid or call.user_id
    call.anonymous_id = event.anonymousid or call.anonymous_id
    if call.user_id is None and call.anonymous_id is None:
        call.user_id = event.subject
    return call


def _track(name: str, data: msgspec.Raw) -> Call:
    told = decode_json(_any, data)
    if not isinstance(told, dict):
        return Call(event=name, properties={"data": told})
    ids = {field: told[key] for field, key in _IDS if isinstance(told.get(key), str | int)}
    traits = told.get("traits")
    return Call(event=name, properties=told, traits=traits if isinstance(traits, dict) else None, **ids)
