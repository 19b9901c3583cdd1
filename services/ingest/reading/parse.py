"""Every event of a request is accepted, or rejected by itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from services.ingest.bodies import decode_json
from services.ingest.reading.calls import KINDS, MAX_ID_CHARACTERS, event_of
from services.ingest.reading.model import Arrival, Envelope, Parsed, Rejection, Unacceptable
from services.ingest.reading.shape import refuse_shape, too_deep
from services.ingest.schemas import Call, MessageId
from shared.events import Event, Kind, encode_event

MAX_EVENT_BYTES = 32 * 1024  # as sent
MAX_STORED_BYTES = 2 * MAX_EVENT_BYTES  # with the batch's context, and what properties and traits take from it
MAX_MESSAGE_CHARACTERS = 300
SLICE_BYTES = 64 * 1024  # some milliseconds

_message_id = msgspec.json.Decoder(MessageId)


def parse(envelope: Envelope, arrival: Arrival) -> Parsed:
    """Every event of `envelope` is either accepted, with all its calls, or rejected; never raises."""
    parsed = Parsed([], [], [])
    for _ in parsing(parsed, envelope, arrival):
        pass
    return parsed


def parsing(parsed: Parsed, envelope: Envelope, arrival: Arrival) -> Iterator[None]:
    """As `parse`, into `parsed`: gives control back after each `SLICE_BYTES`, so that a large batch keeps nobody
    waiting."""
    taken = 0
    for index, raw in enumerate(envelope.items):
        taken += len(memoryview(raw))
        if taken > SLICE_BYTES:
            taken = 0
            yield
        try:
            read = _read(raw, envelope)
            if isinstance(read, Call):
                event = event_of(read, envelope.kind or _kind(read.type), envelope, arrival)
                value = _stored(event)
                parsed.accepted.append(event)
                parsed.values.append(value)
            else:
                _accept_all(read, index, parsed, envelope, arrival)
        except Unacceptable as error:
            message = str(error)[:MAX_MESSAGE_CHARACTERS]  # it goes into headers: a path in it is as long as its names
            parsed.rejected.append(Rejection(index, error.code, message, _message_id_of(raw), bytes(raw)))


def set_aside(parsed: Parsed, places: Sequence[int], envelope: Envelope) -> tuple[Parsed, list[Rejection]]:
    """`parsed` with the accepted events at `places` rejected after all, since Kafka takes none of their size; and these
    alone."""
    before = {rejection.index for rejection in parsed.rejected}
    indices = parsed.indices or [index for index in range(len(envelope.items)) if index not in before]
    late: dict[int, Rejection] = {}
    for place in places:
        index = indices[place]
        raw = envelope.items[index]
        message = f"Kafka takes no event of {len(parsed.values[place])} bytes"
        late[index] = Rejection(index, "event_too_large", message, _message_id_of(raw), bytes(raw))
    kept = sorted(set(range(len(parsed.accepted))) - set(places))
    rejected = sorted([*parsed.rejected, *late.values()], key=lambda rejection: rejection.index)
    accepted, values = [parsed.accepted[p] for p in kept], [parsed.values[p] for p in kept]
    return Parsed(accepted, rejected, values, [indices[p] for p in kept]), list(late.values())


def _stored(event: Event) -> bytes:
    try:
        value = encode_event(event)
    except RecursionError as error:
        raise too_deep() from error
    if len(value) > MAX_STORED_BYTES:
        raise Unacceptable(
            "event_too_large",
            f"{len(value)} bytes with the batch's context; a stored event may have {MAX_STORED_BYTES}",
        )
    refuse_shape([event.properties, event.traits, event.context], value)
    return value


def _read(raw: msgspec.Raw, envelope: Envelope) -> Call | list[Call]:
    size = len(memoryview(raw))
    if size > MAX_EVENT_BYTES:
        raise Unacceptable("event_too_large", f"{size} bytes; an event may have {MAX_EVENT_BYTES}")
    try:
        return envelope.read(raw)
    except ValueError as error:
        raise Unacceptable("malformed_event", str(error)) from error


def _accept_all(calls: list[Call], index: int, parsed: Parsed, envelope: Envelope, arrival: Arrival) -> None:
    """Or none of them: what is put aside is sent again as a whole."""
    events = [event_of(call, _kind(call.type), envelope, arrival) for call in calls]
    values = [_stored(event) for event in events]
    parsed.accepted.extend(events)
    parsed.values.extend(values)
    parsed.indices.extend(index for _ in events)


def _kind(type_: str | None) -> Kind:
    kind = KINDS.get(type_ or "")
    if kind is None:
        raise Unacceptable("unknown_type", f"type {(type_ or '')[:64]!r}: expected one of {', '.join(KINDS)}")
    return kind


def _message_id_of(raw: msgspec.Raw) -> str | None:
    """For the answer only: the sender's own id, if there is a readable one of a sane length."""
    try:
        message_id = decode_json(_message_id, raw).message_id
    except ValueError:
        return None
    return str(message_id)[:MAX_ID_CHARACTERS] if message_id is not None else None
