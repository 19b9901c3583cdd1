"""Copies of one message count once: the first in the log.

Remembered are 64-bit hashes of (source, message id) for the day on which Kafka took them and the day before, so at
least for 24 hours, and at most `MAX_PER_DAY` for each of them: beyond either bound a copy would count again. The day is
Kafka's and not the ingest's: copies come by way of different ingests, of which one may have a wrong clock.
"""

from __future__ import annotations

from hashlib import blake2b

from services.scorer.scoring.state import LeadState
from shared.events import Event

MAX_PER_DAY = 1_000  # they are written with the lead's state, each time: 9 bytes each


def first_copy(state: LeadState, event: Event, today: int) -> bool:
    """Remember the event, which Kafka took on day `today`; False when a copy of it was already counted."""
    digest = _digest(event)
    if any(digest in ids for ids in state.seen.values()):
        return False
    newest = max(today, *state.seen) if state.seen else today
    if newest - today <= 1:
        ids = state.seen.setdefault(today, set())
        if len(ids) < MAX_PER_DAY:
            ids.add(digest)
    for day in [day for day in state.seen if newest - day > 1]:
        del state.seen[day]
    return True


def _digest(event: Event) -> int:
    return int.from_bytes(
        blake2b(f"{event.source}\0{event.id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    )
