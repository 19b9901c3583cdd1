"""What leads come to as a company: effective leads, opportunities, roles, score."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources
from typing import Any

import pytest
from msgspec.structs import replace

from services.router.company import Known, Member, company_points, counts, member, naming, summary
from services.router.contact import canonical
from services.router.lifecycle.criteria import compile_condition
from services.router.lifecycle.decide import new_lead
from services.router.lifecycle.known import all_facts
from services.router.lifecycle.rules import Rules
from shared.playbook import load_playbook, parse_playbook
from shared.playbook.conditions import BehaviourAtLeast
from shared.points import MICRO
from shared.scores import DecayTerm, ScoreRecord
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())
NOW = MONDAY + timedelta(hours=1)


def lead_of(  # noqa: PLR0913 - a lead has that many sides
    id: str = "l",
    *,
    total: float = 20.0,
    level: int = 0,
    attributes: dict[str, Any] | None = None,
    stage: str = "acquired",
    now: Any = NOW,
    rules: Rules = RULES,
    **contact: str,
) -> Member:
    """A lead with contact data and points that halve every 30 days."""
    record = Story(id).record("contact_obtained", total=total, level=level, attributes=attributes)
    decay = [DecayTerm(points=total, since=record.time, half_life_seconds=30 * 86400.0)]
    fields = {name.replace("company", "company.name"): value for name, value in contact.items()}
    named = {name: canonical(name, value) for name, value in fields.items()}
    lead = replace(new_lead(id, 0, rules), stage=stage, department="marketing", acquired_at=record.time)
    known = Known(lead=lead, record=replace(record, decay=decay), contact=fields, canonical=named, handoff=None)
    return member(known, rules, now)


@pytest.mark.parametrize(
    ("given", "effective"),
    [
        ({}, True),
        ({"total": 0.5}, False),
        ({"total": 0.0, "level": 1}, False),
        ({"total": 0.0, "level": 2}, True),
        ({"total": 0.0, "level": 2, "now": NOW + timedelta(days=91)}, False),
        ({"now": NOW + timedelta(days=180)}, False),
        ({"stage": "excluded"}, False),
        ({"attributes": {"do_not_call": True}}, False),
        ({"attributes": {"company.industry": "官公庁"}}, False),
    ],
)
def test_an_effective_lead(given: dict[str, Any], effective: bool) -> None:
    assert lead_of(**given).effective is effective


def test_a_lead_that_sales_has_just_rejected_is_not_effective() -> None:
    record = Story("l").record("contact_obtained", level=3)
    lead = replace(new_lead("l", 0, RULES), acquired_at=MONDAY, department="marketing", held_until=NOW)
    known = Known(lead=lead, record=record, contact={}, canonical={}, handoff=None)
    assert not member(known, RULES, NOW - timedelta(seconds=1)).effective
    assert member(known, RULES, NOW).effective


def test_a_playbook_without_a_word_on_it_takes_every_lead_with_contact_data() -> None:
    text = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")
    rules = Rules(parse_playbook(text[: text.index("\neffective:")], "mine.yaml"))
    assert lead_of(total=0.0, rules=rules).effective


def test_ten_leads_of_a_department_are_one_opportunity() -> None:
    leads = [lead_of(str(n), department=("第１営業部", "第1 営業部")[n % 2]) for n in range(10)]
    company = summary("domain:acme.co.jp", leads, RULES)
    assert (company.leads, company.effective_leads, company.opportunities) == (10, 10, 1)
    assert [(part.name, part.leads) for part in company.departments] == [("第1 営業部", 10)]


def test_departments_count_by_their_effective_leads() -> None:
    leads = [
        lead_of("a", department="営業部"),
        lead_of("b", department="経理部", total=0.0),
        lead_of("c"),
        lead_of("d"),
    ]
    company = summary("name:アクメ", leads, RULES)
    assert (company.effective_leads, company.opportunities) == (3, 2)
    assert [(part.name, part.leads, part.effective_leads) for part in company.departments] == [
        (None, 2, 2), ("営業部", 1, 1), ("経理部", 1, 0),
    ]  # fmt: skip


def test_the_buying_group() -> None:
    leads = [
        lead_of("a", title="代表取締役社長"),
        lead_of("b", attributes={"title": "課長", "department": True}, title="課長", department="情報システム部"),
        lead_of("c", department="購買部", stage="excluded"),
    ]
    company = summary("name:アクメ", leads, RULES)
    assert company.covered == ["decision_maker", "manager", "technical"]
    assert company.missing == ["purchasing", "user"]


def test_the_score_is_the_highest_lead_and_a_tenth_of_the_others() -> None:
    leads = [lead_of(id, total=points, now=MONDAY) for id, points in (("a", 100.0), ("b", 30.0))]
    leads.append(lead_of("c", total=20.0, stage="excluded"))
    assert summary("k", leads, RULES).points == 103 * MICRO
    assert company_points([-5, 0], 0.1) == company_points([], 0.1) == 0


def test_points_fade() -> None:
    month_later = MONDAY + timedelta(days=30, minutes=1)
    assert summary("k", [lead_of(total=100.0, now=month_later)], RULES).points == 50 * MICRO


def test_the_name_is_the_one_most_use() -> None:
    names = ["㈱アクメ", "アクメ", "株式会社アクメ", "アクメ"]
    assert summary("k", [lead_of(str(n), company=name) for n, name in enumerate(names)], RULES).name == "アクメ"


def test_counts() -> None:
    acme = summary("k", [lead_of("a", department="営業部"), lead_of("b", department="経理部")], RULES)
    found = counts([acme], [lead_of("c"), lead_of("d", total=0.0)])
    assert (found.leads, found.effective_leads, found.companies) == (4, 3, 1)
    assert (found.leads_without_company, found.opportunities) == (2, 3)


def test_domains_that_the_playbook_calls_personal() -> None:
    text = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")
    rules = Rules(
        parse_playbook(text.replace("personal_domains: []", "personal_domains: [Cable.例え.jp]"), "mine.yaml")
    )
    assert naming({"email": canonical("email", "t@例え.jp"), "company.name": "アクメ"}, rules) == ("アクメ", "")
    assert naming({"email": "acme.co.jp"}, rules) == ("", "acme.co.jp")
    wrong = parse_playbook(text.replace("personal_domains: []", "personal_domains: [cable.nowhere]"), "mine.yaml")
    with pytest.raises(ValueError, match=r"personal_domains: cable.nowhere: expected domains that can exist"):
        Rules(wrong)


def test_a_record_that_fades_keeps_its_attribute_points() -> None:
    record: ScoreRecord = replace(
        Story("l").record("contact_obtained", total=10.0), attribute=25.0, total=35.0, decay=[]
    )
    lead = replace(new_lead("l", 0, RULES), acquired_at=MONDAY)
    found = member(Known(lead=lead, record=record, contact={}, canonical={}, handoff=None), RULES, NOW)
    assert (found.points, found.effective) == (25 * MICRO, False)


def test_behaviour_is_what_of_the_total_is_no_attributes() -> None:
    criterion = compile_condition(BehaviourAtLeast(behaviour_at_least=10), RULES.playbook)
    record = replace(Story("l").record(total=34.9), attribute=25.0)
    facts = all_facts(record)
    (leaf,) = criterion.missing(facts)
    assert (leaf.condition, leaf.wanted, leaf.value) == ("behaviour_at_least", 10, 9.9)
    assert leaf.label == {"ja": "行動スコア10点以上", "en": "Behaviour score 10 or more"}
    assert criterion.holds(all_facts(replace(record, total=35.0)))
    assert not criterion.holds(replace(facts, total=0))
