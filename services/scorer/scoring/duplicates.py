"""Copies of one message count once: the first in the log.

Remembered are 40-bit hashes of (source, message id): of those that Kafka took on the lead's newest day and the day
before, so for at least 24 hours, the latest `MAX_REMEMBERED`. Beyond either bound a copy would count again. The day is
Kafka's and not the ingest's: copies come by way of different ingests, of which one may have a wrong clock.

Two messages of one lead may have the same hash, and the second would not count: of a lead with 20 messages in two days
one in fifty thousand million, of one with the most that are remembered one in a thousand million.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol, TypeVar

from services.scorer.scoring.state import LeadState
from shared.events import Event

MAX_REMEMBERED = 1_000
DIGEST_BYTES = 5  # they are written with the lead's state, each time


def digest_of(event: Event) -> bytes:
    """The same for all copies of a message."""
    return blake2b(f"{event.source}\0{event.id}".encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


class Copied(Protocol):
    """An event by its hash, and the day on which Kafka took it."""

    @property
    def digest(self) -> bytes: ...
    @property
    def day(self) -> int: ...


E = TypeVar("E", bound=Copied)


def fresh(state: LeadState, events: Sequence[E]) -> list[E]:
    """Those of a lead's events, in log order, of which no copy was counted before; they are remembered."""
    seen = {day: dict.fromkeys(messages(ids)) for day, ids in state.seen.items()}
    found = [heard for heard in events if _is_first(seen, heard.digest, heard.day)]
    state.seen = {day: b"".join(ids) for day, ids in seen.items()}
    return found


def messages(ids: bytes) -> list[bytes]:
    """The hashes of one day, one by one."""
    return [ids[at : at + DIGEST_BYTES] for at in range(0, len(ids), DIGEST_BYTES)]


def _is_first(seen: dict[int, dict[bytes, None]], digest: bytes, today: int) -> bool:
    for ids in seen.values():
        if digest in ids:
            return False
    of_today = seen.get(today)
    if of_today is None:
        newest = max(today, *seen) if seen else today
        for day in [day for day in seen if newest - day > 1]:
            del seen[day]
        if newest - today > 1:
            return True
        of_today = seen[today] = {}
    of_today[digest] = None
    if (len(of_today) if len(seen) == 1 else sum(map(len, seen.values()))) > MAX_REMEMBERED:
        _forget_one(seen)
    return True


def _forget_one(seen: dict[int, dict[bytes, None]]) -> None:
    oldest = min(seen)
    del seen[oldest][next(iter(seen[oldest]))]  # the one that came first
    if not seen[oldest]:
        del seen[oldest]
