"""Copies of one message count once: the first in the log.

Remembered are 40-bit hashes of (source, message id): of those that Kafka took on the lead's newest day and the day
before, so for at least 24 hours, the latest `MAX_REMEMBERED`. Beyond either bound a copy would count again. The day is
Kafka's and not the ingest's: copies come by way of different ingests, of which one may have a wrong clock.

Two messages of one lead may have the same hash, and the second would not count: of a lead with 20 messages in two days
one in fifty thousand million, of one with the most that are remembered one in a thousand million. Who looks for such
messages finds them: whoever sends them has only itself to deceive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from xxhash import xxh3_64_digest

from services.scorer.scoring.state import LeadState
from shared.events import Event

MAX_REMEMBERED = 1_000
DIGEST_BYTES = 5  # they are written with the lead's state, each time
_FEW, _MANY = 8, 64
"""So few events had better look through all hashes, so many into a set: which takes as long to make as looking through
them some sixty times."""


def digest_of(event: Event) -> bytes:
    """The same for all copies of a message."""
    return xxh3_64_digest(f"{event.source}\0{event.id}".encode("utf-8", "surrogatepass"))[:DIGEST_BYTES]


class Copied(Protocol):
    """An event by its hash, and the day on which Kafka took it."""

    @property
    def digest(self) -> bytes: ...
    @property
    def day(self) -> int: ...


E = TypeVar("E", bound=Copied)


def fresh(state: LeadState, events: Sequence[E]) -> list[E]:
    """Those of a lead's events, in log order, of which no copy was counted before; they are remembered."""
    seen, found = state.seen, list[E]()
    # To look through a thousand hashes takes a microsecond.
    is_worth = len(events) > _FEW and (len(events) > _MANY or len(events) * 2 > _size(seen))
    index = _index(seen) if is_worth else None
    for heard in events:
        digest = heard.digest
        if digest in index if index is not None else _is_in(seen, digest):
            continue
        found.append(heard)
        forgotten = _remember(seen, digest, heard.day)
        if index is not None:
            index.add(digest)
            if forgotten:
                index.difference_update(messages(forgotten))
    return found


def messages(ids: bytes) -> list[bytes]:
    """The hashes of one day, one by one."""
    return [ids[at : at + DIGEST_BYTES] for at in range(0, len(ids), DIGEST_BYTES)]


def _size(seen: dict[int, bytes]) -> int:
    size = 0
    for ids in seen.values():  # a third of what `sum` takes, as it is asked for each event
        size += len(ids)
    return size // DIGEST_BYTES


def _index(seen: dict[int, bytes]) -> set[bytes]:
    return {digest for ids in seen.values() for digest in messages(ids)}


def _is_in(seen: dict[int, bytes], digest: bytes) -> bool:
    for ids in seen.values():
        at = ids.find(digest)
        while at % DIGEST_BYTES and at > 0:  # only across the border of two
            at = ids.find(digest, at + 1)
        if at >= 0:
            return True
    return False


def _remember(seen: dict[int, bytes], digest: bytes, today: int) -> bytes:
    """Gives the hashes that are forgotten for it: of days that are over, the oldest, or this one itself."""
    forgotten = b""
    of_today = seen.get(today)
    if of_today is None:
        newest = max(today, *seen) if seen else today
        for day in [day for day in seen if newest - day > 1]:
            forgotten += seen.pop(day)
        if newest - today > 1:
            return forgotten + digest
        seen[today] = digest
    else:
        seen[today] = of_today + digest
    if _size(seen) > MAX_REMEMBERED:
        oldest = min(seen)
        forgotten += seen[oldest][:DIGEST_BYTES]  # the one that came first
        seen[oldest] = seen[oldest][DIGEST_BYTES:]
        if not seen[oldest]:
            del seen[oldest]
    return forgotten
