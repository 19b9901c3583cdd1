"""What was read is stored, and put aside where it cannot be; failures become answers."""

from __future__ import annotations

import time

from services.ingest.collaborators import Collaborators
from services.ingest.errors import too_much_at_once, try_later
from services.ingest.publishing import Busy, NotStored, Record, TooMuch
from services.ingest.reading.model import Arrival, Envelope, Parsed
from services.ingest.reading.parse import set_aside
from services.ingest.records import records_of


async def store(with_: Collaborators, parsed: Parsed, envelope: Envelope, arrival: Arrival) -> Parsed:
    """What is accepted in the end: Kafka may have events put aside that are too large for it. Raises `Refused` (413,
    429)."""
    too_large = await _publish(with_, records_of(parsed, envelope, arrival, with_.topics))
    if not too_large:
        return parsed
    events = [place for place in too_large if place < len(parsed.accepted)]
    lost = len(too_large) - len(events)
    parsed, late = set_aside(parsed, events, envelope)
    lost += len(await _publish(with_, records_of(Parsed([], late, []), envelope, arrival, with_.topics)))
    if lost:
        raise too_much_at_once(f"{lost} rejected events are too large for {with_.topics.dead_letters}, too: not kept")
    return parsed


async def _publish(with_: Collaborators, records: list[Record]) -> list[int]:
    started = time.perf_counter()
    try:
        too_large = await with_.publisher.publish(records)
    except TooMuch as error:
        raise too_much_at_once(f"{error}: send smaller batches") from error
    except Busy as error:
        raise try_later(2, f"{error}; send it again") from error
    except NotStored as error:
        raise try_later(1, f"{error}; send it again, with the same messageId") from error
    with_.metrics.produce_seconds.observe(time.perf_counter() - started)
    return too_large
