"""Whatever happens to a few leads, in whatever order: the laws of hand-offs hold at every step (domain N7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.router.lifecycle.model import HandOff, Status
from shared.feedback import (
    AnyReport,
    Appointment,
    Bant,
    Call,
    Churned,
    DealReport,
    Excluded,
    Lost,
    Onboarded,
    Suppress,
    Usage,
    Visit,
    Won,
)
from tests.simulation.business import Business
from tests.simulation.company import staffed_company

MONDAY = datetime(2026, 11, 16, 1, 0, tzinfo=UTC)
PLAYBOOK = staffed_company(max_load=1)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LEADS = {f"lead-{n}": (f"{n}@{company}.example", part) for n, (company, part) in enumerate(
    [("acme", "営業部"), ("acme", "営業部"), ("acme", "営業部"), ("acme", "総務部"), ("beta", "営業部"), ("", "")]
)}  # fmt: skip
ACTS = (
    *("Inquiry Submitted", "Catalogue Requested", "Document Downloaded", "Email Link Clicked", "Webinar Attended"),
    *("Survey Answered", "/pricing", "/product/a", "Email Unsubscribed", "Contact Retired", "Booth Visited"),
)
REPORTS: tuple[AnyReport, ...] = (
    Call(outcome="answered", interested=True),
    Call(outcome="unanswered"),
    Bant(point="needs"),
    Bant(point="budget"),
    Appointment(),
    Visit(result="went well"),
    DealReport(deal_id="D", amount=1.0, expected_date=date(2027, 1, 1)),
    Won(deal_id="D"),
    Lost(deal_id="D"),
    Onboarded(),
    Usage(usage=90.0),
    Churned(),
    Suppress(),
    Excluded(reason="competitor"),
)
PEOPLE = sorted({person for d in PLAYBOOK.departments.values() for team in d.teams.values() for person in team.people})
leads = st.sampled_from(sorted(LEADS))


class Company(RuleBasedStateMachine):
    """Six leads, four of one company, three of one department there. Everybody in sales takes one lead at a time."""

    @initialize()
    def opens(self) -> None:
        self.business = Business(PLAYBOOK, MONDAY)
        for id, (email, part) in LEADS.items():
            if part:
                self.business.ledger.learn(id, email, "", part)

    @rule(id=leads, what=st.sampled_from(ACTS), contacts=st.booleans())
    def a_lead_acts(self, id: str, what: str, contacts: bool) -> None:
        self._passes(MINUTE)
        told = {"contact_requested": contacts, "talked_in_detail": contacts} if what[0] != "/" else {}
        self._acquire(id)
        self.business.does(id, what, **told)
        if what == "Email Unsubscribed":
            self._leave_alone(id)

    @rule(id=leads, hot=st.booleans())
    def a_visitor_turns_out_to_be_a_lead(self, id: str, hot: bool) -> None:
        """Who may have been offered by then."""
        anonymous = f"browser-{id}"
        self._passes(MINUTE)
        self.business.does(None, "identify", anonymous, phone="03-0000-0000")
        if hot:
            self.business.does(None, "Inquiry Submitted", anonymous)
        self._passes(HOUR)
        self.business.does(id, "identify", anonymous, email=LEADS[id][0])
        self._passes(MINUTE)

    @rule(id=leads, report=st.sampled_from(REPORTS))
    def sales_reports(self, id: str, report: AnyReport) -> None:
        self._passes(MINUTE)
        self._acquire(id)
        self.business.report(self.business.ledger.root(id), report)
        if isinstance(report, Suppress | Excluded):
            self._leave_alone(id)
        self._passes(MINUTE)

    @rule(number=st.integers(0, 5), who=st.sampled_from([None, *PEOPLE]))
    def somebody_accepts(self, number: int, who: str | None) -> None:
        self._answers(number, Status.OFFERED, lambda one: self.business.accept(one.handoff_id, who))

    @rule(number=st.integers(0, 5), reason=st.sampled_from(sorted(PLAYBOOK.rejection.reasons)))
    def somebody_rejects(self, number: int, reason: str) -> None:
        def reject(one: HandOff) -> None:
            self.business.reject(one.handoff_id, reason)
            if reason == "not_a_target":
                self._leave_alone(one.lead_id)

        self._answers(number, Status.OFFERED, reject)

    @rule(number=st.integers(0, 5))
    def somebody_completes(self, number: int) -> None:
        self._answers(number, Status.ACCEPTED, lambda one: self.business.complete(one.handoff_id))

    @rule(person=st.sampled_from(PEOPLE), days=st.integers(1, 10))
    def somebody_goes_away(self, person: str, days: int) -> None:
        now = self.business.now
        self.business.ledger.absences[person].append((now, now + timedelta(days=days)))

    @rule(hours=st.sampled_from([0.5, 1, 3, 9, 24, 72, 24 * 31, 24 * 95]))
    def time_passes(self, hours: float) -> None:
        self._passes(hours * HOUR)

    @invariant()
    def all_laws_hold(self) -> None:
        self.business.laws.everything(self.business.now)

    def _passes(self, time: timedelta) -> None:
        self.business.run(self.business.now + time)

    def _acquire(self, id: str) -> None:
        if id not in self.business.ledger.leads:
            self.business.does(id, "identify", email=LEADS[id][0])

    def _leave_alone(self, id: str) -> None:
        business = self.business
        business.laws.left_alone.setdefault(business.ledger.root(id), business.now + timedelta(seconds=1))

    def _answers(self, number: int, status: Status, answer: Callable[[HandOff], None]) -> None:
        self._passes(MINUTE)
        found = [one for _, one in sorted(self.business.ledger.opened.items()) if one.status is status]
        if found:
            answer(found[number % len(found)])


TestCompany = Company.TestCase
TestCompany.settings = settings(stateful_step_count=40)
