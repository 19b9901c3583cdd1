"""A company as its leads make it: score, departments, effective leads (domain A5), roles covered (N10). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import msgspec

from services.router.lifecycle import guards
from services.router.lifecycle.known import Facts
from services.router.lifecycle.model import HandOff, Lead
from services.router.lifecycle.rules import Rules
from shared.playbook.schema import CONTACT_FIELDS
from shared.points import bounded, to_micro
from shared.scores import ScoreRecord, score_at


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A lead as part of its company, at one moment. `points` are micro-points; `department` is canonical, empty where
    it was not told; `roles` are those it covers. Names are as they were told."""

    lead: Lead
    points: int
    effective: bool
    excluded: bool
    department: str
    department_name: str
    company_name: str
    name: str | None
    title: str | None
    roles: tuple[str, ...]
    handoff: HandOff | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A department of a company; `name` is None for leads that told none."""

    name: str | None
    leads: int
    effective_leads: int


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """`opportunities` are its departments with an effective lead: ten of one department are one opportunity.

    `covered` and `missing` are roles of the buying group, `worked` the leads with an open hand-off."""

    key: str
    name: str | None
    points: int
    leads: int
    effective_leads: int
    opportunities: int
    departments: list[Part]
    covered: list[str]
    missing: list[str]
    worked: list[Member]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Of all leads with contact data. A lead without company is an opportunity of its own if it is effective."""

    leads: int
    effective_leads: int
    companies: int
    leads_without_company: int
    opportunities: int


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger holds about a lead. By field, `contact` are the values and `canonical` what they name."""

    lead: Lead
    record: ScoreRecord
    contact: Mapping[str, str]
    canonical: Mapping[str, str]
    handoff: HandOff | None


def naming(canonical: Mapping[str, str], rules: Rules) -> tuple[str, str]:
    """A lead's normalised company name and corporate domain, empty where it has none: what `Grouping` asks for."""
    domain = canonical.get("email", "")
    return canonical.get("company.name", ""), "" if domain in rules.personal_domains else domain


def member(known: Known, rules: Rules, now: datetime) -> Member:
    """What a lead is to its company at `now`."""
    lead, contact = known.lead, known.contact
    facts = _facts(known.record, contact, now)
    excluded = rules.stages[lead.stage].stage.excluded
    return Member(
        lead=lead,
        points=facts.total,
        effective=not excluded and _is_effective(lead, facts, rules, now),
        excluded=excluded,
        department=known.canonical.get("department", ""),
        department_name=contact.get("department", ""),
        company_name=contact.get("company.name", ""),
        name=contact.get("name"),
        title=contact.get("title"),
        roles=() if excluded else tuple(id for id, role in rules.roles.items() if role.holds(facts)),
        handoff=known.handoff,
    )


def summary(key: str, members: Collection[Member], rules: Rules) -> Company:
    """The company of these leads, whatever their order."""
    effective = [lead for lead in members if lead.effective]
    covered = {role for lead in members for role in lead.roles}
    return Company(
        key=key,
        name=_usual(lead.company_name for lead in members),
        points=company_points(
            (lead.points for lead in members if not lead.excluded), rules.playbook.companies.share_of_others
        ),
        leads=len(members),
        effective_leads=len(effective),
        opportunities=len({lead.department for lead in effective}),
        departments=_departments(members),
        covered=[role for role in rules.roles if role in covered],
        missing=[role for role in rules.roles if role not in covered],
        worked=sorted((lead for lead in members if lead.handoff), key=lambda lead: lead.lead.lead_id),
    )


def company_points(points: Iterable[int], share_of_others: float) -> int:
    """The highest lead's points and a share of the others', in micro-points; less than none counts as none."""
    counting = [value for value in points if value > 0]
    highest = max(counting, default=0)
    return highest + round((sum(counting) - highest) * share_of_others)


def counts(companies: Collection[Company], without_company: Collection[Member]) -> Counts:
    lonely = sum(lead.effective for lead in without_company)
    return Counts(
        leads=sum(company.leads for company in companies) + len(without_company),
        effective_leads=sum(company.effective_leads for company in companies) + lonely,
        companies=len(companies),
        leads_without_company=len(without_company),
        opportunities=sum(company.opportunities for company in companies) + lonely,
    )


def _facts(record: ScoreRecord, contact: Mapping[str, str], now: datetime) -> Facts:
    """Everything known at `now`: points have faded, levels may be over. Of personal fields scores hold only the
    presence; contact data has the value."""
    over = record.level_until is not None and record.level_until <= now
    return Facts(
        at=now,
        signals=record.signals,
        total=bounded(score_at(record.attribute, record.decay, now), record.at_least, record.at_most),
        attribute=to_micro(record.attribute),
        level=0 if over else record.level,
        fields=record.attributes | {name: contact[name] for name in CONTACT_FIELDS if name in contact},
    )


def _is_effective(lead: Lead, facts: Facts, rules: Rules, now: datetime) -> bool:
    """Can be reached, is a target, and meets the playbook's condition; one that sales has just rejected does not."""
    if lead.acquired_at is None or (lead.held_until is not None and lead.held_until > now):
        return False
    if any(guard.holds(facts) and guards.until(guard, facts, rules) is None for _, guard in rules.guards):
        return False  # one that lets go with time says nothing of what the lead is
    return rules.effective is None or rules.effective.holds(facts)


def _departments(members: Collection[Member]) -> list[Part]:
    by_department: dict[str, list[Member]] = {}
    for lead in members:
        by_department.setdefault(lead.department, []).append(lead)
    return [
        Part(
            name=_usual(lead.department_name for lead in leads),
            leads=len(leads),
            effective_leads=sum(lead.effective for lead in leads),
        )
        for _, leads in sorted(by_department.items())
    ]


def _usual(names: Iterable[str]) -> str | None:
    """The spelling that most use, of equals the first by code point; None where nobody told one."""
    told = Counter(name for name in names if name)
    return min(told, key=lambda name: (-told[name], name)) if told else None
