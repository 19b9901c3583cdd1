"""Does an event match, as the playbook says it: by kind, name, properties and the fields that it reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fault.oracle.values import passes


def matches(match: Mapping[str, Any], kind: str, name: str, properties: Any, fields: Mapping[str, Any]) -> bool:
    """`event` names a track call; `where` asks the properties, `traits` the fields that this event reports; one of the
    matches `of` must hold too, where there are some (see `playbook`)."""
    wanted = match.get("event")
    if wanted is not None and (kind != "track" or name not in ([wanted] if isinstance(wanted, str) else wanted)):
        return False
    if match.get("kind", kind) != kind:
        return False
    if "of" in match and not any(matches(one, kind, name, properties, fields) for one in match["of"]):
        return False
    return all(passes(check, at(properties, path)) for path, check in match.get("where", {}).items()) and all(
        passes(check, fields.get(field)) for field, check in match.get("traits", {}).items()
    )


def at(values: Any, path: str) -> Any:
    """The value under a dotted path; a key that itself has dots comes first. None when there is nothing."""
    if not isinstance(values, Mapping):
        return None
    if path in values:
        return values[path]
    head, _, rest = path.partition(".")
    return at(values.get(head), rest) if rest else None
