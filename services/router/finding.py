"""Which lead somebody means: by lead id, user id or e-mail address, also by an id that is another lead's by now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router import repository
from services.router.lifecycle.model import Lead
from services.router.tables import contacts, leads
from shared.identity import known_identity

MOST_MERGES = 4
"""A visitor is an address's, that a tool's id's, and that a user id's."""
_ids = text(
    "WITH RECURSIVE down AS (SELECT CAST(:id AS text) AS lead_id "
    "UNION SELECT l.lead_id FROM down JOIN leads l ON l.merged_into = down.lead_id) SELECT lead_id FROM down"
)


async def find(connection: AsyncConnection, id: str) -> RowMapping | None:
    """The lead's row, all columns; None: nobody is known by this id."""
    found = await _row(connection, known_identity(id))
    if found is None and "@" in id:
        # A lead with a user id of its own, whose e-mail address is contact data.
        by_mail = select(contacts.c.lead_id).where(
            contacts.c.field == "email", func.lower(contacts.c.value) == id.strip().lower()
        )
        lead_id = await connection.scalar(by_mail.order_by(contacts.c.at.desc()).limit(1))
        found = await _row(connection, lead_id) if lead_id else None
    for _ in range(MOST_MERGES):
        if found is None or found["merged_into"] is None:
            break
        into = await _row(connection, found["merged_into"])
        if into is None:
            break
        found = into
    return found


async def lock(connection: AsyncConnection, lead_id: str) -> Lead | None:
    """The lead that `lead_id` is part of by now, its row locked; None: the ledger does not know it."""
    known, _, _ = await repository.lock_kin(connection, [], [lead_id])
    while (lead := known.get(lead_id)) is not None and lead.merged_into is not None:
        if lead.merged_into not in known:  # it has become part of another one just before it was locked
            known |= (await repository.lock_leads(connection, [lead.merged_into]))[0]
        if lead.merged_into not in known:
            break
        lead_id = lead.merged_into
    return lead


async def ids_of(connection: AsyncConnection, lead_id: str) -> list[str]:
    """All ids of a lead: its own first, and those of its members."""
    return list((await connection.execute(_ids, {"id": lead_id})).scalars())


async def told_at(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, datetime]:
    """By field of the contact data of a lead with these ids, when the value that counts was told."""
    query = select(contacts.c.field, contacts.c.at).where(contacts.c.lead_id.in_(ids), contacts.c.value != "")
    return {row.field: row.at for row in await connection.execute(query.order_by(contacts.c.field, contacts.c.at))}


async def _row(connection: AsyncConnection, lead_id: str) -> RowMapping | None:
    if "\0" in lead_id:
        return None
    return (await connection.execute(select(leads).where(leads.c.lead_id == lead_id))).mappings().one_or_none()
