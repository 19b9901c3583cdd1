"""One accepted behaviour event: the value of topic `events`.

The log of these records is the only thing that changes a lead's score. Times are UTC and timezone-aware;
`time` is when it happened (clock skew of the sender already corrected), `received_at` when we got it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec


class Kind(StrEnum):
    """The calls of the Segment specification that can be told about a person; what the scorer tells itself, from one
    partition to another, about who is the same person; and what the router tells it: of a lead that begins anew, and of
    one that is erased."""

    TRACK = "track"
    IDENTIFY = "identify"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"
    LINK = "link"
    MEMBER = "member"
    RECYCLE = "recycle"
    ERASE = "erase"
    PLAYBOOK = "playbook"


LINK, MEMBER, RECYCLE, ERASE, PLAYBOOK = Kind.LINK, Kind.MEMBER, Kind.RECYCLE, Kind.ERASE, Kind.PLAYBOOK
SENT = frozenset(Kind) - {LINK, MEMBER, RECYCLE, ERASE, PLAYBOOK}
"""What clients send."""


class Event(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """`id` is the sender's messageId, unique within `source`; `key` is the routing identity (and the Kafka key)."""

    kind: Kind
    id: str
    source: str
    key: str
    time: datetime
    received_at: datetime
    name: str = ""
    user_id: str | None = None
    anonymous_id: str | None = None
    group_id: str | None = None
    previous_id: str | None = None
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    context: dict[str, Any] = msgspec.field(default_factory=dict)
    historical: bool = False
    """Imported history: moves scores and stages, but offers nothing and starts no deadline."""

    @property
    def happened(self) -> datetime:
        """The time that counts."""
        return happened(self.time, self.received_at)


def happened(time: datetime, received_at: datetime) -> datetime:
    """In UTC and whole milliseconds, cut. Nothing happens after it was received: a clock in the future must not age
    everything else, nor fix a telephone number for good."""
    moment = min(time, received_at).astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


class Logged(msgspec.Struct, gc=False, frozen=True):
    """An event in its place in the log. `day` is the day (UTC, counted from 1970) on which Kafka took it: of all
    clocks the one that no sender and no ingest can set wrong."""

    offset: int
    day: int
    event: Event


encode_event = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Event)


def decode_event(raw: bytes) -> Event:
    """Raises `msgspec.MsgspecError` when the bytes are no event (the caller sends them to dead letters)."""
    return _decoder.decode(raw)
