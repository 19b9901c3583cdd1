"""Companies as the ledger knows them now: which leads belong together, and what they come to.

Which company a lead belongs to follows from `contacts.canonical` by one rule (`shared.company.Grouping`), and is asked
anew each time: a name that gets a second domain changes where leads belong that nobody has heard of for years.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.router import repository
from services.router.company import Company, Counts, Known, Member, counts, member, naming, summary
from services.router.lifecycle.model import HandOff, Lead
from services.router.lifecycle.rules import Rules
from services.router.tables import OPEN_STATUSES
from shared.clock import Clock
from shared.company import DOMAIN_PREFIX, NAME_PREFIX, Grouping
from shared.scores import decode_score

_ROWS_AT_ONCE = 100  # some 3 ms of work, between which hand-offs go out
_FRESH_SECONDS, _TIMES_AS_OLD = 1.0, 20
"""An overview is made anew when it is older than a second, and than 20 times what making it took: whoever asks often
does not keep the router from its work."""

_MEMBERS = (
    f"SELECT {', '.join(f'l.{name}' for name in Lead.__struct_fields__)}, l.score, c.fields, c.told, c.canonicals "
    # The newest last: what was told under another id of the same lead is its own.
    "FROM leads l LEFT JOIN LATERAL (SELECT array_agg(field ORDER BY at, event_id) AS fields, "
    "array_agg(value ORDER BY at, event_id) AS told, array_agg(canonical ORDER BY at, event_id) AS canonicals "
    "FROM contacts WHERE contacts.lead_id = l.lead_id "
    "OR contacts.lead_id = ANY(ARRAY(SELECT m.lead_id FROM leads m WHERE m.merged_into = l.lead_id))) c ON true "
    "WHERE l.acquired_at IS NOT NULL"
)
_all_leads = text(_MEMBERS)
_some_leads = text(_MEMBERS + " AND l.lead_id = ANY(CAST(:ids AS text[]))")
_all_open_handoffs = text(
    f"SELECT {', '.join(HandOff.__struct_fields__)} FROM handoffs WHERE status IN ({OPEN_STATUSES})"
)
_pairs = text(
    "SELECT DISTINCT n.canonical AS name, e.canonical AS domain FROM contacts n JOIN contacts e USING (lead_id) "
    "WHERE n.field = 'company.name' AND n.canonical <> '' AND e.field = 'email' AND e.canonical <> ''"
)
_naming = text(
    "SELECT field, canonical FROM contacts WHERE (lead_id = :id "
    "OR lead_id = ANY(ARRAY(SELECT lead_id FROM leads WHERE merged_into = :id))) "
    "AND field IN ('email', 'company.name') ORDER BY at, event_id"
)
_near = text(
    # Everybody of this domain, or of a name that occurs with it: enough to apply the rule to one company.
    "WITH named AS (SELECT CAST(:name AS text) AS name UNION SELECT n.canonical FROM contacts e "
    "JOIN contacts n USING (lead_id) WHERE e.field = 'email' AND e.canonical = :domain AND e.canonical <> '' "
    "AND n.field = 'company.name' AND n.canonical <> '') "
    "SELECT coalesce(l.merged_into, c.lead_id) AS lead_id, array_agg(c.field ORDER BY c.at, c.event_id) AS fields, "
    "array_agg(c.canonical ORDER BY c.at, c.event_id) AS canonicals "
    "FROM contacts c LEFT JOIN leads l ON l.lead_id = c.lead_id AND l.merged_into IS NOT NULL WHERE c.lead_id IN "
    "(SELECT lead_id FROM contacts WHERE field = 'email' AND canonical = :domain AND canonical <> '' "
    "UNION SELECT c.lead_id FROM contacts c JOIN named ON c.canonical = named.name "
    "WHERE c.field = 'company.name' AND c.canonical <> '') "
    "AND c.field IN ('company.name', 'email') GROUP BY coalesce(l.merged_into, c.lead_id)"
)


@dataclass(frozen=True, slots=True)
class Overview:
    """All companies at one moment, by points, and then by key."""

    at: datetime
    companies: list[Company]
    counts: Counts


class Companies:
    """Asks the ledger. Raises `DBAPIError` or `OSError` when Postgres is away."""

    def __init__(self, engine: AsyncEngine, rules: Callable[[], Rules], clock: Clock) -> None:
        self._engine, self._rules_now, self._clock = engine, rules, clock
        self._overview: Overview | None = None
        self._stale_at = 0.0
        self._making = asyncio.Lock()

    @property
    def _rules(self) -> Rules:
        return self._rules_now()

    async def overview(self) -> Overview:
        """All companies; at most a second old, or 20 times as old as it takes to look at all leads."""
        async with self._making:
            if self._overview is None or time.monotonic() >= self._stale_at:
                started = time.monotonic()
                self._overview = await self._look()
                ended = time.monotonic()
                self._stale_at = ended + max(_FRESH_SECONDS, _TIMES_AS_OLD * (ended - started))
            return self._overview

    async def company(self, key: str) -> tuple[Company, list[Member]] | None:
        """One company and its leads, highest first, as they are now; None where there is none of this key."""
        name = key.removeprefix(NAME_PREFIX) if key.startswith(NAME_PREFIX) else ""
        domain = key.removeprefix(DOMAIN_PREFIX) if key.startswith(DOMAIN_PREFIX) else ""
        async with self._snapshot() as connection:
            keys = await self._keys_near(connection, name, domain)
            ids = [lead_id for lead_id, found in keys.items() if found == key]
            opened = await repository.open_handoffs(connection, ids)
            rows = (await connection.execute(_some_leads, {"ids": ids})).all()
        now = self._clock.now()
        members = [member(_known(row, opened), self._rules, now) for row in rows]
        if not members:
            return None
        return summary(key, members, self._rules), sorted(members, key=lambda m: (-m.points, m.lead.lead_id))

    async def key_of(self, connection: AsyncConnection, lead_id: str) -> str | None:
        """The company that a lead belongs to."""
        canonical = {row.field: row.canonical for row in await connection.execute(_naming, {"id": lead_id})}
        name, domain = naming(canonical, self._rules)
        if domain or not name:
            return Grouping([]).key(name, domain)
        return (await self._keys_near(connection, name, "")).get(lead_id)

    async def _keys_near(self, connection: AsyncConnection, name: str, domain: str) -> dict[str, str | None]:
        """By lead, the company of everybody who may belong to this name or domain."""
        rows = await connection.execute(_near, {"name": name, "domain": domain})
        named = {
            row.lead_id: naming(dict(zip(row.fields, row.canonicals, strict=True)), self._rules) for row in rows.all()
        }
        grouping = Grouping(named.values())
        return {lead_id: grouping.key(*pair) for lead_id, pair in named.items()}

    async def _look(self) -> Overview:
        now = self._clock.now()
        groups: defaultdict[str | None, list[Member]] = defaultdict(list)
        async with self._snapshot() as connection:
            # Everything is read: by an index, that means each page many times.
            await connection.execute(text("SET LOCAL enable_seqscan = on"))
            pairs = (await connection.execute(_pairs)).all()
            grouping = Grouping(naming({"company.name": row.name, "email": row.domain}, self._rules) for row in pairs)
            rows = (await connection.execute(_all_open_handoffs)).mappings()
            opened = {row["lead_id"]: repository.handoff_of(row) for row in rows}
            async with connection.stream(_all_leads) as leads:
                async for page in leads.partitions(_ROWS_AT_ONCE):
                    for known in (_known(row, opened) for row in page):
                        key = grouping.key(*naming(known.canonical, self._rules))
                        groups[key].append(member(known, self._rules, now))
        # In a thread: for hundreds of thousands it takes seconds, and hand-offs must go out meanwhile.
        return await asyncio.to_thread(_overview, groups, self._rules, now)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[AsyncConnection]:
        """One state of the ledger for several questions, or a lead might be counted twice."""
        async with self._engine.connect() as connection:
            yield await connection.execution_options(isolation_level="REPEATABLE READ")


def _overview(groups: dict[str | None, list[Member]], rules: Rules, now: datetime) -> Overview:
    without = groups.pop(None, [])
    companies = [summary(key, members, rules) for key, members in groups.items() if key]
    return Overview(now, sorted(companies, key=lambda c: (-c.points, c.key)), counts(companies, without))


def _known(row: Any, opened: Mapping[str, HandOff]) -> Known:
    fields = row.fields or ()
    return Known(
        lead=repository.lead_of(row._mapping),
        record=decode_score(row.score),
        contact=_without_empty(dict(zip(fields, row.told or (), strict=True))),
        canonical=dict(zip(fields, row.canonicals or (), strict=True)),
        handoff=opened.get(row.lead_id),
    )


def _without_empty(told: dict[str, str]) -> dict[str, str]:
    """An empty value was told to be empty, and outdoes what was told before."""
    return {field: value for field, value in told.items() if value}
