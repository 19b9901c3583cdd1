"""What is read of a request, and what becomes of it: a body in, accepted `Event`s and rejected ones with their reasons
out. Pure.

One bad event never harms its neighbours: every event of a request is cut out as raw bytes first and read alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from services.ingest.schemas import Call
from shared.events import Event, Kind

ReadCall = Callable[[msgspec.Raw], Call | list[Call]]
"""One event as its sender wrote it, in Segment's words: one call; what a webhook tells may be several, or none. Raises
`ValueError`, or `Unacceptable`."""


@dataclass(frozen=True)
class Envelope:
    """One request: its events as raw JSON, how to read one, and what the request says about all of them. `headers` are
    those without which its events mean nothing."""

    items: list[msgspec.Raw]
    kind: Kind | None  # from the path; None in a batch, whose events name their own
    read: ReadCall
    write_key: str | None = None
    sent_at: str | None = None
    context: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_batch: bool = False


@dataclass(frozen=True)
class Arrival:
    """Where and when a request came in; `new_id` names events that came without a messageId. `told` is for the context
    of its events that do not say it themselves; with `truncates_ip` only the network of an address is kept."""

    source: str
    received_at: datetime
    path: str
    new_id: Callable[[], str]
    told: Mapping[str, Any] = field(default_factory=dict)
    truncates_ip: bool = False


@dataclass(frozen=True)
class Rejection:
    """An event that is kept aside: `raw` is what the sender wrote."""

    index: int
    code: str
    message: str
    message_id: str | None
    raw: bytes


class Taken(msgspec.Struct, frozen=True):
    """What is needed of an accepted event once it is encoded: decoded it takes many times its bytes."""

    kind: Kind
    key: str


@dataclass(frozen=True)
class Parsed:
    """In the order of the request; `values` are the accepted events as they are stored. Of a webhook `indices` are the
    places in the request that they are from; else each is from one place."""

    accepted: list[Event | Taken]
    rejected: list[Rejection]
    values: list[bytes]
    indices: list[int] = field(default_factory=list)


class Unacceptable(Exception):
    """An event that is put aside, with the code of the reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
