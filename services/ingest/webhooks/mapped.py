"""An event of a tool as calls of Segment's specification, as its mapping says. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping as Table
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.ingest.reading.model import Unacceptable
from services.ingest.schemas import Call, Identifier
from services.ingest.webhooks.mapping import CallTemplate, Mapping, Name, Pair, Source, Time
from services.ingest.webhooks.paths import Steps, find, first

MAX_TOLD_ID = 160
"""Characters; a longer one is hashed, as ids may have 256."""
_YES = frozenset({"true", "yes", "1", "on", "○", "はい"})


def calls_of(event: Any, mapping: Mapping, name: str, raw: bytes) -> list[Call]:
    """Of `raw`, decoded as `event`; none where the mapping leaves it out. `name` is the mapping's: with it ids are
    unique. Raises `Unacceptable`."""
    if not isinstance(event, dict):
        raise Unacceptable("malformed_event", f"expected an object, got a {type(event).__name__}")
    if mapping.honeypot is not None and first(event, (mapping.honeypot,)) is not None:
        return []
    calls = []
    for number, template in enumerate(mapping.calls, start=1):
        if not all(_text(find(event, path)) in map(_text, values) for path, values in template.when.items()):
            continue
        id = f"{name} {_id(event, template.id, raw)}" + (f" {number}" if number > 1 else "")
        if call := _call(event, template, id):
            calls.append(call)
    return calls


def _call(event: dict[str, Any], template: CallTemplate, id: str) -> Call | None:
    """None where the table of names leaves such events out."""
    named = _name(event, template.name) if template.name else None
    traits = _values(event, template.traits)
    if template.trait:
        pair = _pair(event, template.trait)
        if pair is None:
            return None
        traits |= pair
    if email := _identifier(event, template.email, "email"):
        traits["email"] = str(email).strip()
    if template.name and named is None:
        return None
    return Call(
        type=template.type,
        message_id=id,
        user_id=_identifier(event, template.user_id, "userId"),
        anonymous_id=_identifier(event, template.anonymous_id, "anonymousId"),
        event=named,
        timestamp=_time(event, template.time) if template.time else None,
        properties=_properties(event, template),
        traits=traits,
        context=_context(event, template),
    )


def _id(event: dict[str, Any], paths: tuple[Steps, ...], raw: bytes) -> str:
    """All that is told of it; a copy has the same bytes if nothing is."""
    parts = [_text(part) for path in paths if (part := first(event, (path,))) is not None]
    told = "-".join(parts)
    return (
        told if told and len(told) <= MAX_TOLD_ID else hashlib.blake2b(told.encode() or raw, digest_size=16).hexdigest()
    )


def _name(event: dict[str, Any], name: Name) -> str | None:
    told = first(event, name.path)
    if told is None:
        if name.default is None:
            raise Unacceptable("missing_event_name", "there is no name where the mapping says that it is")
        return name.default
    text = _text(told)
    return name.names.get(text, text)


def _pair(event: dict[str, Any], pair: Pair) -> dict[str, Any] | None:
    told = first(event, pair.name)
    if told is None:
        raise Unacceptable("missing_trait", "there is no name of a trait where the mapping says that it is")
    name = pair.names.get(_text(told), _text(told))
    return None if name is None else {name: find(event, pair.value)}


def _identifier(event: dict[str, Any], paths: tuple[Steps, ...], what: str) -> Identifier:
    found = first(event, paths)
    if found is not None and not isinstance(found, str | int | float):
        raise Unacceptable("invalid_id", f"{what} is neither text nor number, but a {type(found).__name__}")
    return found


def _time(event: dict[str, Any], time: Time) -> str | None:
    """ISO 8601, in UTC. Raises `Unacceptable`; None where there is none, so that it happened now."""
    found = first(event, time.path)
    if found is None:
        return None
    told = _text(found)
    try:
        return _moment(told, time).astimezone(UTC).isoformat()
    except (ValueError, OverflowError, OSError) as error:
        expected = f"format {time.format}" if time.format else f"{time.as_} time"
        raise Unacceptable("invalid_time", f"{told[:64]!r} is no {expected}") from error


def _moment(told: str, time: Time) -> datetime:
    if time.as_ != "iso":
        return datetime.fromtimestamp(float(told) / (1000 if time.as_ == "unix_ms" else 1), UTC)
    text = told.strip()
    moment = datetime.strptime(text, time.format) if time.format else datetime.fromisoformat(text.upper())
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(time.time_zone))


def _properties(event: dict[str, Any], template: CallTemplate) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    if template.all_properties is not None:
        told = find(event, template.all_properties)
        if isinstance(told, dict):
            left_out = {*template.leave_out, "writeKey"}  # it is a secret, and no fact about the event
            properties = {name: value for name, value in told.items() if name not in left_out}
    return properties | _values(event, template.properties)


def _values(event: dict[str, Any], sources: Table[str, Source]) -> dict[str, Any]:
    """What is there: "no phone" stays different from any phone."""
    found = ((name, _value(event, source)) for name, source in sources.items())
    return {name: value for name, value in found if value is not None}


def _value(event: dict[str, Any], source: Source) -> Any:
    if source.value is not None:
        return source.value
    found = first(event, source.path)
    if source.as_ == "boolean" and isinstance(found, str):
        return found.strip().lower() in _YES
    return found


def _context(event: dict[str, Any], template: CallTemplate) -> dict[str, Any] | None:
    context: dict[str, Any] = {}
    for name, paths in template.context.items():
        if (found := first(event, paths)) is not None:
            context[name] = found
    ids = [
        {"type": type_, "id": found}
        for type_, paths in template.external_ids.items()
        if (found := _identifier(event, paths, type_)) is not None
    ]
    return context | {"externalIds": ids} if ids else context or None


def _text(value: Any) -> str:
    """As JSON writes it, so that a mapping may say `true` or `"true"`. Raises `Unacceptable` for what is no single
    value."""
    if isinstance(value, dict | list):
        raise Unacceptable("malformed_event", f"a {type(value).__name__} where the mapping expects a text or a number")
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
