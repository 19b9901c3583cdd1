"""Segment's HTTP API, pure: a body in, accepted `Event`s and rejected ones with their reasons out.

Shapes: https://segment.com/docs/connections/spec/. One bad event never harms its neighbours: every event of a batch
is cut out as raw bytes first and read alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from services.ingest.bodies import decode_json
from services.ingest.errors import context_too_large, too_many_events, unparsable
from services.ingest.schemas import MAX_BATCH_EVENTS, Batch, Call, Identifier, Keyed, MessageId
from services.ingest.timestamps import event_time, parse_time
from shared.events import SENT, Event, Kind, encode_event
from shared.identity import identity_without_ids, routing_identity

MAX_EVENT_BYTES = 32 * 1024  # as sent
MAX_STORED_BYTES = 2 * MAX_EVENT_BYTES  # with the batch's context, and what properties and traits take from it
MAX_REPEATED_BYTES = 16 * 1024 * 1024  # what a batch's context may add to all of its events together
MAX_ID_CHARACTERS = 256
MAX_DEPTH = 64
MAX_MESSAGE_CHARACTERS = 300

KEPT_CONTEXT = ("externalIds", "page", "campaign", "referrer", "userAgent", "ip", "library", "locale", "timezone")
PAGE_PROPERTIES = ("path", "url", "referrer", "title")
KINDS = {kind.value: kind for kind in Kind if kind in SENT}

_batch = msgspec.json.Decoder(Batch)
# Stops at the first event too many, where a list with `max_length` is built to its end before it is refused.
_few_events = msgspec.defstruct(
    "FewEvents",
    [(f"event_{number}", msgspec.Raw, msgspec.Raw()) for number in range(MAX_BATCH_EVENTS)],
    array_like=True,
    forbid_unknown_fields=True,
)
_short_batch = msgspec.json.Decoder(msgspec.defstruct("ShortBatch", [("batch", _few_events)]))
_call = msgspec.json.Decoder(Call)
_keyed = msgspec.json.Decoder(Keyed)
_message_id = msgspec.json.Decoder(MessageId)


@dataclass(frozen=True)
class Envelope:
    """One request: its events as raw JSON, and what it says about all of them."""

    items: list[msgspec.Raw]
    kind: Kind | None  # from the path; None in a batch, whose events name their own
    write_key: str | None = None
    sent_at: str | None = None
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Arrival:
    """Where and when a request came in; `new_id` names events that came without a messageId."""

    source: str
    received_at: datetime
    path: str
    new_id: Callable[[], str]


@dataclass(frozen=True)
class Rejection:
    """An event that is kept aside: `raw` is what the sender wrote."""

    index: int
    code: str
    message: str
    message_id: str | None
    raw: bytes


@dataclass(frozen=True)
class Parsed:
    """In the order of the request; `values` are the accepted events as they are stored."""

    accepted: list[Event]
    rejected: list[Rejection]
    values: list[bytes]


class _Unacceptable(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_call(body: bytes, kind: Kind) -> Envelope:
    """A body with one event. Raises `Refused` (400) when it is no JSON object."""
    try:
        keyed = decode_json(_keyed, body)
    except ValueError as error:
        raise unparsable(str(error)) from error
    return Envelope([msgspec.Raw(body)], kind, write_key=keyed.write_key)


def read_batch(body: bytes) -> Envelope:
    """A body with a list `batch`. Raises `Refused` (400) when it is none, and (413) when taking it apart would cost
    more than a body of its size may."""
    try:
        # Each event but one brings a comma: without so many commas there is nothing to count.
        if body.count(b",") >= MAX_BATCH_EVENTS:
            _refuse_too_many(body)
        batch = decode_json(_batch, body)
    except ValueError as error:
        raise unparsable(str(error)) from error
    context = batch.context or {}
    if context and len(batch.batch) * _encoded_size(context) > MAX_REPEATED_BYTES:
        raise context_too_large(MAX_REPEATED_BYTES)
    return Envelope(batch.batch, None, batch.write_key, batch.sent_at, context)


def _encoded_size(context: dict[str, Any]) -> int:
    try:
        return len(msgspec.json.encode(context))
    except RecursionError as error:
        raise unparsable("JSON is nested too deeply") from error


def _refuse_too_many(body: bytes) -> None:
    try:
        decode_json(_short_batch, body)
    except msgspec.ValidationError as error:
        if "at most length" in str(error):
            raise too_many_events(MAX_BATCH_EVENTS) from error
        raise


def parse(envelope: Envelope, arrival: Arrival) -> Parsed:
    """Every event of `envelope` is either accepted or rejected; never raises."""
    parsed = Parsed([], [], [])
    for index, raw in enumerate(envelope.items):
        try:
            event = _event(raw, envelope, arrival)
            value = _stored(event)
        except _Unacceptable as error:
            message = str(error)[:MAX_MESSAGE_CHARACTERS]  # it goes into headers: a path in it is as long as its names
            parsed.rejected.append(Rejection(index, error.code, message, _message_id_of(raw), bytes(raw)))
        else:
            parsed.accepted.append(event)
            parsed.values.append(value)
    return parsed


def set_aside(parsed: Parsed, places: Sequence[int], envelope: Envelope) -> tuple[Parsed, list[Rejection]]:
    """`parsed` with the accepted events at `places` rejected after all, since Kafka takes none of their size; and these
    alone."""
    before = {rejection.index for rejection in parsed.rejected}
    indices = [index for index in range(len(envelope.items)) if index not in before]
    late = []
    for place in places:
        raw = envelope.items[indices[place]]
        message = f"Kafka takes no event of {len(parsed.values[place])} bytes"
        late.append(Rejection(indices[place], "event_too_large", message, _message_id_of(raw), bytes(raw)))
    kept = sorted(set(range(len(parsed.accepted))) - set(places))
    rejected = sorted(parsed.rejected + late, key=lambda rejection: rejection.index)
    return Parsed([parsed.accepted[p] for p in kept], rejected, [parsed.values[p] for p in kept]), late


def _stored(event: Event) -> bytes:
    try:
        value = encode_event(event)
    except RecursionError as error:
        raise _too_deep() from error
    if len(value) > MAX_STORED_BYTES:
        raise _Unacceptable(
            "event_too_large",
            f"{len(value)} bytes with the batch's context; a stored event may have {MAX_STORED_BYTES}",
        )
    _refuse_depth(event, value)
    return value


def _event(raw: msgspec.Raw, envelope: Envelope, arrival: Arrival) -> Event:
    size = len(memoryview(raw))
    if size > MAX_EVENT_BYTES:
        raise _Unacceptable("event_too_large", f"{size} bytes; an event may have {MAX_EVENT_BYTES}")
    try:
        call = decode_json(_call, raw)
    except ValueError as error:
        raise _Unacceptable("malformed_event", str(error)) from error
    kind = envelope.kind or _kind(call.type)
    user_id, anonymous_id = _text("userId", call.user_id), _text("anonymousId", call.anonymous_id)
    context = {**envelope.context, **(call.context or {})} if envelope.context else call.context or {}
    traits = _traits(kind, call, context)
    key = routing_identity(user_id, anonymous_id) or identity_without_ids(traits, context)
    if key is None:
        raise _Unacceptable("missing_identity", "whose event is it? userId or anonymousId is needed, or a trait email")
    return Event(
        kind=kind,
        id=_text("messageId", call.message_id) or arrival.new_id(),
        source=arrival.source,
        key=key,
        time=_time(call, envelope.sent_at, arrival.received_at),
        received_at=arrival.received_at,
        name=_name(kind, call),
        user_id=user_id,
        anonymous_id=anonymous_id,
        group_id=_group_id(kind, call, context),
        previous_id=_previous_id(kind, call, anonymous_id),
        traits=traits,
        properties=_properties(kind, call, context),
        context=_useful(kind, context),
        historical=call.historical is True or context.get("historical") is True,
    )


def _kind(type_: str | None) -> Kind:
    kind = KINDS.get(type_ or "")
    if kind is None:
        raise _Unacceptable("unknown_type", f"type {(type_ or '')[:64]!r}: expected one of {', '.join(KINDS)}")
    return kind


def _text(field_name: str, value: Identifier) -> str | None:
    """Numbers become text as in Segment's own libraries; what cannot be a database key later is refused now."""
    if value is None:
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if len(text) > MAX_ID_CHARACTERS:
        raise _Unacceptable("invalid_id", f"{field_name} has {len(text)} characters; {MAX_ID_CHARACTERS} are allowed")
    if "\0" in text:
        raise _Unacceptable("invalid_id", f"{field_name} contains a NUL character")
    return text if text.strip() else None


