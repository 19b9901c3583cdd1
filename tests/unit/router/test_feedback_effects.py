"""What a report comes to, without anything around it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest

from services.router.feedback.effects import (
    Reported,
    contact_events,
    deal_of,
    event_of,
    is_of_customer,
    moment_of,
    passed_by,
    points_of,
)
from services.router.lifecycle.contacting import contacted
from services.router.lifecycle.model import HandOff, Status
from services.router.lifecycle.rules import Rules
from services.router.tables import deals
from services.scorer.scoring import Scorer
from shared.acceptance import accepted
from shared.events import Logged, encode_event
from shared.feedback import ReportInvalid, parse_report
from shared.playbook import load_playbook
from tests.lives import Life
from tests.score_records import MONDAY

PLAYBOOK = load_playbook()
RULES = Rules(PLAYBOOK)
MINUTE = timedelta(minutes=1)


def reported(type: str, **facts: Any) -> Reported:
    report = parse_report(json.dumps({"type": type, **facts}).encode())
    return Reported(report, "r", "lead", MONDAY, MONDAY + MINUTE, "crm")


def test_what_is_told_is_an_event_like_any_other_that_signals_see() -> None:
    scorer = Scorer(PLAYBOOK)
    told = [
        reported("call", outcome="unanswered"),
        reported("bant", point="needs", value="増員したい"),
        reported("deal", deal_id="d", amount=5, expected_date="2027-01-31", partner="p"),
        reported("won", deal_id="d", amount=4, presales="kato"),
    ]
    events = []
    for number, one in enumerate(told):
        event = event_of(Reported(one.report, f"r{number}", "lead", one.at, one.received_at, "crm"))
        events.append(accepted(b"lead", encode_event(event), round(event.received_at.timestamp() * 1000)))
    records = scorer.apply(scorer.new_state(), [Logged(n, 20_000, event) for n, event in enumerate(events)], 0)
    assert {"sales_activity", "bant_needs", "deal_registered", "deal_won"} <= set(records[-1].signals)
    assert records[-1].signals["deal_registered"].kept["partner"] == "p"
    assert records[-1].signals["deal_won"].kept == {"deal_id": "d", "amount": 4.0, "presales": "kato"}


def test_free_text_and_names_of_reporters_stay_out_of_the_log() -> None:
    for type, facts in (
        ("visit", {"result": "SECRET"}),
        ("note", {"text": "SECRET"}),
        ("bant", {"point": "needs", "value": "SECRET"}),
        ("points", {"issue": "SECRET", "benefit": "SECRET"}),
        ("appointment", {"with_whom": "SECRET"}),
        ("case_opened", {"case_id": "c"}),
    ):
        event = event_of(reported(type, note="SECRET", by="SECRET", report_id="SECRET", **facts))
        assert b"SECRET" not in encode_event(event)


def test_a_deal_that_stalls_is_no_registration() -> None:
    stalled = reported("deal", deal_id="d", amount=5, expected_date="2027-01-31", status="stalled")
    assert event_of(stalled).name == "Deal Stalled"
    deal = deal_of(stalled)
    assert deal is not None
    assert (deal.stalled_at, deal.registered_at, deal.expected_at) == (MONDAY, None, datetime(2027, 1, 31, tzinfo=UTC))


def test_only_deals_and_points_are_kept_as_such() -> None:
    assert deal_of(reported("proposal", deal_id="d", amount=1)) is None
    assert points_of(reported("note", text="x")) == []
    assert [(one.field, one.value) for one in points_of(reported("points", issue="a", benefit="b"))] == [
        ("points.issue", "a"), ("points.benefit", "b"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("type", "facts", "stage", "told"),
    [
        ("visit", {"result": "x"}, 5, False),
        ("visit", {"result": "x"}, 7, True),
        ("won", {"deal_id": "d"}, 7, False),
        ("lost", {"deal_id": "d"}, 6, False),
        ("nps", {"score": 3}, 7, True),
        ("note", {"text": "x"}, 8, True),
        ("note", {"text": "x"}, 4, None),
        ("call", {"outcome": "answered"}, 5, None),
    ],
)
def test_who_is_told_of_a_report(type: str, facts: dict[str, Any], stage: int, told: bool | None) -> None:
    assert is_of_customer(reported(type, **facts).report, stage) is told


def test_prospects_and_customers_were_passed_by_different_handoffs() -> None:
    def handoff(id: str, stage: str) -> HandOff:
        return HandOff(
            handoff_id=id, lead_id="l", status=Status.COMPLETED, giver="g", giver_team=None, receiver="r", team="t",
            person=None, stage=stage, offered_at=MONDAY, respond_by=None, priority="normal",
        )  # fmt: skip

    latest_first = [handoff("c", "onboarding"), handoff("gone", "removed"), handoff("p", "opportunity")]
    found = [passed_by(latest_first, of_customer, RULES) for of_customer in (True, False)]
    assert [one and one.handoff_id for one in found] == ["c", "p"]
    assert passed_by(latest_first[:2], False, RULES) is None


def test_what_counts_as_a_contact_is_the_playbooks() -> None:
    assert {"Call Unanswered", "Visit Made"} <= contact_events(PLAYBOOK)
    assert "Health Reported" not in contact_events(PLAYBOOK)
    without = PLAYBOOK.model_copy(update={"handoffs": PLAYBOOK.handoffs.model_copy(update={"first_contact": None})})
    assert contact_events(without) == frozenset()


def test_a_contact_meets_the_deadline_and_an_older_one_changes_nothing() -> None:
    life = Life().shows("contact_obtained").shows("inquiry_made").accepts("佐藤")
    case = life.story.case(life.lead, life.rules)
    assert life.lead.due_at is not None
    after = contacted(life.lead, life.opened, life.story.at, case)
    assert (after.contacted_at, after.due_at) == (life.story.at, None)
    assert contacted(after, life.opened, life.story.at - MINUTE, case) is after


def test_reports_are_of_the_past() -> None:
    now = MONDAY.replace(microsecond=123_456)
    assert moment_of(parse_report(b'{"type":"note","text":"x"}'), now) == MONDAY.replace(microsecond=123_000)
    for at in ("2026-11-16T01:06:00Z", "1999-12-31T23:59:59Z"):
        with pytest.raises(ReportInvalid, match=r"^at: "):
            moment_of(parse_report(f'{{"type":"note","text":"x","at":"{at}"}}'.encode()), now)


def test_the_migration_reckons_the_status_as_the_tables_say() -> None:
    migration = import_module("deploy.migrations.versions.0008_reports_of_deals")
    assert str(deals.c.status.computed.sqltext) == migration._STATUS
