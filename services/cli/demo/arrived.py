"""What has arrived, by name: events in the log, and ids in the ledger. Numbers alone would not do, as one that was lost
and one too many make up for each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.cli.gaps import latest_records
from shared.events import SENT, Kind
from shared.kafka import client_options
from shared.settings import CommonSettings


class _Record(msgspec.Struct):
    """As much of an event as is asked here."""

    kind: Kind
    id: str


_decode = msgspec.json.Decoder(_Record).decode


async def logged_ids(settings: CommonSettings) -> Counter[str]:
    """How often each message id is in the log, read from end to end; without what the scorer tells itself there."""
    found: Counter[str] = Counter()
    async for records in latest_records(client_options(settings), settings.topics.events, None):
        events = map(_decode, (record.value for record in records))
        found.update(event.id for event in events if event.kind in SENT)
    return found


async def ledger_ids(engine: AsyncEngine) -> dict[str, str | None]:
    """Every id that the router knows; of one that turned out to be another lead's, that one."""
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT lead_id, merged_into FROM leads"))
        return {row.lead_id: row.merged_into for row in rows}


def leadless(ids: Iterable[str], ledger: Mapping[str, str | None]) -> set[str]:
    """Those of the ids that are neither leads nor lead to one: nobody would ever work them."""
    return {id for id in ids if not _has_lead(id, ledger)}


def _has_lead(id: str, ledger: Mapping[str, str | None]) -> bool:
    seen = set[str]()
    at: str | None = id
    while at is not None:
        if at in seen or at not in ledger:
            return False
        seen.add(at)
        at = ledger[at]
    return True