def _time(call: Call, batch_sent_at: str | None, received_at: datetime) -> datetime:
    timestamp = (
        _moment("originalTimestamp", call.original_timestamp)
        if call.original_timestamp
        else _moment("timestamp", call.timestamp)
    )
    sent_at = _moment("sentAt", call.sent_at or batch_sent_at)
    try:
        return event_time(timestamp, sent_at, received_at)
    except ValueError as error:
        raise _Unacceptable("invalid_time", str(error)) from error


def _moment(field_name: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        message = f"{field_name} {text[:64]!r} is no ISO 8601 time such as 2026-11-21T09:30:00.000Z"
        raise _Unacceptable("invalid_time", message) from error


def _name(kind: Kind, call: Call) -> str:
    if kind is Kind.TRACK:
        if not call.event or not call.event.strip():
            raise _Unacceptable("missing_event_name", "track needs the name of the event in `event`")
        return call.event
    if kind in (Kind.PAGE, Kind.SCREEN):
        named = call.name or (call.properties or {}).get("name")
        return named if isinstance(named, str) else ""
    return ""


def _group_id(kind: Kind, call: Call, context: dict[str, Any]) -> str | None:
    group_id = _text("groupId", call.group_id)
    if kind is Kind.GROUP and group_id is None:
        raise _Unacceptable("missing_group_id", "group needs groupId")
    if group_id is None and isinstance(current := context.get("groupId"), str):
        return _text("context.groupId", current)  # analytics.js repeats the visitor's company on every event
    return group_id


def _previous_id(kind: Kind, call: Call, anonymous_id: str | None) -> str | None:
    previous_id = _text("previousId", call.previous_id)
    if kind is Kind.ALIAS and previous_id is None:
        if anonymous_id is None or call.user_id is None:
            raise _Unacceptable("missing_previous_id", "alias needs previousId: who was it before?")
        return anonymous_id
    return previous_id


def _traits(kind: Kind, call: Call, context: dict[str, Any]) -> dict[str, Any]:
    """A group's traits are the company's: what the context knows about the person is not mixed in."""
    traits = call.traits or {}
    about_person = context.get("traits")
    if kind is Kind.GROUP or not isinstance(about_person, dict):
        return traits
    return {**about_person, **traits}


def _properties(kind: Kind, call: Call, context: dict[str, Any]) -> dict[str, Any]:
    properties = call.properties or {}
    if kind not in (Kind.PAGE, Kind.SCREEN):
        return properties
    page = context.get("page")
    known = {name: page[name] for name in PAGE_PROPERTIES if name in page} if isinstance(page, dict) else {}
    category = {"category": call.category} if call.category else {}
    return {**known, **category, **properties}


def _useful(kind: Kind, context: dict[str, Any]) -> dict[str, Any]:
    useful = {name: context[name] for name in KEPT_CONTEXT if name in context}
    if kind is Kind.GROUP and "traits" in context:
        useful["traits"] = context["traits"]
    return useful


def _refuse_depth(event: Event, value: bytes) -> None:
    """Readers of the log have a stack as well: an event that only some of them can decode would stop the flow."""
    if value.count(b"{") + value.count(b"[") <= MAX_DEPTH:
        return
    level: list[Any] = [event.properties, event.traits, event.context]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> _Unacceptable:
    return _Unacceptable("nested_too_deeply", f"objects and lists are nested more than {MAX_DEPTH} levels deep")


def _children(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _message_id_of(raw: msgspec.Raw) -> str | None:
    """For the answer only: the sender's own id, if there is a readable one of a sane length."""
    try:
        message_id = decode_json(_message_id, raw).message_id
    except ValueError:
        return None
    return str(message_id)[:MAX_ID_CHARACTERS] if message_id is not None else None
