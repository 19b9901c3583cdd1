"""Four months of business in simulated time; the two years are `make simulation`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from msgspec.structs import replace

from services.router.auditing import FINDINGS
from services.router.lifecycle.model import HandOff, Lead, Status
from services.router.lifecycle.rotation import TeamState
from services.router.lifecycle.surroundings import TeamKey
from shared.playbook.staffing import Hours
from tests.property.playbooks import DEFAULT
from tests.simulation import report
from tests.simulation.audit import audit
from tests.simulation.business import Business
from tests.simulation.chronicle import Chronicle
from tests.simulation.company import staffed_company
from tests.simulation.laws import Broken
from tests.simulation.ledger import MemoryLedger
from tests.simulation.scenario import START, Scenario
from tests.working_time import worked

PLAYBOOK = staffed_company()
HOURS = PLAYBOOK.departments["field-sales"].hours
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TO_BE_EMPTY = sorted(set(FINDINGS) - {"waiting"})


def four_months(seed: int = 1) -> tuple[Scenario, Chronicle]:
    scenario = Scenario(Business(PLAYBOOK, START), seed=seed, leads=300, days=120)
    chronicle = Chronicle(scenario.business, scenario.business.rules)
    scenario.run()
    return scenario, chronicle


@pytest.fixture(scope="module")
def played() -> tuple[Scenario, Chronicle]:
    return four_months()


def test_every_law_holds_in_a_business_in_which_everything_happens(played: tuple[Scenario, Chronicle]) -> None:
    ledger, chronicle = played[0].business.ledger, played[1]
    statuses = {one.status for one in ledger.handoffs.values()}
    assert statuses >= set(Status) - {Status.WAITING, Status.MERGED, Status.WITHDRAWN}
    stages = {stage for lead in ledger.leads.values() for stage in lead.reached}
    assert stages == set(played[0].business.rules.stages)
    assert chronicle.joined
    assert any(lead.merged_into for lead in ledger.leads.values())
    found = audit(ledger, played[0].end)
    assert set(found) == set(FINDINGS)
    assert {name: found[name] for name in TO_BE_EMPTY} == {name: [] for name in TO_BE_EMPTY}


def test_the_same_seed_makes_the_same_history(played: tuple[Scenario, Chronicle]) -> None:
    again = four_months()[0].business.ledger
    assert again.handoffs == played[0].business.ledger.handoffs
    assert again.leads == played[0].business.ledger.leads


def test_what_happened_is_told(played: tuple[Scenario, Chronicle]) -> None:
    chronicle = played[1]
    assert all(weeks[-1].load for weeks in chronicle.weeks.values())
    assert len(list(report.load_csv(chronicle.weeks))) == 1 + sum(len(weeks) for weeks in chronicle.weeks.values())
    rejected = next(one for one in chronicle.business.ledger.handoffs.values() if one.status is Status.REJECTED)
    assert any("rejected: " in line for line in report.timeline(chronicle, rejected.lead_id))


Sabotage = Callable[[Scenario], None]


def _one(scenario: Scenario, status: Status) -> HandOff:
    return next(one for one in scenario.business.ledger.opened.values() if one.status is status)


def _change_lead(scenario: Scenario, status: Status, **values: object) -> None:
    leads = scenario.business.ledger.leads
    id = _one(scenario, status).lead_id
    leads[id] = replace(leads[id], **values)


def _second_handoff(scenario: Scenario) -> None:
    one = _one(scenario, Status.ACCEPTED)
    scenario.business.ledger.handoffs["another"] = replace(one, handoff_id="another")


def _nobody_looks(scenario: Scenario) -> None:
    _change_lead(scenario, Status.OFFERED, due_at=None)


def _attached_to_nobody(scenario: Scenario) -> None:
    ledger = scenario.business.ledger
    id = next(id for id, lead in ledger.leads.items() if id not in ledger.opened and lead.department)
    ledger.leads[id] = replace(ledger.leads[id], attached_to=_one(scenario, Status.OFFERED).lead_id)


def _waits_for_ever(scenario: Scenario) -> None:
    """A hot lead that nobody has looked at for three months."""
    ledger = scenario.business.ledger
    alone = (lead for lead in ledger.leads.values() if lead.merged_into is None and lead.attached_to is None)
    stuck = {lead.lead_id: lead for lead in alone if lead.stage == "hot"}
    id, lead = next((id, lead) for id, lead in stuck.items() if id not in ledger.opened)
    long_ago = scenario.end - 90 * DAY
    score = ledger.scores[id]
    ledger.scores[id] = score._replace(record=replace(score.record, signals={}))
    ledger.leads[id] = replace(lead, stage_at=long_ago, owned_at=long_ago)


@pytest.mark.parametrize(
    ("sabotage", "said"),
    [
        (lambda s: _change_lead(s, Status.OFFERED, department=None), "without an owner"),
        (lambda s: _change_lead(s, Status.OFFERED, department="customer-success"), "giver is not its owner"),
        (lambda s: _change_lead(s, Status.ACCEPTED, person="somebody"), "have accepted it"),
        (_second_handoff, "two open hand-offs"),
        (_nobody_looks, "looked at None"),
        (_attached_to_nobody, "does not name it"),
        (_waits_for_ever, "waits at 'hot'"),
    ],
)
def test_the_laws_notice_what_must_never_be(played: tuple[Scenario, Chronicle], sabotage: Sabotage, said: str) -> None:
    scenario = played[0]
    ledger = scenario.business.ledger
    kept = dict(ledger.leads), dict(ledger.handoffs), dict(ledger.scores)
    scenario.business.laws.everything(scenario.end)
    try:
        sabotage(scenario)
        with pytest.raises(Broken, match=said):
            scenario.business.laws.everything(scenario.end)
    finally:
        ledger.leads, ledger.handoffs, ledger.scores = kept


def without_guard(id: str) -> str:
    """The default playbook's file without a guard."""
    return yaml.safe_dump(DEFAULT | {"guards": [guard for guard in DEFAULT["guards"] if guard["id"] != id]})


