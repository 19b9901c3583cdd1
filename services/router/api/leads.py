"""GET /v1/leads: what is known about a lead, and what became of it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router import finding, repository
from services.router.api import schemas
from services.router.api.auth import Reader
from services.router.api.errors import ApiError, responses
from services.router.api.report_schemas import deal_info, report_info, report_moment
from services.router.api.state import CompaniesHere, LedgerHere
from services.router.feedback import reports
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.fading import faded
from services.router.lifecycle.known import Facts
from services.router.lifecycle.missing import Guarded, guarded, missing
from services.router.lifecycle.model import Lead
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.rules import Rules
from services.router.messages import BANT, contact_data, frozen_score, listed, points, stage_name
from services.router.tables import handoff_changes, leads, stage_changes
from shared.playbook import Playbook
from shared.scores import Campaign, ScoreRecord, decode_score

router = APIRouter(prefix="/v1/leads", tags=["leads"])
LATEST_REPORTS = 10
OWN_WAYS = {
    "rejected": {"ja": "引き渡しの却下", "en": "Hand-off rejected"},
    "returned": {"ja": "引き渡しの差し戻し", "en": "Hand-off returned: nobody took it in time"},
}
"""By which leads go back, beside the playbook's `recycling`."""
_decode_reason = msgspec.json.Decoder(list[Leaf]).decode


@router.get("", response_model=schemas.LeadPage, responses=responses())
async def list_leads(  # noqa: PLR0913, PLR0917 - each parameter is one of the query's
    _: Reader,
    ledger: LedgerHere,
    stage: Annotated[str | None, Query(description="id of a stage")] = None,
    department: Annotated[str | None, Query(description="owner")] = None,
    min_score: Annotated[float | None, Query(description="total points at least")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(description="of the page before")] = None,
) -> Any:
    """Leads in order of their ids."""
    query = select(leads).where(leads.c.merged_into.is_(None)).order_by(leads.c.lead_id).limit(limit + 1)
    for given, condition in (
        (stage, leads.c.stage == stage),
        (department, leads.c.department == department),
        (min_score, leads.c.total >= (min_score or 0)),
        (cursor, leads.c.lead_id > (cursor or "")),
    ):
        query = query if given is None else query.where(condition)
    async with ledger.engine.connect() as connection:
        rows = (await connection.execute(query)).mappings().all()
    page = [{**row, "owner": {name: row[name] for name in ("department", "team", "person")}} for row in rows[:limit]]
    return {"leads": page, "cursor": page[-1]["lead_id"] if len(rows) > limit else None}


@router.get("/{id}", response_model=schemas.LeadDetail, responses=responses(404))
async def read_lead(id: str, _: Reader, ledger: LedgerHere, companies: CompaniesHere) -> Any:
    """One lead, by lead id, user id or e-mail address."""
    async with ledger.engine.connect() as connection:
        lead, record = await _find(connection, id)
        contact = (await repository.contacts_of(connection, [lead.lead_id])).get(lead.lead_id, {})
        opened = await repository.open_handoffs(connection, [lead.lead_id])
        company_key = await companies.key_of(connection, lead.lead_id)
        ids = await finding.ids_of(connection, lead.lead_id)
        told = await finding.told_at(connection, ids)
        deals = await reports.deals_of_lead(connection, ids)
        reported = await reports.latest_reports(connection, ids, LATEST_REPORTS)
    rules = ledger.rules
    now, stale_after = ledger.clock.now(), rules.playbook.attribute.stale_after
    known, counting = facts_of(lead, faded(record, max(now, record.time)), rules)
    detail = {
        **msgspec.structs.asdict(lead),
        "stage": stage_name(lead.stage, rules.playbook),
        "owner": {"department": lead.department, "team": lead.team, "person": lead.person},
        "held": _held(lead, known, rules),
        "score": {**msgspec.to_builtins(frozen_score(record, rules.playbook)), "at": record.time},
        "level": record.level,
        "level_until": record.level_until,
        "list_kind": record.list_kind,
        "listed": listed(record),
        "campaigns": [_campaign(one, rules.playbook) for one in record.campaigns],
        "recycling": _recycling(lead, rules),
        "handoff": opened.get(lead.lead_id),
        "attached": opened[lead.lead_id].attached if lead.lead_id in opened else (),
        "bant": {point: _shown(f"bant_{point}", record) for point in BANT},
        "contact": contact_data(contact),
        "company": contact.get("company.name"),
        "company_key": company_key,
        "attributes": record.attributes,
        "points": points(contact),
        "deals": [deal_info(row) for row in deals],
        "reports": [report_info(one) for one in reported],
        "told": {
            field: {"at": at, "stale": now - at > stale_after}
            for field, at in told.items()
            if field in rules.playbook.fields
        },
        "signals": {name: signal.last for name, signal in record.signals.items()},
        "missing": missing(lead, known, counting, rules, now),
        "playbook": record.playbook,
        "members": record.members,
    }
    return msgspec.to_builtins(detail)


@router.get("/{id}/timeline", response_model=schemas.Timeline, responses=responses(404))
async def read_timeline(id: str, _: Reader, ledger: LedgerHere) -> Any:
    """Stage changes, changes of hand-offs and reports, in the order in which they came about."""
    async with ledger.engine.connect() as connection:
        lead, _record = await _find(connection, id)
        moments = [
            {**row, "kind": kind, "reason": msgspec.to_builtins(_decode_reason(row["reason"]))}
            for kind, table in (("stage", stage_changes), ("handoff", handoff_changes))
            for row in (await connection.execute(select(table).where(table.c.lead_id == lead.lead_id))).mappings()
        ]
        rows = await reports.reports_of(connection, lead.lead_id)
    # A report comes after the message whose `seq` it has, which it may have led to.
    rows = sorted(rows, key=lambda row: row["received_at"])
    moments += [{"seq": row["seq"], **report_moment(reports.reported_of(row))} for row in rows]
    return {"lead_id": lead.lead_id, "moments": sorted(moments, key=lambda moment: moment["seq"])}


async def _find(connection: AsyncConnection, id: str) -> tuple[Lead, ScoreRecord]:
    """Raises `ApiError` 404."""
    found = await finding.find(connection, id)
    if found is None:
        raise ApiError(404, "not_found", f"no lead has the id or e-mail address '{id}'")
    return repository.lead_of(found), decode_score(found["score"])


def _held(lead: Lead, known: Facts, rules: Rules) -> Guarded | None:
    """What holds the lead back, or would have, had it not come to its stage before: its receiver is to know."""
    found = guarded(known, rules)
    at_closed_stage = found[:1] if rules.stages[lead.stage].stage.guarded else []
    return next((told for told in found if told.guard == lead.held_by), next(iter(at_closed_stage), None))


def _recycling(lead: Lead, rules: Rules) -> dict[str, Any] | None:
    """By which rule of the playbook; the router's own ways are a rejection and an unanswered hand-off."""
    if lead.recycling is None:
        return None
    way = rules.recycling.get(lead.recycling)
    return {
        "rule": lead.recycling,
        "label": OWN_WAYS.get(lead.recycling) if way is None else way.rule.label.model_dump(),
    }


def _campaign(part: Campaign, playbook: Playbook) -> dict[str, Any]:
    channel = playbook.channels.get(part.channel)
    actions = channel.actions if channel is not None else {}
    known = [channel, *(actions.get(id) for id in part.actions)]
    return {**msgspec.structs.asdict(part), "labels": [one.label.model_dump() for one in known if one is not None]}


def _shown(name: str, record: ScoreRecord) -> Any:
    signal = record.signals.get(name)
    return signal.first if signal else None
