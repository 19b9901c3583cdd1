"""Who of a lead's company is worked already, and which hand-off it may join: asked of the ledger, for leads that are to
be offered to somebody. Every function works inside the caller's transaction.

Hand-offs are kept under the company that their lead belonged to at the offer, so that to find them takes one look into
an index, however many people of a company are known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router import repository
from services.router.company import naming
from services.router.lifecycle.model import HandOff, Lead
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Colleagues, Joint, Surroundings, joint_key
from services.router.lifecycle.territory import CompanyKeys, Owner
from services.router.tables import OPEN_STATUSES
from shared.company import DOMAIN_PREFIX, NAME_PREFIX, Grouping

_told = text(
    # The newest last: what was told under another id of the same lead is its own.
    f"SELECT i.root AS lead_id, c.field, c.canonical FROM ({repository.WITH_MEMBERS}) AS i "
    "CROSS JOIN LATERAL (SELECT field, canonical, at, event_id FROM contacts WHERE lead_id = i.id "
    "AND field IN ('email', 'company.name', 'department') OFFSET 0) AS c ORDER BY c.at, c.event_id"
)
_domains = text(
    # Of a name under which nobody was ever offered it is not asked: of some, thousands of people are known.
    "WITH named AS (SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE name = ANY(CAST(:needed AS text[])) "
    # OFFSET 0: a plan made while there were few hand-offs would read all of them (repository.WITH_MEMBERS).
    f"OR EXISTS (SELECT FROM handoffs WHERE company = '{NAME_PREFIX}' || name "
    f"AND status IN ({OPEN_STATUSES}) OFFSET 0) "
    f"OR EXISTS (SELECT FROM handoffs WHERE company = '{NAME_PREFIX}' || name "
    "AND status IN ('accepted', 'completed') OFFSET 0)) "
    "SELECT DISTINCT n.canonical AS name, e.canonical AS domain FROM contacts n JOIN contacts e USING (lead_id) "
    "WHERE n.field = 'company.name' AND n.canonical IN (SELECT name FROM named) AND n.canonical <> '' "
    "AND e.field = 'email' AND e.canonical <> ''"
)
_locked = text(
    # One after the other, in one order: `unnest` keeps that of the array.
    "SELECT pg_advisory_xact_lock(one) FROM unnest(CAST(:locks AS bigint[])) AS one"
)
_owners = text(
    "SELECT k.company, d.department, o.team, o.person FROM unnest(CAST(:companies AS text[])) AS k (company) "
    "CROSS JOIN unnest(CAST(:departments AS text[])) AS d (department) CROSS JOIN LATERAL "
    "(SELECT l.team, l.person FROM handoffs h JOIN leads l USING (lead_id) WHERE h.company = k.company "
    "AND h.receiver = d.department AND h.status IN ('accepted', 'completed') AND l.department = d.department "
    "AND l.taken ORDER BY h.offered_at DESC LIMIT 1) AS o"
)
_PAIRS = "unnest(CAST(:companies AS text[]), CAST(:parts AS text[])) AS w (company, company_part)"
_joints = text(
    f"SELECT {', '.join(f'h.{name}' for name in HandOff.__struct_fields__)} FROM {_PAIRS} "
    f"JOIN handoffs h USING (company, company_part) WHERE h.status IN ({OPEN_STATUSES})"
)
_leads = text(f"SELECT {', '.join(Lead.__struct_fields__)} FROM leads WHERE lead_id = ANY(CAST(:ids AS text[]))")


@dataclass(frozen=True, slots=True)
class _Known:
    """What a lead's contact data name, in one spelling; empty: not told."""

    name: str
    domain: str
    part: str


async def ask(connection: AsyncConnection, around: Surroundings, lead_ids: Iterable[str], rules: Rules) -> None:
    """Find out the companies of leads, who works them, and which hand-offs these leads may join.

    Those of the same department of a company are asked for by one transaction after the other, until each ends: of two
    colleagues that are to be offered at the same moment the second one finds the first one's hand-off."""
    wanted = sorted(set(lead_ids) - set(around.companies))
    if not wanted:
        return
    told = await _naming_of(connection, wanted, rules)
    found = await _companies(connection, told, rules)
    await _lock(connection, found.values())
    around.companies |= {id: Colleagues() for id in wanted} | await _with_owners(connection, found, rules)
    joints = await _open_joints(connection, found.values())
    around.joints_loaded |= {key: joint for joint in joints if (key := joint_key(joint.handoff)) is not None}


