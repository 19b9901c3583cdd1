"""The ledger's SQL: whole batches in few statements. Every function works inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import RowMapping, TextClause, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router import outbox
from services.router.batch import Place, Row, Rows, Scored
from services.router.bulk import Bulk, BulkInsert, BulkUpdate, replace_on, write
from services.router.contact import ContactDatum
from services.router.deal_rows import DEALS, stall
from services.router.lifecycle.decide import COUNTED
from services.router.lifecycle.model import HandOff, Lead, Status
from services.router.messages import HandOffMessage, decode_handoff
from services.router.tables import OPEN_STATUSES, contacts, handoff_changes, handoffs, leads, stage_changes
from services.router.tables import outbox as outbox_table
from shared.scores import ScoreRecord, decode_score

OUTBOX_CHANNEL = "tasuki_outbox"
_SCORE_COLUMNS = ("total", "score_at", "score")
_REACHED = Lead.__struct_fields__.index("reached")
_LEAD_COLUMNS = (*Lead.__struct_fields__, *_SCORE_COLUMNS)
_HANDOFF_COLUMNS = (*HandOff.__struct_fields__, "message")

_contacts = BulkInsert(
    contacts,
    ContactDatum.__struct_fields__,
    "ON CONFLICT (lead_id, field) DO UPDATE SET value = EXCLUDED.value, at = EXCLUDED.at, "
    "event_id = EXCLUDED.event_id, canonical = EXCLUDED.canonical "
    "WHERE (contacts.at, contacts.event_id) < (EXCLUDED.at, EXCLUDED.event_id)",
)
_leads = BulkInsert(leads, _LEAD_COLUMNS, replace_on("lead_id", _LEAD_COLUMNS))
_counted = BulkUpdate(leads, ("lead_id", "score_seq", *COUNTED, *_SCORE_COLUMNS), "counted")
_scores = BulkUpdate(leads, ("lead_id", "score_seq", *_SCORE_COLUMNS))
_stages = BulkInsert(stage_changes, stage_changes.columns.keys())
_handoffs = BulkInsert(handoffs, _HANDOFF_COLUMNS, replace_on("handoff_id", _HANDOFF_COLUMNS))
_handoff_changes = BulkInsert(handoff_changes, ("lead_id", "seq", "handoff_id", "status", "at", "by", "note", "reason"))
_outbox = BulkInsert(outbox_table, outbox.COLUMNS)

WITH_MEMBERS = (
    "SELECT id AS root, id FROM unnest(CAST(:ids AS text[])) AS id UNION ALL SELECT k.id, m.lead_id "
    "FROM unnest(CAST(:ids AS text[])) AS k (id) "
    "CROSS JOIN LATERAL (SELECT lead_id FROM leads WHERE merged_into = k.id OFFSET 0) AS m"
)
"""Leads (`root`), each with its own id and those of its members. OFFSET 0 makes Postgres look each of them up: while it
knows nothing of a table yet, it reads contacts as a whole for a few dozen leads, which takes ten times as long."""

_advance = text(
    # Locked in one order, or two workers that disagree about their partitions could wait for each other for ever.
    "WITH wanted AS (SELECT * FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[]), "
    "CAST(:expected AS bigint[]), CAST(:next AS bigint[])) AS w (topic, partition, expected, next)), "
    "locked AS (SELECT o.topic, o.partition FROM offsets o JOIN wanted w USING (topic, partition) "
    "WHERE o.next_offset = w.expected ORDER BY o.topic, o.partition FOR UPDATE OF o) "
    "UPDATE offsets o SET next_offset = w.next FROM wanted w JOIN locked l USING (topic, partition) "
    "WHERE o.topic = w.topic AND o.partition = w.partition AND o.next_offset = w.expected RETURNING o.erasures"
)
_start_offsets = text(
    "INSERT INTO offsets (topic, partition, next_offset, erasures) "
    "SELECT topic, partition, 0, (SELECT COALESCE(max(erasure_id), 0) FROM erasures) "
    "FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[])) AS w (topic, partition) ON CONFLICT DO NOTHING"
)
_read_offsets = text(
    "SELECT topic, partition, next_offset FROM offsets JOIN "
    "unnest(CAST(:topics AS text[]), CAST(:partitions AS int[])) AS w (topic, partition) USING (topic, partition)"
)
_lock_leads = text(
    f"SELECT {', '.join(Lead.__struct_fields__)}, score FROM leads "
    "WHERE lead_id = ANY(CAST(:ids AS text[])) ORDER BY lead_id FOR UPDATE"
)
_lock_ids = text(
    # In one order, or two transactions could wait for each other for ever.
    "SELECT pg_advisory_xact_lock(hashtextextended(id, 0)) FROM "
    "(SELECT id FROM unnest(CAST(:ids AS text[])) AS id ORDER BY id) AS ordered"
)
_lock_kin = text(
    "WITH RECURSIVE up AS (SELECT lead_id, merged_into FROM leads WHERE lead_id = ANY(CAST(:named AS text[])) "
    # As above: joined, all leads are read, which took 12 of a transaction's 30 ms at 20,000 leads.
    "UNION SELECT l.* FROM up CROSS JOIN LATERAL "
    "(SELECT lead_id, merged_into FROM leads WHERE lead_id = up.merged_into OFFSET 0) AS l) "
    f"SELECT {', '.join(Lead.__struct_fields__)}, score, lead_id IN (SELECT lead_id FROM up) FROM leads WHERE lead_id "
    "= ANY(ARRAY(SELECT lead_id FROM up UNION SELECT unnest(CAST(:ids AS text[])))) ORDER BY lead_id FOR UPDATE"
)


@dataclass(frozen=True, slots=True)
class Timed:
    """The statements that find what is due by one of a lead's moments."""

    next: TextClause
    lock: TextClause


