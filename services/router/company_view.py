"""Who is named in a hand-off: colleagues who are worked, and the roles of the buying group that they cover (domain
N10). Asked of the ledger inside the caller's transaction, of which not everything is written yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router import company, repository
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.rules import Rules
from services.router.messages import Colleague, Owner
from services.router.tables import OPEN_STATUSES
from services.router.telling import Around, Company, is_offer
from shared.scores import ScoreRecord, decode_score

MOST_NAMED = 50
"""Of a company of which hundreds are worked, those who were offered last."""

_open = text(
    f"SELECT h.* FROM unnest(CAST(:companies AS text[])) AS k (company) CROSS JOIN LATERAL "
    f"(SELECT {', '.join(HandOff.__struct_fields__)} FROM handoffs WHERE handoffs.company = k.company "
    f"AND status IN ({OPEN_STATUSES}) ORDER BY offered_at DESC LIMIT {MOST_NAMED}) AS h"
)
_scored = text(
    f"SELECT {', '.join(Lead.__struct_fields__)}, score FROM leads WHERE lead_id = ANY(CAST(:ids AS text[]))"
)

Scores = Mapping[str, tuple[Lead, ScoreRecord]]
Contacts = Mapping[str, dict[str, str]]


async def around_of(  # noqa: PLR0913, PLR0917 - what has been decided, and by what
    connection: AsyncConnection,
    decisions: Sequence[tuple[Decision, ScoreRecord]],
    told: Iterable[str],
    members: Mapping[str, str],
    rules: Rules,
    now: datetime,
) -> tuple[Around, Contacts]:
    """What there is to tell beside what `decisions` say themselves, each with the lead's latest score; and contact
    data, at least of the leads in `told`. `members`: by id the lead that it belongs to, though no row says so yet."""
    handoffs = {change.handoff.handoff_id: change.handoff for one, _ in decisions for change in one.handoffs}
    named = {
        change.handoff.handoff_id
        for decision, _ in decisions
        for change in decision.handoffs
        if change.handoff.company is not None and (is_offer(change) or change.joined)
    }
    primaries = {one.lead.attached_to for one, _ in decisions if one.stages and one.lead.attached_to}
    if not named and not primaries:
        return Around(), await repository.contacts_of(connection, sorted(told), members)
    joints = {one.lead_id: one.handoff_id for one in handoffs.values() if one.is_open}
    if asked := primaries - joints.keys():
        known = await repository.open_handoffs(connection, sorted(asked))
        joints |= {lead_id: one.handoff_id for lead_id, one in known.items()}
    decided = {decision.lead.lead_id: (decision.lead, record) for decision, record in decisions}
    opened = await _opened(connection, named, handoffs) if named else {}
    worked = _worked(opened)
    ids = {id for of_company in worked.values() for id in of_company}
    # Those of the leads themselves with their colleagues': one question less, for which a hand-off waits.
    contacts = await repository.contacts_of(connection, sorted({*ids, *told}), members)
    people = dict(decided) | await _scores(connection, ids - decided.keys())
    seen = {id: _member(id, people, contacts, rules, now) for id in ids if id in people}
    companies = {id: _company(handoffs[id], worked[handoffs[id].company], seen, contacts, rules) for id in named}
    return Around(companies, joints), contacts


async def _opened(
    connection: AsyncConnection, named: Iterable[str], handoffs: Mapping[str, HandOff]
) -> dict[str, HandOff]:
    """Open hand-offs of the companies of those `named`, as they are after what has been decided."""
    keys = sorted({key for id in named if (key := handoffs[id].company) is not None})
    rows = (await connection.execute(_open, {"companies": keys})).mappings()
    known = {row["handoff_id"]: repository.handoff_of(row) for row in rows} | dict(handoffs)
    return {id: one for id, one in known.items() if one.is_open and one.company in keys}


def _worked(opened: Mapping[str, HandOff]) -> defaultdict[str | None, dict[str, str]]:
    """By company who is worked, and in which hand-off."""
    worked: defaultdict[str | None, dict[str, str]] = defaultdict(dict)
    for one in opened.values():
        worked[one.company] |= dict.fromkeys((*one.attached, one.lead_id), one.handoff_id)
    return worked


async def _scores(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, tuple[Lead, ScoreRecord]]:
    wanted = sorted(ids)
    if not wanted:
        return {}
    rows = (await connection.execute(_scored, {"ids": wanted})).mappings()
    return {row["lead_id"]: (repository.lead_of(row), decode_score(row["score"])) for row in rows}


def _member(
    lead_id: str, people: Scores, contacts: Mapping[str, dict[str, str]], rules: Rules, now: datetime
) -> company.Member:
    lead, record = people[lead_id]
    known = company.Known(lead=lead, record=record, contact=contacts.get(lead_id, {}), canonical={}, handoff=None)
    return company.member(known, rules, now)


def _company(
    handoff: HandOff,
    worked: Mapping[str, str],
    seen: Mapping[str, company.Member],
    contacts: Mapping[str, dict[str, str]],
    rules: Rules,
) -> Company:
    """As one hand-off tells of it: everybody but its own lead."""
    covered = {role for id in worked if id in seen for role in seen[id].roles}
    others = sorted(id for id in worked if id in seen and id != handoff.lead_id)
    first = [*(id for id in others if id in handoff.attached), *(id for id in others if id not in handoff.attached)]
    return Company(
        [_colleague(seen[id], contacts.get(id, {}), worked[id], handoff) for id in first[:MOST_NAMED]],
        [role for role in rules.roles if role in covered],
    )


def _colleague(member: company.Member, contact: Mapping[str, str], handoff_id: str, handoff: HandOff) -> Colleague:
    lead = member.lead
    return Colleague(
        lead_id=lead.lead_id,
        name=member.name,
        title=member.title,
        department=contact.get("department"),
        roles=list(member.roles),
        stage=lead.stage,
        owner=Owner(department=lead.department, team=lead.team, person=lead.person),
        attached=lead.lead_id in handoff.attached,
        handoff_id=handoff_id,
    )