async def _naming_of(connection: AsyncConnection, lead_ids: list[str], rules: Rules) -> dict[str, _Known]:
    canonical: dict[str, dict[str, str]] = defaultdict(dict)
    for row in await connection.execute(_told, {"ids": lead_ids}):
        canonical[row.lead_id][row.field] = row.canonical
    return {
        id: _Known(*naming(fields, rules), fields.get("department", ""))
        for id, fields in canonical.items()
        if any(naming(fields, rules))
    }


async def _companies(connection: AsyncConnection, told: Mapping[str, _Known], rules: Rules) -> dict[str, Colleagues]:
    """The company of each lead by `Grouping`. Who has a domain belongs to it; where its name has no other, colleagues
    may have been offered under the name while nobody had told the domain yet."""
    names = sorted({known.name for known in told.values() if known.name})
    needed = sorted({known.name for known in told.values() if not known.domain})
    rows = await connection.execute(_domains, {"names": names, "needed": needed}) if names else ()
    pairs = {naming({"company.name": row.name, "email": row.domain}, rules) for row in rows}
    grouping = Grouping(pairs)
    found = {}
    for id, known in told.items():
        key = grouping.key(known.name, known.domain)
        adopted = grouping.key(known.name, "") if known.name else None
        is_ours = key is not None and key == adopted and key.startswith(DOMAIN_PREFIX)
        domain = key.removeprefix(DOMAIN_PREFIX) if key is not None and key.startswith(DOMAIN_PREFIX) else ""
        found[id] = Colleagues(
            company=CompanyKeys(frozenset({known.name} - {""}), frozenset({domain} - {""})),
            key=key,
            aliases=(NAME_PREFIX + known.name,) if is_ours else (),
            part=known.part or None,
        )
    return found


async def _lock(connection: AsyncConnection, found: Iterable[Colleagues]) -> None:
    keys = {key[:2] for colleagues in found for key in colleagues.joint_keys("")}
    if keys:
        await connection.execute(_locked, {"locks": sorted(_number(*key) for key in keys)})


def _number(company: str, part: str) -> int:
    """Of two departments the same once in 2**64: they wait for each other then, which does no harm."""
    digest = blake2b(f"{company}\0{part}".encode(), digest_size=8, person=b"joint").digest()
    return int.from_bytes(digest, signed=True)


async def _with_owners(
    connection: AsyncConnection, found: Mapping[str, Colleagues], rules: Rules
) -> dict[str, Colleagues]:
    """With who works a colleague: of each department whoever took one over last."""
    companies = sorted({key for one in found.values() if one.key for key in (one.key, *one.aliases)})
    if not companies:
        return dict(found)
    named = {"companies": companies, "departments": sorted(rules.playbook.departments)}
    owners: dict[str, dict[str, Owner]] = defaultdict(dict)
    for row in await connection.execute(_owners, named):
        owners[row.company][row.department] = Owner(row.team, row.person)
    return {id: _owned(one, owners) for id, one in found.items()}


def _owned(one: Colleagues, owners: Mapping[str, dict[str, Owner]]) -> Colleagues:
    known: dict[str, Owner] = {}
    for key in (*one.aliases, one.key or ""):
        known |= owners.get(key, {})
    return Colleagues(one.company, known, one.key, one.aliases, one.part)


async def _open_joints(connection: AsyncConnection, found: Iterable[Colleagues]) -> list[Joint]:
    keys = sorted({key[:2] for colleagues in found for key in colleagues.joint_keys("")})
    if not keys:
        return []
    named = {"companies": [company for company, _ in keys], "parts": [part for _, part in keys]}
    handoffs = [repository.handoff_of(row) for row in (await connection.execute(_joints, named)).mappings()]
    if not handoffs:
        return []
    rows = (await connection.execute(_leads, {"ids": [handoff.lead_id for handoff in handoffs]})).mappings()
    leads = {row["lead_id"]: repository.lead_of(row) for row in rows}
    return [Joint(leads[handoff.lead_id], handoff) for handoff in handoffs]