def _timed(column: str) -> Timed:
    return Timed(
        # One look into the index for each lane.
        next=text(
            f"SELECT l.lane, c.{column} AS moment FROM unnest(CAST(:lanes AS int[])) AS l (lane) CROSS JOIN LATERAL "
            f"(SELECT {column} FROM leads WHERE leads.lane = l.lane AND {column} IS NOT NULL "
            f"ORDER BY {column} LIMIT 1) AS c"
        ),
        # Asked again under the lock: whoever held it before may have done it, or scored the lead anew.
        lock=text(
            f"SELECT {', '.join(Lead.__struct_fields__)}, score FROM leads WHERE lead_id = ANY(ARRAY("
            f"SELECT lead_id FROM leads WHERE lane = :lane AND {column} <= :until ORDER BY {column} LIMIT :limit)) "
            f"AND {column} <= :until ORDER BY lead_id FOR UPDATE SKIP LOCKED"
        ),
    )


_now = text("SELECT clock_timestamp()")
COOLING, DEADLINES = _timed("cools_at"), _timed("due_at")
_open_handoffs = text(
    f"SELECT {', '.join(HandOff.__struct_fields__)} FROM handoffs "
    f"WHERE lead_id = ANY(CAST(:ids AS text[])) AND status IN ({OPEN_STATUSES})"
)
_frozen_messages = text("SELECT handoff_id, message FROM handoffs WHERE handoff_id = ANY(CAST(:ids AS text[]))")
_read_contacts = text(
    # An empty value was told to be empty: kept, or an older one that arrives late would come back to life.
    # What was told under another id of the same lead is its own; the newest counts.
    "SELECT lead_id, field, value FROM (SELECT DISTINCT ON (i.root, c.field) i.root AS lead_id, c.field, c.value "
    f"FROM ({WITH_MEMBERS} UNION ALL SELECT * FROM unnest(CAST(:into AS text[]), CAST(:members AS text[]))) AS i "
    "CROSS JOIN LATERAL (SELECT field, value, at, event_id FROM contacts WHERE lead_id = i.id OFFSET 0) AS c "
    "ORDER BY i.root, c.field, c.at DESC, c.event_id DESC) AS newest WHERE value <> ''"
)
_outbox_rows = text(
    "SELECT o.* FROM unnest(CAST(:lanes AS int[])) AS l (lane) CROSS JOIN LATERAL "
    "(SELECT * FROM outbox WHERE outbox.lane = l.lane ORDER BY outbox.id LIMIT :limit) AS o ORDER BY o.id"
)
_delete_outbox = text("DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[]))")
_update_lead = text(
    "UPDATE leads SET "
    + ", ".join(
        f"{name} = string_to_array(:{name}, E'\\x1f')" if name == "reached" else f"{name} = :{name}"
        for name in Lead.__struct_fields__
        if name not in ("lead_id", "lane")
    )
    + " WHERE lead_id = :lead_id"
)


class OffsetsMoved(Exception):
    """Another worker has gone on with one of these partitions: it owns them now."""


