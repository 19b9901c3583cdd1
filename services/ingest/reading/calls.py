"""A call of Segment's specification as an event. Pure.

Shapes: https://segment.com/docs/connections/spec/
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from services.ingest.privacy import truncated
from services.ingest.reading.model import Arrival, Envelope, Unacceptable
from services.ingest.schemas import Call, Identifier
from services.ingest.timestamps import event_time, parse_time
from shared.events import SENT, Event, Kind
from shared.identity import identity_without_ids, routing_identity

MAX_ID_CHARACTERS = 256

CONSENT = ("consent", "consentManagement", "doNotTrack", "globalPrivacyControl")
KEPT_CONTEXT = frozenset(
    {
        *("externalIds", "page", "campaign", "referrer", "userAgent", "ip", "library", "locale", "timezone"),
        *CONSENT,
    }
)
PAGE_PROPERTIES = ("path", "url", "referrer", "title")
KINDS = {kind.value: kind for kind in Kind if kind in SENT}


def event_of(call: Call, kind: Kind, envelope: Envelope, arrival: Arrival) -> Event:
    """Raises `Unacceptable`."""
    user_id, anonymous_id = _text("userId", call.user_id), _text("anonymousId", call.anonymous_id)
    context = {**envelope.context, **(call.context or {})} if envelope.context else call.context or {}
    traits = _traits(kind, call, context)
    key = routing_identity(user_id, anonymous_id) or identity_without_ids(traits, context)
    if key is None:
        raise Unacceptable("missing_identity", "whose event is it? userId or anonymousId is needed, or a trait email")
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
        context=_useful(kind, context, arrival),
        historical=call.historical is True or context.get("historical") is True,
    )


def _text(field_name: str, value: Identifier) -> str | None:
    """Numbers become text as in Segment's own libraries; what cannot be a database key later is refused now."""
    if value is None:
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if len(text) > MAX_ID_CHARACTERS:
        raise Unacceptable("invalid_id", f"{field_name} has {len(text)} characters; {MAX_ID_CHARACTERS} are allowed")
    if "\0" in text:
        raise Unacceptable("invalid_id", f"{field_name} contains a NUL character")
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
        raise Unacceptable("invalid_time", str(error)) from error


def _moment(field_name: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        message = f"{field_name} {text[:64]!r} is no ISO 8601 time such as 2026-11-21T09:30:00.000Z"
        raise Unacceptable("invalid_time", message) from error


def _name(kind: Kind, call: Call) -> str:
    if kind is Kind.TRACK:
        if not call.event or not call.event.strip():
            raise Unacceptable("missing_event_name", "track needs the name of the event in `event`")
        return call.event
    if kind in (Kind.PAGE, Kind.SCREEN):
        named = call.name or (call.properties or {}).get("name")
        return named if isinstance(named, str) else ""
    return ""


def _group_id(kind: Kind, call: Call, context: dict[str, Any]) -> str | None:
    group_id = _text("groupId", call.group_id)
    if kind is Kind.GROUP and group_id is None:
        raise Unacceptable("missing_group_id", "group needs groupId")
    if group_id is None and isinstance(current := context.get("groupId"), str):
        return _text("context.groupId", current)  # analytics.js repeats the visitor's company on every event
    return group_id


def _previous_id(kind: Kind, call: Call, anonymous_id: str | None) -> str | None:
    previous_id = _text("previousId", call.previous_id)
    if kind is Kind.ALIAS and previous_id is None:
        if anonymous_id is None or call.user_id is None:
            raise Unacceptable("missing_previous_id", "alias needs previousId: who was it before?")
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


def _useful(kind: Kind, context: dict[str, Any], arrival: Arrival) -> dict[str, Any]:
    if arrival.told:
        context = {**arrival.told, **context}
    useful = {name: value for name, value in context.items() if name in KEPT_CONTEXT}
    if arrival.truncates_ip and "ip" in useful:
        useful["ip"] = truncated(useful["ip"])
    if kind is Kind.GROUP and "traits" in context:
        useful["traits"] = context["traits"]
    return useful
