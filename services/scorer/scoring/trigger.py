"""The event behind a score record, as people will read of it."""

from __future__ import annotations

from datetime import datetime

from services.scorer.scoring.touches import Touch
from shared.events import Event
from shared.reading import at_path
from shared.scores import PLAYBOOK_CHANGED, Trigger

RESCORING = "tasuki/scorer"


def trigger_of(event: Event, touch: Touch | None) -> Trigger:
    """`touch` is the action of the catalogue that the event was, if any."""
    return Trigger(
        event_id=event.id,
        source=event.source,
        kind=event.kind.value,
        time=event.time,
        received_at=event.received_at,
        name=event.name,
        channel=touch.channel if touch else None,
        action=touch.action if touch else None,
        medium=_medium(event),
    )


def playbook_trigger(playbook: str, at: datetime) -> Trigger:
    """Of a record that no event has led to, but another playbook, at the moment `at`."""
    return Trigger(
        event_id=playbook, source=RESCORING, kind=PLAYBOOK_CHANGED, time=at, received_at=at, name="Playbook Changed"
    )


def _medium(event: Event) -> str | None:
    """What led to the channel (A1): told by the sender, else the campaign's medium or source."""
    told, context = [at_path(event.properties, "medium")], event.context
    if "campaign" in context or "campaign.medium" in context or "campaign.source" in context:
        told += [at_path(context, "campaign.medium"), at_path(context, "campaign.source")]
    for medium in told:
        if isinstance(medium, str) and medium:
            return medium
    return None
