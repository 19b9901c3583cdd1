"""Deals in Postgres: told of again, and out of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router.bulk import BulkInsert
from services.router.deals import ON_REPEATED, Deal
from services.router.tables import deals

DEALS = BulkInsert(deals, Deal.__struct_fields__, f"ON CONFLICT (lead_id, deal_id) DO UPDATE SET {ON_REPEATED}")
_stall = text(
    "WITH w AS (SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:moments AS timestamptz[])) AS w (lead_id, at)) "
    "UPDATE deals d SET stalled_at = s.at FROM (SELECT * FROM w UNION ALL SELECT l.lead_id, w.at FROM w "
    "JOIN leads l ON l.merged_into = w.lead_id) AS s (lead_id, at) WHERE d.lead_id = s.lead_id "
    "AND d.status IN ('registered', 'quoted') AND GREATEST(d.registered_at, d.quoted_at) <= s.at"
)


async def stall(connection: AsyncConnection, leads: Mapping[str, datetime]) -> None:
    """The open deals of these leads, and of their members, leave the pipeline at these moments."""
    ids = sorted(leads)
    await connection.execute(_stall, {"ids": ids, "moments": [leads[id] for id in ids]})
