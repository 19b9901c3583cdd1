"""What must never be, and what is overdue (domain N7): asked of the rows themselves, although constraints of the
database forbid some of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router.lifecycle.model import HandOff
from services.router.tables import OPEN_STATUSES

_HANDOFF = ", ".join(f"h.{name}" for name in HandOff.__struct_fields__)
_NOT_CONTACTED = (
    "h.status = 'accepted' AND h.contact_by < :now "
    "AND (l.contacted_at IS NULL OR l.contacted_at < coalesce(l.owned_at, l.contacted_at))"
)
_OWNER = "l.department, l.team, l.person"
_ATTACHED = f"FROM leads l LEFT JOIN handoffs h ON h.lead_id = l.attached_to AND h.status IN ({OPEN_STATUSES})"

FINDINGS: Mapping[str, str] = {
    "without_owner": (
        "SELECT lead_id FROM leads WHERE (acquired_at IS NOT NULL AND department IS NULL) OR (merged_into IS NOT NULL "
        "AND department IS NULL AND NOT EXISTS (SELECT FROM leads m WHERE m.lead_id = leads.merged_into)) "
        "ORDER BY lead_id LIMIT :limit"
    ),
    "attached_to_nobody": (
        f"SELECT l.lead_id {_ATTACHED} WHERE l.attached_to IS NOT NULL "
        "AND (h.handoff_id IS NULL OR l.lead_id <> ALL(h.attached)) ORDER BY l.lead_id LIMIT :limit"
    ),
    "with_two_handoffs": (
        f"SELECT lead_id FROM handoffs WHERE status IN ({OPEN_STATUSES}) GROUP BY lead_id HAVING count(*) > 1 "
        "ORDER BY lead_id LIMIT :limit"
    ),
    "with_two_owners": (
        f"SELECT l.lead_id, {_OWNER}, h.handoff_id, h.receiver, h.team AS its_team, h.person AS its_person "
        "FROM handoffs h JOIN leads l USING (lead_id) WHERE h.status = 'accepted' "
        "AND (l.department, l.person) IS DISTINCT FROM (h.receiver, h.person) "
        f"UNION ALL SELECT l.lead_id, {_OWNER}, h.handoff_id, p.department, p.team, p.person "
        "FROM leads l JOIN leads p ON p.lead_id = l.attached_to "
        f"LEFT JOIN handoffs h ON h.lead_id = p.lead_id AND h.status IN ({OPEN_STATUSES}) "
        "WHERE l.attached_to IS NOT NULL "
        f"AND ({_OWNER}) IS DISTINCT FROM (p.department, p.team, p.person) ORDER BY 1 LIMIT :limit"
    ),
    "offered_twice": (
        "SELECT company, company_part, receiver, array_agg(handoff_id ORDER BY handoff_id) AS handoffs FROM handoffs "
        f"WHERE company_part IS NOT NULL AND status IN ({OPEN_STATUSES}) "
        "GROUP BY company, company_part, receiver HAVING count(*) > 1 ORDER BY 1, 2, 3 LIMIT :limit"
    ),
    "overdue": (
        f"SELECT {_HANDOFF} FROM handoffs h WHERE h.status = 'offered' AND h.respond_by < :now "
        "ORDER BY h.respond_by LIMIT :limit"
    ),
    "contact_overdue": (
        f"SELECT {_HANDOFF} FROM handoffs h JOIN leads l USING (lead_id) WHERE {_NOT_CONTACTED} "
        "ORDER BY h.contact_by LIMIT :limit"
    ),
    "follow_up_overdue": (
        f"SELECT l.lead_id, l.stage, l.due_at, {_OWNER} FROM leads l WHERE l.due_at < :now "
        f"AND NOT EXISTS (SELECT FROM handoffs h WHERE h.lead_id = l.lead_id AND h.status IN ({OPEN_STATUSES})) "
        "ORDER BY l.due_at LIMIT :limit"
    ),
    "waiting": f"SELECT {_HANDOFF} FROM handoffs h WHERE h.status = 'waiting' ORDER BY h.offered_at LIMIT :limit",
}
"""SQL by the name of what it finds; `now` and `limit` are its parameters."""

_find = {name: (text(sql), ":now" in sql) for name, sql in FINDINGS.items()}
_overdue = text(
    "SELECT h.receiver AS department, 'respond' AS what, count(*) AS count FROM handoffs h "
    "WHERE h.status = 'offered' AND h.respond_by < :now GROUP BY 1 "
    "UNION ALL SELECT h.receiver, 'contact', count(*) FROM handoffs h JOIN leads l USING (lead_id) "
    f"WHERE {_NOT_CONTACTED} GROUP BY 1 "
    "UNION ALL SELECT l.department, 'follow_up', count(*) FROM leads l "
    "WHERE l.due_at < :now AND l.department IS NOT NULL "
    f"AND NOT EXISTS (SELECT FROM handoffs h WHERE h.lead_id = l.lead_id AND h.status IN ({OPEN_STATUSES})) GROUP BY 1"
)


async def findings(connection: AsyncConnection, now: datetime, limit: int) -> dict[str, list[Any]]:
    """By name of the finding at most `limit` ids of leads, or rows; the oldest first."""
    found = {}
    for name, (find, asks_when) in _find.items():
        named = {"limit": limit, **({"now": now} if asks_when else {})}
        result = await connection.execute(find, named)
        found[name] = list(result.scalars() if len(result.keys()) == 1 else result.mappings())
    return found


async def overdue(connection: AsyncConnection, now: datetime) -> dict[tuple[str, str], int]:
    """How many are overdue, by department and by what: `respond`, `contact`, `follow_up`. It looks only at open
    hand-offs, and at what is due by an index."""
    rows = await connection.execute(_overdue, {"now": now})
    return {(row.department, row.what): row[2] for row in rows}
