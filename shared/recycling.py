"""What the router tells the scorer of a lead that goes back into consideration (domain C5): its behaviour score begins
anew, by an event in the log, since nothing else changes a score.

The new start begins with the day after the event's (see `services.scorer.scoring.line`).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from shared.events import Event, Kind

SOURCE = "tasuki/router"
NAME = "Lead Recycled"


class Recycling(msgspec.Struct, frozen=True):
    """Properties of an event of kind `recycle`. `reason`: the id of the playbook's recycling rule."""

    reason: str


def check(event: Event) -> None:
    """Raises `ValueError` unless the event, of this kind, is the router's own."""
    if event.source != SOURCE or event.traits or event.historical:
        raise ValueError("events of kind recycle are the router's own, and never history")
    try:
        msgspec.convert(event.properties, Recycling)
    except msgspec.ValidationError as error:
        raise ValueError(f"no recycle: {error}") from error


def recycle_event(lead_id: str, id: str, reason: str, at: datetime) -> Event:
    """The lead begins anew at the moment `at`; `id` is the same however often that is told."""
    return Event(
        kind=Kind.RECYCLE,
        id=id,
        source=SOURCE,
        key=lead_id,
        time=at,
        received_at=at,
        name=NAME,
        properties=msgspec.to_builtins(Recycling(reason)),
    )
