"""Which records of topic `events` are events: one answer for every service that reads the log.

Otherwise one of them might keep what another has buried, such as contact data of a lead that never has a score.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from shared import activation, between, erasure, recycling
from shared.events import ERASE, LINK, MEMBER, PLAYBOOK, RECYCLE, Event, decode_event

MAX_KEY_BYTES = 1_100
"""256 characters of UTF-8 and a prefix, well below what a Postgres index can hold (2,704 bytes)."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Receptions outside were written by a broken clock. One of them would age its lead's points away for good."""
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def accepted(key: bytes | None, value: bytes | None, appended: int) -> Event:
    """The event in a record that Kafka took at `appended` (ms since 1970). Raises `ValueError` saying why it is none.

    Nothing is received after Kafka has it: the clock of an ingest that is ahead must not age all that a lead did."""
    if value is None:
        raise ValueError("a record without a value is no event")
    try:
        event = decode_event(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"no event: {error}") from error
    try:
        encoded = event.key.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"the event's key is no text: {error}") from error
    if not encoded or encoded != key:
        # Its lead lives in the partition of the event's key; a second state elsewhere would tear the lead in two.
        raise ValueError("the record's key is not the event's key")
    if len(encoded) > MAX_KEY_BYTES or b"\0" in encoded:
        raise ValueError(f"the key has {len(encoded)} bytes ({MAX_KEY_BYTES} are allowed) or holds a NUL character")
    time, received_at = event.time, event.received_at
    if time.tzinfo is None or received_at.tzinfo is None:
        raise ValueError("time and received_at need a time zone")
    if not EARLIEST <= received_at < LATEST:
        raise ValueError(f"received_at {received_at.isoformat()} is outside of the years 2000 to 2099")
    # Only in the first and the last year does the zone matter.
    if not (1 < time.year < 9999 or FIRST <= time <= LAST):
        raise ValueError("time is outside of the years 1 to 9999 in UTC")
    kind = event.kind
    if kind is LINK or kind is MEMBER:
        between.check(event)
    elif kind is RECYCLE:
        recycling.check(event)
    elif kind is PLAYBOOK:
        activation.check(event)
    elif kind is ERASE:
        erasure.check(event)
    taken_at = _moment(appended)
    return event if received_at <= taken_at else msgspec.structs.replace(event, received_at=taken_at)


def accepted_before(value: bytes, appended: int) -> Event:
    """The event in a record that `accepted` has accepted, in half the time."""
    event, taken_at = decode_event(value), _moment(appended)
    return event if event.received_at <= taken_at else msgspec.structs.replace(event, received_at=taken_at)


@lru_cache(maxsize=16)  # records that were sent together have one time
def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