async def advance(connection: AsyncConnection, offsets: Mapping[Place, tuple[int, int]]) -> int:
    """Move offsets from the expected to the next ones. Gives the number of the latest erasure; until this transaction
    ends there is no other. Raises `OffsetsMoved` unless all were as expected."""
    places = sorted(offsets)
    values = {
        "topics": [topic for topic, _ in places],
        "partitions": [partition for _, partition in places],
        "expected": [offsets[place][0] for place in places],
        "next": [offsets[place][1] for place in places],
    }
    moved = (await connection.execute(_advance, values)).scalars().all()
    if len(moved) != len(places):
        raise OffsetsMoved(f"{len(places) - len(moved)} of {len(places)} offsets were moved by another worker")
    return max(moved, default=0)


async def starting_offsets(connection: AsyncConnection, places: Iterable[Place]) -> dict[Place, int]:
    """Where to go on reading; a partition never read before begins at 0."""
    wanted = sorted(places)
    values = {"topics": [topic for topic, _ in wanted], "partitions": [partition for _, partition in wanted]}
    await connection.execute(_start_offsets, values)
    rows = await connection.execute(_read_offsets, values)
    return {(row.topic, row.partition): row.next_offset for row in rows}


async def lock_leads(connection: AsyncConnection, ids: Iterable[str]) -> tuple[dict[str, Lead], dict[str, bytes]]:
    """The leads that exist, locked in id order, so that two transactions never wait for each other; and the score
    record that each row keeps: not decoded, as of most of a batch it is not needed."""
    rows = (await connection.execute(_lock_leads, {"ids": sorted(ids)})).all()
    return {row[0]: _lead_in_order(row[:-1]) for row in rows}, {row[0]: row[-1] for row in rows}


async def lock_scored(connection: AsyncConnection, ids: Iterable[str]) -> tuple[dict[str, Lead], dict[str, Scored]]:
    """As `lock_leads`, with all scores decoded."""
    leads, raw = await lock_leads(connection, ids)
    return leads, decoded(raw, leads)


async def lock_ids(connection: AsyncConnection, ids: Iterable[str]) -> None:
    """Until the end of the transaction nobody else who asks for one of these goes on, whether it has a row or not."""
    await connection.execute(_lock_ids, {"ids": sorted(ids)})


async def lock_kin(
    connection: AsyncConnection, ids: Iterable[str], named: Iterable[str]
) -> tuple[dict[str, Lead], dict[str, bytes], set[str]]:
    """As `lock_leads`, with those of `named` that are leads, and whom they are part of: who these are, too."""
    rows = (await connection.execute(_lock_kin, {"ids": list(ids), "named": sorted(named)})).all()
    return (
        {row[0]: _lead_in_order(row[:-2]) for row in rows},
        {row[0]: row[-2] for row in rows},
        {row[0] for row in rows if row[-1]},
    )


def decoded(raw: Mapping[str, bytes], ids: Iterable[str]) -> dict[str, Scored]:
    """By lead id the score records of those that have one."""
    return {lead_id: Scored(decode_score(raw[lead_id]), raw[lead_id]) for lead_id in ids if lead_id in raw}


async def next_due(connection: AsyncConnection, timed: Timed, lanes: Iterable[int]) -> dict[int, datetime]:
    """By lane, when its next lead is due; lanes without any are left out."""
    rows = await connection.execute(timed.next, {"lanes": list(lanes)})
    return {row.lane: row.moment for row in rows}


async def now(connection: AsyncConnection) -> datetime:
    """What Postgres's clock says."""
    moment: datetime = (await connection.execute(_now)).scalar_one()
    return moment


async def lock_due(
    connection: AsyncConnection, timed: Timed, lane: int, until: datetime, limit: int
) -> tuple[dict[str, Lead], dict[str, Scored]]:
    """At most `limit` leads of a lane that are due by `until`, with their scores, locked in id order. Leads that others
    have locked are left out."""
    rows = (await connection.execute(timed.lock, {"lane": lane, "until": until, "limit": limit})).mappings().all()
    return (
        {row["lead_id"]: lead_of(row) for row in rows},
        {row["lead_id"]: Scored(decode_score(row["score"]), row["score"]) for row in rows},
    )


async def open_handoffs(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, HandOff]:
    """By lead id."""
    rows = (await connection.execute(_open_handoffs, {"ids": list(ids)})).mappings().all()
    return {row["lead_id"]: handoff_of(row) for row in rows}


