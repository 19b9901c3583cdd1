"""The SQL of erasure. Every function works inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, TextClause, delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router.erasure.redacting import needles, without
from services.router.messages import HandOffMessage, encode
from services.router.tables import (
    contacts,
    deals,
    denied,
    erasures,
    handoff_changes,
    handoffs,
    leads,
    outbox,
    reports,
    stage_changes,
    webhook_deliveries,
)

_OF_LEADS = (webhook_deliveries, handoff_changes, handoffs, stage_changes, reports, deals, contacts, leads)
"""In this order, because of their foreign keys."""
_hold_offsets = text("SELECT FROM offsets ORDER BY topic, partition FOR UPDATE")
_tell_offsets = text("UPDATE offsets SET erasures = :erasure_id")
_IDS = "CAST(:ids AS text[])"
_is_known = text(
    "SELECT "
    + " OR ".join(
        f"EXISTS (SELECT FROM {name} WHERE lead_id = ANY({_IDS}))" for name in ("leads", "contacts", "reports", "deals")
    )
)
_own_addresses = text(
    # A mailbox that somebody else has told as well is none of one person's ids.
    f"SELECT DISTINCT value FROM contacts c WHERE field = 'email' AND value <> '' AND lead_id = ANY({_IDS}) AND "
    "NOT EXISTS (SELECT FROM contacts o WHERE o.field = 'email' AND lower(o.value) = lower(c.value) "
    f"AND o.lead_id <> ALL({_IDS}))"
)
_with_rows = text(f"SELECT lead_id FROM leads WHERE lead_id = ANY({_IDS})")
_redact = text("UPDATE handoffs SET message = :message WHERE handoff_id = :id")
_deny = text(
    "INSERT INTO denied (hash, until, erasure_id, seq, handoffs) "
    "SELECT hash, CAST(:until AS timestamptz), CAST(:erasure_id AS bigint), seq, handoffs FROM "
    "unnest(CAST(:hashes AS bytea[]), CAST(:seqs AS bigint[]), CAST(:handoffs AS int[])) AS w (hash, seq, handoffs) "
    "ON CONFLICT (hash) DO UPDATE SET until = GREATEST(denied.until, EXCLUDED.until), "
    "erasure_id = EXCLUDED.erasure_id, seq = GREATEST(denied.seq, EXCLUDED.seq), "
    "handoffs = GREATEST(denied.handoffs, EXCLUDED.handoffs)"
)


def _telling(table: str, column: str, *key: str) -> tuple[TextClause, TextClause]:
    """How a column is read and written whose JSON may name other leads than the row's own."""
    is_naming = f"EXISTS (SELECT FROM unnest(CAST(:needles AS bytea[])) AS n WHERE position(n IN {column}) > 0)"
    among = "(CAST(:everywhere AS boolean) OR lead_id = ANY(CAST(:among AS text[])))"
    return (
        text(f"SELECT {column} AS told, lead_id, {', '.join(key)} FROM {table} WHERE {among} AND {is_naming}"),
        text(f"UPDATE {table} SET {column} = :told WHERE {' AND '.join(f'{name} = :{name}' for name in key)}"),
    )


_TELLING = (
    _telling("handoffs", "message", "handoff_id"),
    _telling("handoff_changes", "reason", "lead_id", "seq"),
    _telling("stage_changes", "reason", "lead_id", "seq"),
    _telling("webhook_deliveries", "body", "webhook_id", "position"),
)
Naming = tuple[TextClause, Mapping[str, Any]]


async def hold_offsets(connection: AsyncConnection) -> None:
    """Wait until all who move offsets have ended; others wait for this transaction. In the order of `advance`."""
    await connection.execute(_hold_offsets)


async def is_known(connection: AsyncConnection, ids: Collection[str]) -> bool:
    """Whether the ledger has anything about one of these ids."""
    return bool(await connection.scalar(_is_known, {"ids": list(ids)}))


async def own_addresses(connection: AsyncConnection, ids: Collection[str]) -> list[str]:
    """E-mail addresses that these ids have told, and nobody else has."""
    return list(await connection.scalars(_own_addresses, {"ids": list(ids)}))


async def with_rows(connection: AsyncConnection, ids: Collection[str]) -> set[str]:
    """Those of the ids that are leads."""
    return set(await connection.scalars(_with_rows, {"ids": list(ids)}))


async def redact(connection: AsyncConnection, messages: Mapping[str, HandOffMessage]) -> None:
    """By hand-off id: what is told of it from now on."""
    for id, message in messages.items():
        await connection.execute(_redact, {"id": id, "message": encode(message)})


async def delete_unsent(connection: AsyncConnection, ids: Collection[str]) -> int:
    """What the outbox has about these ids."""
    keys = [id.encode() for id in ids]
    return (await connection.execute(delete(outbox).where(outbox.c.key.in_(keys)))).rowcount


async def delete_rows(connection: AsyncConnection, ids: Collection[str]) -> dict[str, int]:
    """By table, how many there were."""
    removed = {}
    for table in _OF_LEADS:
        done = await connection.execute(delete(table).where(table.c.lead_id.in_(list(ids))))
        removed[table.name] = done.rowcount
    return removed


async def enter(connection: AsyncConnection, entry: Mapping[str, Any]) -> int:
    """Keep what was done; the erasure's number, of which all hear who move offsets from now on."""
    erasure_id: int = (
        await connection.execute(insert(erasures).values(entry).returning(erasures.c.erasure_id))
    ).scalar_one()
    await connection.execute(_tell_offsets, {"erasure_id": erasure_id})
    return erasure_id


async def deny(
    connection: AsyncConnection, erasure_id: int, until: datetime, numbers: Mapping[bytes, tuple[int, int]]
) -> None:
    """`numbers`: by hash of an id those of its latest message and hand-off."""
    values = {
        "hashes": list(numbers),
        "seqs": [seq for seq, _ in numbers.values()],
        "handoffs": [handoffs for _, handoffs in numbers.values()],
    }
    await connection.execute(_deny, {"erasure_id": erasure_id, "until": until, **values})


async def earlier(connection: AsyncConnection, hashed: bytes) -> RowMapping | None:
    """The entry of the latest erasure of an id."""
    query = select(erasures).join(denied, denied.c.erasure_id == erasures.c.erasure_id).where(denied.c.hash == hashed)
    return (await connection.execute(query)).mappings().one_or_none()


async def naming(connection: AsyncConnection, ids: Collection[str], among: Collection[str]) -> dict[str, list[Naming]]:
    """Rows of the leads `among` that name one of the ids, by lead, as the statements that take the names out. Without
    any, of all other leads: these tables are read as a whole, as JSON has no index."""
    found: dict[str, list[Naming]] = defaultdict(list)
    values = {"needles": needles(ids), "everywhere": not among, "among": list(among)}
    for find, write in _TELLING:
        for row in (await connection.execute(find, values)).mappings():
            if row["lead_id"] not in ids and (told := without(row["told"], ids)) != row["told"]:
                found[row["lead_id"]].append((write, {**row, "told": told}))
    return dict(found)
