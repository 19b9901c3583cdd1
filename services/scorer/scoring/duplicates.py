"""Copies of one message count once: the first in the log.

Remembered are 64-bit hashes of (source, message id): of those that Kafka took on the lead's newest day and the day
before, so for at least 24 hours, the latest `MAX_REMEMBERED`. Beyond either bound a copy would count again. The day is
Kafka's and not the ingest's: copies come by way of different ingests, of which one may have a wrong clock.
"""

from __future__ import annotations

from hashlib import blake2b

from services.scorer.scoring.state import LeadState
from shared.events import Event

MAX_REMEMBERED = 1_000  # they are written with the lead's state, each time: 10 bytes each


def digest_of(event: Event) -> int:
    """The same for all copies of a message."""
    return int.from_bytes(
        blake2b(f"{event.source}\0{event.id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    )


def first_copy(state: LeadState, digest: int, today: int) -> bool:
    """Remember the message, which Kafka took on day `today`; False when a copy of it was already counted."""
    seen = state.seen
    for ids in seen.values():
        if digest in ids:
            return False
    of_today = seen.get(today)
    if of_today is None:
        of_today = _begin_day(seen, today)
    of_today[digest] = None
    if (len(of_today) if len(seen) == 1 else sum(map(len, seen.values()))) > MAX_REMEMBERED:
        _forget_one(seen)
    return True


def _begin_day(seen: dict[int, dict[int, None]], today: int) -> dict[int, None]:
    """Room for the ids of `today`, which is kept unless it is long past."""
    ids: dict[int, None] = {}
    newest = max(today, *seen) if seen else today
    if newest - today <= 1:
        seen[today] = ids
    for day in [day for day in seen if newest - day > 1]:
        del seen[day]
    return ids


def _forget_one(seen: dict[int, dict[int, None]]) -> None:
    oldest = min(seen)
    ids = seen[oldest]
    del ids[next(iter(ids))]  # the one that came first
    if not ids:
        del seen[oldest]
