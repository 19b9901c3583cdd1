"""/v1/companies and /v1/counts: who belongs together, how far a company is, and how many leads are worth the name."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from services.router.api import company_schemas as schemas
from services.router.api.auth import Reader
from services.router.api.errors import ApiError, responses
from services.router.api.state import CompaniesHere, LedgerHere
from services.router.company import Company, Member
from services.router.lifecycle.model import Lead
from shared.playbook import Playbook
from shared.points import to_points

router = APIRouter(prefix="/v1", tags=["companies"])


@router.get("/companies", response_model=schemas.CompanyPage, responses=responses())
async def list_companies(
    _: Reader,
    companies: CompaniesHere,
    ledger: LedgerHere,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(description="of the page before")] = None,
) -> Any:
    """Companies by score, highest first. Points fade: one whose score changes while you turn pages may be missed."""
    after = _place(cursor) if cursor is not None else None
    overview = await companies.overview()
    rest = [company for company in overview.companies if after is None or (-company.points, company.key) > after]
    page = [_brief(company, ledger.rules.playbook) for company in rest[:limit]]
    following = f"{rest[limit - 1].points}:{rest[limit - 1].key}" if len(rest) > limit else None
    return {"at": overview.at, "companies": page, "cursor": following}


@router.get("/companies/{key}", response_model=schemas.CompanyDetail, responses=responses(404))
async def read_company(
    key: str,
    _: Reader,
    companies: CompaniesHere,
    ledger: LedgerHere,
    limit: Annotated[int, Query(ge=1, le=1000, description="leads at most")] = 100,
) -> Any:
    """One company with its leads: who else is being worked, and which roles of the buying group are covered."""
    found = await companies.company(key)
    if found is None:
        raise ApiError(404, "not_found", f"no lead belongs to a company '{key}'; GET /v1/companies lists the keys")
    company, members = found
    return {**_brief(company, ledger.rules.playbook), "members": [_lead(member) for member in members[:limit]]}


@router.get("/counts", response_model=schemas.LeadCounts, responses=responses())
async def count_leads(_: Reader, companies: CompaniesHere) -> Any:
    """Leads, effective leads, unique companies and opportunities."""
    overview = await companies.overview()
    return {"at": overview.at, **msgspec.structs.asdict(overview.counts)}


def _place(cursor: str) -> tuple[int, str]:
    points, _, key = cursor.partition(":")
    try:
        return -int(points), key
    except ValueError:
        raise ApiError(422, "invalid_request", "query.cursor: expected the cursor of an earlier page") from None


def _brief(company: Company, playbook: Playbook) -> dict[str, Any]:
    def roles(ids: list[str]) -> list[dict[str, Any]]:
        return [{"id": id, "label": playbook.buying_group.roles[id].label.model_dump()} for id in ids]

    return {
        **msgspec.structs.asdict(company),
        "score": to_points(company.points),
        "departments": [msgspec.structs.asdict(part) for part in company.departments],
        "roles_covered": roles(company.covered),
        "roles_missing": roles(company.missing),
        "handoffs": [
            {**msgspec.structs.asdict(member.handoff), "owner": _owner(member.lead)}
            for member in company.worked
            if member.handoff
        ],
    }


def _lead(member: Member) -> dict[str, Any]:
    lead = member.lead
    return {
        "lead_id": lead.lead_id,
        "stage": lead.stage,
        "owner": _owner(lead),
        "score": to_points(member.points),
        "effective": member.effective,
        "name": member.name,
        "title": member.title,
        "department": member.department_name or None,
        "roles": member.roles,
        "handoff": msgspec.structs.asdict(member.handoff) if member.handoff else None,
    }


def _owner(lead: Lead) -> dict[str, str | None]:
    return {"department": lead.department, "team": lead.team, "person": lead.person}
