"""What the API answers about companies. Times are UTC."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from services.router.api.schemas import HandOffInfo, Label, Owner


class RoleInfo(BaseModel):
    """A role of the buying group."""

    id: str
    label: Label


class DepartmentOf(BaseModel):
    """A department of a company, whatever the spelling."""

    name: str | None = Field(description="none: these leads told none")
    leads: int
    effective_leads: int


class Worked(BaseModel):
    """An open hand-off of one of a company's leads, and who is responsible for the lead now."""

    handoff_id: str
    lead_id: str
    status: str
    receiver: str = Field(serialization_alias="to", description="department")
    owner: Owner


class CompanyBrief(BaseModel):
    """What a company's leads come to."""

    key: str = Field(description="domain:acme.co.jp, or name:… where no corporate mail is known")
    name: str | None = Field(description="as most of its leads told it")
    score: float = Field(description="now: its highest lead, and a share of the others' points")
    leads: int = Field(description="with contact data")
    effective_leads: int = Field(description="有効リード, as the playbook says")
    opportunities: int = Field(description="departments with an effective lead")
    departments: list[DepartmentOf]
    roles_covered: list[RoleInfo]
    roles_missing: list[RoleInfo]
    handoffs: list[Worked] = Field(description="the open ones")


class CompanyPage(BaseModel):
    at: datetime = Field(description="the moment at which points were counted")
    companies: list[CompanyBrief]
    cursor: str | None = Field(description="give it back for the next page; none: this was the last one")


class CompanyLead(BaseModel):
    """A lead as part of its company. Personal data."""

    lead_id: str
    stage: str
    owner: Owner
    score: float = Field(description="now")
    effective: bool
    name: str | None
    title: str | None
    department: str | None
    roles: list[str] = Field(description="ids of the roles it covers")
    handoff: HandOffInfo | None = Field(description="the open one")


class CompanyDetail(CompanyBrief):
    members: list[CompanyLead] = Field(description="highest first; at most as many as `limit` says")


class LeadCounts(BaseModel):
    """Leads with contact data, and what they amount to (domain A5)."""

    at: datetime
    leads: int
    effective_leads: int = Field(description="有効リード: reachable, a target, and in earnest, as the playbook says")
    companies: int = Field(description="unique ones")
    leads_without_company: int = Field(description="neither a company's name nor corporate mail is known")
    opportunities: int = Field(
        description="departments with an effective lead, and effective leads without company: ten leads of one "
        "department of one company are one opportunity"
    )
