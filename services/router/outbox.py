"""Rows of the outbox: messages that leave in the same transaction as the change that they tell of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

import msgspec

from services.router import messages
from services.router.alert_messages import AlertMessage, alert_type
from services.router.lifecycle.model import Emitted, HandOffChange, Lead, StageChange, Status
from services.router.messages import HandOffMessage, StageMessage
from shared import cloudevents, dead_letters
from shared.cloudevents import Headers
from shared.events import Event, encode_event
from shared.topics import Topics

COLUMNS = ("lane", "topic", "key", "headers", "value", "received_at")
OutboxRow = tuple[int, str, bytes | None, bytes, bytes | None, datetime | None]

_encode_headers = msgspec.msgpack.Encoder().encode
decode_headers = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


def stage_row(message: StageMessage, change: StageChange, lead: Lead, topics: Topics) -> OutboxRow:
    """A stage change. Its id is the same however often the log is read."""
    headers = cloudevents.headers(
        id=f"stage:{lead.lead_id}:{change.seq}",
        type=messages.STAGE_CHANGED,
        source=messages.SOURCE,
        subject=lead.lead_id,
        time=change.at,
    )
    return _row(topics.stages, lead, headers, messages.encode(message), None)


def handoff_rows(
    message: HandOffMessage, change: HandOffChange, lead: Lead, topics: Topics, received_at: datetime | None
) -> list[OutboxRow]:
    """A hand-off's new state, to its receiver; its outcome, and who has joined it, to the giver as well (domain D4)."""
    status, id = change.handoff.status, change.handoff.handoff_id
    headers = cloudevents.headers(
        id=f"handoff:{id}:{messages.JOINED}:{change.seq}" if change.joined else f"handoff:{id}:{status.value}",
        type=messages.handoff_type(messages.JOINED if change.joined else status.value),
        source=messages.SOURCE,
        subject=lead.lead_id,
        time=change.at,
    )
    value = messages.encode(message)
    rows = [_row(topics.handoffs(change.handoff.receiver), lead, headers, value, received_at)]
    if change.joined or status is not Status.OFFERED:
        rows.append(_row(topics.handoffs(change.handoff.giver), lead, headers, value, None))
    return rows


def alert_row(message: AlertMessage, lead: Lead, topics: Topics, received_at: datetime | None) -> OutboxRow:
    """Its id is the same however often the log is read."""
    headers = cloudevents.headers(
        id=f"alert:{lead.lead_id}:{message.seq}",
        type=alert_type(message.kind),
        source=messages.SOURCE,
        subject=lead.lead_id,
        time=message.at,
    )
    return _row(topics.alerts, lead, headers, messages.encode(message), received_at)


def event_row(event: Emitted, lead: Lead, topics: Topics) -> OutboxRow:
    """An event for the log."""
    return log_row(emitted_event(event, lead.lead_id), lead.lane, topics)


def emitted_event(event: Emitted, lead_id: str) -> Event:
    """As the log has it. Nobody receives it before it has happened."""
    return Event(
        kind=event.kind,
        id=event.id,
        source=messages.SOURCE,
        key=lead_id,
        time=event.at,
        received_at=event.at,
        name=event.name,
        properties=event.properties,
    )


def log_row(event: Event, lane: int, topics: Topics) -> OutboxRow:
    """An event as it goes into the log."""
    return (lane, topics.events, event.key.encode(), _encode_headers([]), encode_event(event), None)


def text_row(topic: str, key: str, written: str) -> OutboxRow:
    """What is about no lead."""
    return (0, topic, key.encode(), _encode_headers([]), written.encode(), None)


def message_row(topic: str, lead: Lead, headers: Headers, value: bytes) -> OutboxRow:
    """A message about a lead that nothing is measured by."""
    return _row(topic, lead, headers, value, None)


class KafkaRecord(Protocol):
    """A record as it came from Kafka."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Iterable[tuple[str, bytes]]: ...


def dead_letter_row(  # noqa: PLR0913, PLR0917 - a dead letter tells that much
    topics: Topics, lane: int, record: KafkaRecord, reason: str, at: datetime, topic: str | None = None
) -> OutboxRow:
    """A record of `topic` (`scores`, if none is named) that cannot be processed, byte for byte."""
    headers = dead_letters.headers(
        reason=reason,
        service="router",
        origin=f"{topic or topics.scores}/{lane}/{record.offset}",
        at=at,
        received=list(record.headers),
    )
    return (lane, topics.dead_letters, record.key, _encode_headers(headers), record.value, None)


def _row(topic: str, lead: Lead, headers: Headers, value: bytes, received_at: datetime | None) -> OutboxRow:
    return (lead.lane, topic, lead.lead_id.encode(), _encode_headers(headers), value, received_at)