async def frozen_messages(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, HandOffMessage]:
    """By hand-off id the message as it was offered."""
    rows = (await connection.execute(_frozen_messages, {"ids": list(ids)})).all()
    return {id: decode_handoff(message) for id, message in rows}


async def handoff(connection: AsyncConnection, handoff_id: str) -> HandOff:
    """One hand-off that exists. Its lead must be locked already."""
    row = (await connection.execute(select(handoffs).where(handoffs.c.handoff_id == handoff_id))).mappings().one()
    return handoff_of(row)


async def latest_score(connection: AsyncConnection, lead_id: str) -> ScoreRecord:
    """The score record that a lead's row keeps."""
    raw = await connection.scalar(select(leads.c.score).where(leads.c.lead_id == lead_id))
    return decode_score(raw or b"")


async def contacts_of(
    connection: AsyncConnection, ids: Sequence[str], members: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """Contact data by lead id and field. `members`: by id the lead that it belongs to, though no row says so yet."""
    if not ids:
        return {}
    found: dict[str, dict[str, str]] = defaultdict(dict)
    new = members or {}
    values = {"ids": list(ids), "into": list(new.values()), "members": list(new)}
    for row in await connection.execute(_read_contacts, values):
        found[row.lead_id][row.field] = row.value
    return found


async def save_contacts(connection: AsyncConnection, data: Iterable[ContactDatum]) -> None:
    """Keep the newest value of each field."""
    newest: dict[tuple[str, str], ContactDatum] = {}
    for datum in data:
        key = (datum.lead_id, datum.field)
        if key not in newest or (newest[key].at, newest[key].event_id) < (datum.at, datum.event_id):
            newest[key] = datum
    # In one order, as another worker may hold some of these rows while partitions change hands.
    await write(connection, (_contacts, [msgspec.structs.astuple(newest[key]) for key in sorted(newest)]))


async def save(connection: AsyncConnection, rows: Rows) -> None:
    """Write everything that was decided."""
    deals = [msgspec.structs.astuple(deal) for deal in rows.deals.values()]
    await write(
        connection,
        (_scores, rows.scores),
        (_counted, rows.counted),
        (_leads, rows.leads),
        (DEALS, deals),
        *_changes(rows),
    )
    if rows.stalled:
        await stall(connection, rows.stalled)  # after the deals: the one that was lost just now is no open one


def _changes(rows: Rows) -> tuple[tuple[Bulk, Sequence[Row]], ...]:
    return (
        (_stages, rows.stages),
        # Closed hand-offs come before the ones opened later: row by row, a lead has never two open.
        (_handoffs, list(rows.handoffs.values())),
        (_handoff_changes, rows.handoff_changes),
        (_outbox, rows.outbox),
    )


async def save_outbox(connection: AsyncConnection, rows: Sequence[outbox.OutboxRow]) -> None:
    await write(connection, (_outbox, rows))


async def update_lead(connection: AsyncConnection, lead: Lead) -> None:
    """For a change that came from a person: the score stays."""
    await connection.execute(_update_lead, {**msgspec.structs.asdict(lead), "reached": "\x1f".join(lead.reached)})


async def outbox_rows(connection: AsyncConnection, lanes: Iterable[int], limit: int) -> Sequence[RowMapping]:
    """The oldest messages of these lanes in id order, at most `limit` of each: a lane that cannot send must not crowd
    out the others. Never ask for ids greater than the last one seen: ids of other leads may become visible later than
    greater ones."""
    return (await connection.execute(_outbox_rows, {"lanes": list(lanes), "limit": limit})).mappings().all()


async def delete_outbox(connection: AsyncConnection, ids: Sequence[int]) -> None:
    await connection.execute(_delete_outbox, {"ids": list(ids)})


def _lead_in_order(row: Sequence[Any]) -> Lead:
    """As `lead_of`, of a row that has nothing else: by place, as this is done for nearly every record."""
    values = list(row)
    values[_REACHED] = tuple(values[_REACHED])
    return Lead(*values)


def lead_of(row: Mapping[Any, Any] | RowMapping) -> Lead:
    return Lead(**{name: row[name] for name in Lead.__struct_fields__} | {"reached": tuple(row["reached"])})


def handoff_of(row: Mapping[Any, Any] | RowMapping) -> HandOff:
    values = {name: row[name] for name in HandOff.__struct_fields__}
    lists = {name: tuple(values[name]) for name in ("tried", "attached")}
    return HandOff(**values | lists | {"status": Status(values["status"])})
