"""Why something was decided, part by part, as people and subscribers read it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from shared.scores import PLAYBOOK_CHANGED, ScoreRecord


class Leaf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part of a condition and how it stands, in words: `reason` holds the met ones, `missing` the others."""

    condition: str
    met: bool
    label: dict[str, str]
    name: str | None = None
    wanted: Any = None
    value: Any = None
    at: datetime | None = None  # of what has ended or will end with time, or began with another playbook: when


def because_of_playbook(record: ScoreRecord) -> list[Leaf]:
    """As part of a reason: that the lead did nothing, but the rules have changed. Empty for all other records."""
    trigger = record.trigger
    if trigger.kind != PLAYBOOK_CHANGED:
        return []
    id = trigger.event_id
    label = {"ja": f"プレイブックの変更({id})", "en": f"The playbook has changed ({id})"}
    return [Leaf(condition="playbook", name=id, met=True, label=label, at=trigger.time)]