class CountsNothing(MemoryLedger):
    def team(self, key: TeamKey, now: datetime) -> TeamState:
        return replace(super().team(key, now), people={})


class KnowsNoAbsences(MemoryLedger):
    def team(self, key: TeamKey, now: datetime) -> TeamState:
        return replace(super().team(key, now), absences={})


class WithoutTimer(Business):
    def time_has_come(self, lead_id: str) -> None:
        pass


@pytest.mark.parametrize(
    ("business", "said"),
    [
        (Business(staffed_company(max_load=2), START, CountsNothing), "hand-offs, and may have 2"),
        (Business(PLAYBOOK, START, KnowsNoAbsences), "who is away"),
        (WithoutTimer(PLAYBOOK, START), "to be answered by"),
        (Business(staffed_company(without_guard("approached_too_often")), START), "after calls in vain"),
    ],
)
def test_the_laws_notice_a_router_that_forgets(business: Business, said: str) -> None:
    with pytest.raises(Broken, match=said):
        Scenario(business, seed=1, leads=300, days=120).run()


def test_working_time_is_measured_without_nights_and_holidays() -> None:
    friday = datetime(2026, 4, 24, 8, 0, tzinfo=UTC)  # 17:00 in Tokyo, before the Golden Week
    assert worked(PLAYBOOK, HOURS, friday, friday + 3 * DAY) == 9 * HOUR
    assert worked(PLAYBOOK, HOURS, friday + 3 * DAY, friday + 5 * DAY) == 10 * HOUR  # the 29th is a holiday
    assert worked(PLAYBOOK, Hours(days=("sat",)), friday, friday + 3 * DAY) == 9 * HOUR


def test_an_owner_is_named_by_the_audit_too(played: tuple[Scenario, Chronicle]) -> None:
    ledger = played[0].business.ledger
    kept = dict(ledger.leads)
    lead: Lead = ledger.leads[_one(played[0], Status.ACCEPTED).lead_id]
    try:
        ledger.leads[lead.lead_id] = replace(lead, person="somebody")
        assert audit(ledger, played[0].end)["with_two_owners"] == [lead.lead_id]
    finally:
        ledger.leads = kept


def most_of_field_sales(*, with_valves: bool) -> float:
    """The highest load of a team by its capacity, without those who passed a raised threshold; nobody asks to be
    contacted, and each takes one lead."""
    business = Business(staffed_company(of_field_sales=1, with_valves=with_valves), START)
    most, capacities = 0.0, {key: team.capacity for key, team in business.rules.teams.items()}

    def look() -> None:
        nonlocal most
        passed = (one for one in business.ledger.opened.values() if one.valve not in {"waits", "raised"})
        for key, load in Counter((one.receiver, one.team) for one in passed).items():
            most = max(most, load / (capacities[key] or math.inf))

    business.every(HOUR, look)
    Scenario(business, seed=1, leads=450, days=120, asks=False).run()
    return most


def test_the_valve_keeps_the_load_within_its_marks() -> None:
    assert most_of_field_sales(with_valves=True) <= 1
    assert most_of_field_sales(with_valves=False) > 1
