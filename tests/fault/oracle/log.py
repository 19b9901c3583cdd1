"""The topic `events` against what was sent: which call each record is, and which records are poison."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fault.oracle.calls import EPOCH, KINDS, RECYCLE, ROUTER, Recycled, Sent, Told

Record = tuple[bytes | None, bytes | None, int]
"""Key, value, and when Kafka took it (ms since 1970)."""
_TEXTS = ("id", "source", "key")
_MAYBE_TEXTS = ("user_id", "anonymous_id", "group_id", "previous_id")


@dataclass(frozen=True)
class Paired:
    """`log`: the calls in the order of their records, copies included, and what the router has told in between. `lost`:
    calls without a record (source, message id); `foreign`: events that nobody sent; `poison`: numbers of the records
    that must become dead letters."""

    log: list[Told]
    lost: set[tuple[str, str]]
    foreign: list[tuple[str, str]]
    poison: list[int]


def pair(calls: Mapping[tuple[str, str], Mapping[str, Any]], records: Iterable[Record]) -> Paired:
    """`calls`: (source, message id) → call as sent. `records`: in order within each partition.

    The log tells only when a call was received and when Kafka took it; what it says is taken from the call."""
    log, foreign, poisonous, found = list[Told](), [], [], set()
    for number, (key, value, taken) in enumerate(records):
        if poison(key, value) is not None:
            poisonous.append(number)
            continue
        record = json.loads(value or b"")
        if record["source"] == ROUTER:
            log.append(_told_by_router(record, taken))
            continue
        identity = (record["source"], record["id"])
        if identity not in calls:
            foreign.append(identity)
            continue
        found.add(identity)
        at = datetime.fromtimestamp(taken / 1000, UTC)
        log.append(Sent(calls[identity], _moment(record["received_at"]), record["source"], taken=at))
    return Paired(log, set(calls) - found, foreign, poisonous)


def poison(key: bytes | None, value: bytes | None) -> str | None:
    """Why a record of `events` is no event of its lead and must become a dead letter; None: it is one."""
    if value is None:
        return "no value"
    try:
        record = json.loads(value.decode())
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    if not isinstance(record, dict):
        return "no object"
    return _wrong_field(record) or _wrong_key(record["key"], key)


def _wrong_field(record: Mapping[str, Any]) -> str | None:
    wrong = [name for name in _TEXTS if not isinstance(record.get(name), str)]
    wrong += [name for name in _MAYBE_TEXTS if not isinstance(record.get(name), str | None)]
    wrong += [name for name in ("traits", "properties", "context") if not isinstance(record.get(name, {}), dict)]
    wrong += [name for name in ("time", "received_at") if not _is_moment(record.get(name))]
    if record.get("kind") not in KINDS and not _is_of_router(record):
        wrong.append("kind")
    if not isinstance(record.get("name", ""), str):
        wrong.append("name")
    if not isinstance(record.get("historical", False), bool):
        wrong.append("historical")
    return f"wrong or missing: {', '.join(wrong)}" if wrong else None


def _is_of_router(record: Mapping[str, Any]) -> bool:
    """It tells that a lead is recycled, and why."""
    if (record.get("kind"), record.get("source")) != (RECYCLE, ROUTER):
        return False
    properties = record.get("properties")
    is_told_why = isinstance(properties, dict) and isinstance(properties.get("reason"), str)
    return is_told_why and not record.get("traits") and not record.get("historical")


def _told_by_router(record: Mapping[str, Any], taken: int) -> Told:
    """Of these the log itself is the only witness: whether they are right is another question."""
    times = [(_moment(record[name]) - EPOCH) // timedelta(milliseconds=1) for name in ("time", "received_at")]
    if record["kind"] == RECYCLE:
        return Recycled(record["key"], record["id"], min(*times, taken))
    call = {"type": record["kind"], "userId": record["key"], "messageId": record["id"], "event": record.get("name", "")}
    call |= {"timestamp": record["time"], "properties": record.get("properties", {})}
    return Sent(call, _moment(record["received_at"]), ROUTER, taken=datetime.fromtimestamp(taken / 1000, UTC))


def _wrong_key(told: str, key: bytes | None) -> str | None:
    try:
        return None if told and told.encode() == key else "the record's key is not the event's"
    except UnicodeEncodeError:
        return "the event's key is no text"


def _is_moment(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return _moment(value).tzinfo is not None
    except ValueError:
        return False


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
