"""What is known of a lead at a moment, and what of that counts: what criteria look at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared.points import to_micro
from shared.scores import ScoreRecord, Signal

NOTHING = -(2**62)
"""Micro-points, less than any condition asks for: a total that does not count."""


class Facts(msgspec.Struct, frozen=True):
    """What criteria look at, as it is `at` a moment. Points are micro-points; signals not shown after `since` do not
    count. `waits`: the lead was recycled, and until its waiting time is over only what it shows leads it on. `valve`: a
    stage, and the total that its valve asks for now; None: as the playbook says."""

    at: datetime
    signals: Mapping[str, Signal]
    total: int
    attribute: int
    level: int
    fields: Mapping[str, Any]
    since: datetime | None = None
    waits: bool = False
    valve: tuple[str, int] | None = None


def all_facts(record: ScoreRecord, at: datetime | None = None) -> Facts:
    """Everything known: for what a lead *is* (guards, exclusions, milestones). `at`: the moment, if it is later than
    the record's; points and level are the record's."""
    total, attribute = to_micro(record.total), to_micro(record.attribute)
    moment = record.time if at is None else max(at, record.time)
    return Facts(moment, record.signals, total, attribute, record.level, record.attributes)


def facts_since(  # noqa: PLR0913, PLR0917 - a line in time, as the lead has it
    facts: Facts,
    record: ScoreRecord,
    line_at: datetime,
    held_until: datetime | None,
    epoch: int,
    level_valid_for: timedelta,
) -> Facts:
    """What counts after a lead was recycled (domain C5) of all `facts` of a record: signals and levels shown after
    `line_at`, totals from `held_until` on, and only of records that begin the behaviour score at `epoch` or later.

    The day of a level's action is `level_until` less the time for which levels are valid.
    """
    level_is_new = record.level_until is not None and record.level_until - level_valid_for > line_at
    waits = held_until is not None and record.time < held_until
    return msgspec.structs.replace(
        facts,
        since=line_at,
        level=facts.level if level_is_new else 0,
        total=facts.total if record.epoch >= epoch and not waits else NOTHING,
        waits=waits,
    )
