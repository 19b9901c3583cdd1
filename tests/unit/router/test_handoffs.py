"""Who owns a lead, and what becomes of hand-offs (domain D1, D2, "Owner while a hand-off is under way")."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.router.lifecycle import decide as lifecycle
from services.router.lifecycle.answers import Refusal, accept, complete, reject
from services.router.lifecycle.model import OPEN, Decision, HandOff, HandOffChange, Lead, NotPossible
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Surroundings
from shared.playbook import load_playbook
from tests.score_records import Story

RULES = Rules(load_playbook())


class Case:
    """A lead that lives through records and answers."""

    def __init__(self) -> None:
        self.story = Story("l")
        self.lead: Lead = lifecycle.new_lead("l", 0, RULES)
        self.opened: HandOff | None = None
        self.changes: list[HandOffChange] = []

    def shows(self, signal: str | None = None, level: int = 0, **attributes: object) -> Case:
        record = self.story.record(signal, level=level, attributes=attributes)
        self._take(lifecycle.decide(self.lead, self.opened, record, RULES, record.time, Surroundings()))
        return self

    def past(self, signal: str) -> Case:
        record = self.story.record(signal, historical=True)
        self._take(lifecycle.decide(self.lead, self.opened, record, RULES, record.time, Surroundings()))
        return self

    def accepts(self, person: str | None = None) -> Case:
        assert self.opened
        self._take(accept(self.lead, self.opened, person, "tool", self.story.case(self.lead, RULES)))
        return self

    def _take(self, decision: Decision) -> None:
        self.lead = decision.lead
        self.changes += decision.handoffs
        for change in decision.handoffs:
            self.opened = change.handoff if change.handoff.status in OPEN else None

    @property
    def told(self) -> list[tuple[str, str, str]]:
        return [(c.handoff.giver, c.handoff.receiver, c.handoff.status.value) for c in self.changes]


def test_the_first_assignment_is_no_handoff() -> None:
    case = Case().shows("contact_obtained")
    assert (case.lead.department, case.lead.team, case.told) == ("marketing", "marketing", [])


def test_the_giver_stays_responsible_until_the_receiver_accepts() -> None:
    case = Case().shows("contact_obtained").shows("inquiry_made")
    assert (case.lead.department, case.told) == ("marketing", [("marketing", "inside-sales", "offered")])
    case.accepts("佐藤")
    assert (case.lead.department, case.lead.person, case.lead.sal_at) == ("inside-sales", "佐藤", case.story.at)


def test_level_four_goes_straight_to_field_sales_in_its_territory() -> None:
    case = Case().shows("contact_obtained", level=4, prefecture="大阪")
    assert case.told == [("marketing", "field-sales", "offered")]
    assert case.opened
    assert case.opened.team == "osaka-branch"


def test_an_offer_that_the_lead_outruns_is_withdrawn() -> None:
    case = Case().shows("contact_obtained", level=2).shows(level=4)
    assert case.told == [
        ("marketing", "inside-sales", "offered"),
        ("marketing", "inside-sales", "withdrawn"),
        ("marketing", "field-sales", "offered"),
    ]


def test_a_report_by_sales_shows_that_the_receiver_worked_the_lead() -> None:
    case = Case().shows("contact_obtained").shows("inquiry_made").shows("appointment_made")
    assert case.told[1:] == [("marketing", "inside-sales", "completed"), ("inside-sales", "field-sales", "offered")]
    assert (case.lead.department, case.lead.sal_at) == ("inside-sales", case.story.at)
    case.shows("deal_registered")
    assert case.told[3:] == [("inside-sales", "field-sales", "completed")]
    assert (case.lead.department, case.opened) == ("field-sales", None)


def test_an_accepted_handoff_is_completed_when_the_lead_moves_on_and_stays_while_it_does_not() -> None:
    case = Case().shows("contact_obtained").shows("inquiry_made").accepts().shows(level=4)
    assert case.told[2:] == [("marketing", "inside-sales", "completed"), ("inside-sales", "field-sales", "offered")]
    case.accepts().shows("deal_registered")
    assert case.opened is not None
    assert case.opened.status == "accepted"


def test_an_excluded_lead_is_worked_by_nobody() -> None:
    case = Case().shows("contact_obtained").shows("inquiry_made").accepts().shows("retired")
    assert case.told[2:] == [("marketing", "inside-sales", "withdrawn")]
    assert (case.lead.department, case.opened) == ("marketing", None)


def test_history_moves_stage_and_owner_and_offers_nothing() -> None:
    case = Case().past("contact_obtained").past("inquiry_made").past("deal_won")
    assert (case.lead.stage, case.lead.department, case.told) == ("onboarding", "customer-success", [])


def test_what_an_offer_says() -> None:
    case = Case().shows("contact_obtained").shows("inquiry_made")
    assert case.opened
    assert case.opened.priority == "high"
    assert case.opened.respond_by == case.story.at + timedelta(hours=1)
    assert case.changes[0].reason[0].label == {"ja": "問い合わせ", "en": "Made an inquiry"}


def test_ids_are_the_same_whenever_the_log_is_read_and_differ_between_handoffs() -> None:
    ids = [
        [c.handoff.handoff_id for c in Case().shows("contact_obtained", level=2).shows(level=4).changes]
        for _ in range(2)
    ]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


@pytest.mark.parametrize("verb", ["accept", "reject", "complete"])
def test_what_is_over_cannot_be_answered_again(verb: str) -> None:
    case = Case().shows("contact_obtained", level=2).shows(level=4)
    over = case.changes[1].handoff
    answers = {
        "accept": lambda: accept(case.lead, over, None, "x", case.story.case(case.lead, RULES)),
        "reject": lambda: reject(case.lead, over, Refusal("other", "x"), case.story.case(case.lead, RULES)),
        "complete": lambda: complete(case.lead, over, "x", case.story.case(case.lead, RULES)),
    }
    with pytest.raises(NotPossible, match="withdrawn"):
        answers[verb]()


def test_an_accepted_handoff_is_completed_by_its_receiver_who_stays_the_owner() -> None:
    case = Case().shows("contact_obtained").shows("inquiry_made").accepts("佐藤")
    assert case.opened
    decision = complete(case.lead, case.opened, "tool", case.story.case(case.lead, RULES))
    assert (decision.lead.department, decision.handoffs[0].handoff.status) == ("inside-sales", "completed")
