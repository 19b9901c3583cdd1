"""Canonical values of the contact data that is in the ledger already.

They come from rules and lists of mail domains that a newer program may have changed, so they are derived anew with
every `tasuki db upgrade`. Five thousand rows at a time: a router that works meanwhile waits for a moment only, and what
it writes is not overwritten.
"""

from __future__ import annotations

import logging

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from services.router.contact import canonical

log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 5_000
_read = text(
    "SELECT lead_id, field, value, canonical FROM contacts WHERE (lead_id, field) > (:lead_id, :field) "
    "ORDER BY lead_id, field LIMIT :rows"
)
_write = text(
    "UPDATE contacts c SET canonical = r.canonical FROM unnest(CAST(:ids AS text[]), CAST(:fields AS text[]), "
    "CAST(:told AS text[]), CAST(:canonicals AS text[])) AS r (lead_id, field, value, canonical) "
    "WHERE c.lead_id = r.lead_id AND c.field = r.field AND c.value = r.value"
)


async def derive_again(database_url: str) -> None:
    """Derive every canonical value; each step is a transaction of its own, and can be repeated."""
    engine = create_async_engine(database_url, poolclass=NullPool, hide_parameters=True)
    changed, place = 0, ("", "")
    try:
        async with engine.connect() as connection:
            while True:
                different, last = await _step(connection, place)
                await connection.commit()
                changed += different
                if last is None:
                    break
                place = last
    finally:
        await engine.dispose()
    if changed:
        log.info("%d contact data name another company or department than before", changed)


async def _step(connection: AsyncConnection, place: tuple[str, str]) -> tuple[int, tuple[str, str] | None]:
    """The rows after `place`: how many were changed, and the last of them (None: there are no more)."""
    given = {"lead_id": place[0], "field": place[1], "rows": _ROWS_AT_ONCE}
    rows = (await connection.execute(_read, given)).all()
    derived = [(row.lead_id, row.field, row.value, canonical(row.field, row.value), row.canonical) for row in rows]
    different = [row[:4] for row in derived if row[3] != row[4]]
    if different:
        values = zip(("ids", "fields", "told", "canonicals"), zip(*different, strict=True), strict=True)
        await connection.execute(_write, {name: list(column) for name, column in values})
    return len(different), (rows[-1].lead_id, rows[-1].field) if rows else None
