"""Messages and reasons without the people who were erased. Pure; for JSON of any of the router's shapes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from services.router.messages import Company, ContactData, HandOffMessage, Points

_MERGED = " → "


def impersonal(message: HandOffMessage) -> HandOffMessage:
    """A hand-off of which is told for the last time."""
    return msgspec.structs.replace(
        message, contact=ContactData(), points=Points(), company=Company(), colleagues=[], roles_covered=[], note=None
    )


def needles(ids: Iterable[str]) -> list[bytes]:
    """One of these is in every JSON text that names one of the ids."""
    found = []
    for id in ids:
        inner = msgspec.json.encode(id)[1:-1]
        found += [b'"' + inner + b'"', b'"' + inner + _MERGED.encode(), _MERGED.encode() + inner + b'"']
    return found


def without(raw: bytes, ids: Collection[str]) -> bytes:
    """JSON without ids in lists, without colleagues of these ids, and without their names in reasons. What the message
    itself is about stays."""
    return msgspec.json.encode(_without(msgspec.json.decode(raw), ids))


def _without(value: Any, ids: Collection[str]) -> Any:
    if isinstance(value, list):
        return [_without(one, ids) for one in value if not _is_one_of(one, ids)]
    if isinstance(value, dict):
        changed = {name: _without(one, ids) for name, one in value.items()}
        if "condition" in changed and _names(changed.get("name"), ids):
            changed["name"] = ""
        return changed
    return value


def _is_one_of(value: Any, ids: Collection[str]) -> bool:
    return value in ids if isinstance(value, str) else isinstance(value, dict) and value.get("lead_id") in ids


def _names(name: Any, ids: Collection[str]) -> bool:
    return isinstance(name, str) and any(one in ids for one in (name, *name.split(_MERGED)))
