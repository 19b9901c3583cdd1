"""People of sales: they answer within hours or days or not at all, call, visit, win and lose. Chances, no rules.

They see what a sales tool shows: a hand-off that was withdrawn, or passed to somebody else, they leave alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from services.router.batch import Decided
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
    Nps,
    Onboarded,
    Quote,
    Suppress,
    Upsold,
    Usage,
    Visit,
    Won,
)
from tests.simulation.business import Act, Business

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REASONS = {
    "no_need": 30,
    "not_reachable": 20,
    "wrong_timing": 20,
    "wrong_territory": 15,
    "not_a_target": 8,
    "duplicate": 4,
    "other": 3,
}
FORGOTTEN, REJECTED = 0.05, 0.12
"""Chances that an offer is never answered, or rejected."""


@dataclass
class Office:
    """Everybody who is offered leads. `idle`: what share of offers nobody looks at, beside what is forgotten;
    `appointments`: whether inside sales makes any."""

    business: Business
    chance: Random
    idle: float = 0.0
    appointments: bool = True
    deals: int = 0

    def listens(self, decided: Sequence[Decided]) -> None:
        """What is offered is answered some time later; what is accepted, worked."""
        for item in decided:
            for change in item.decision.handoffs:
                id, status = change.handoff.handoff_id, change.handoff.status
                if status is Status.OFFERED and not change.joined:
                    self._in_hours(0.2, 14, lambda id=id: self._answers(id))  # type: ignore[misc]
                elif status is Status.ACCEPTED and not change.joined:
                    self._in_hours(0.5, 8, lambda id=id: self._begins(id))  # type: ignore[misc]

    def _answers(self, handoff_id: str) -> None:
        business, one = self.business, self.business.ledger.handoffs[handoff_id]
        if one.status is not Status.OFFERED:
            return
        team = business.rules.teams[one.receiver, one.team]
        begins = team.calendar_of(one.person).next_work(business.now)
        if begins > business.now:
            business.at(begins + self.chance.uniform(0, 0.9) * HOUR, lambda: self._answers(handoff_id))
            return
        roll = self.chance.random()
        who = one.person or self._free(one)
        if who is None or self._is_away(who) or roll < FORGOTTEN + self.idle:
            return
        if roll < FORGOTTEN + self.idle + REJECTED:
            self._rejects(one)
        else:
            business.accept(handoff_id, who)

    def _rejects(self, one: HandOff) -> None:
        reason = self.chance.choices([*REASONS], [*REASONS.values()])[0]
        teams = [team for department, team in self.business.rules.teams if department == one.receiver]
        self.business.reject(one.handoff_id, reason, self.chance.choice(teams) if reason == "wrong_territory" else None)
        if reason == "not_a_target":
            self._leave_alone(one.lead_id)

    def _begins(self, handoff_id: str) -> None:
        one = self.business.ledger.handoffs[handoff_id]
        if self.chance.random() < 0.03 or one.person is None or self._is_away(one.person):
            return  # nobody gets in touch, and the deadline for that passes
        match one.receiver:
            case "inside-sales":
                self._inside_sales(one)
            case "field-sales":
                self._field_sales(one)
            case "customer-success":
                self._customer_success(one)

    def _inside_sales(self, one: HandOff, calls: int = 3) -> None:
        reached = self.chance.random() < 0.7
        self._reports(one, Call(outcome="answered" if reached else "unanswered", interested=reached))
        if not reached and calls > 1:
            self._in_days(0.5, 2, lambda: self._calls_again(one, calls - 1))
        roll = self.chance.random()
        if not reached or roll < 0.25:
            return  # silence
        if roll < 0.29:
            self._in_days(0.1, 3, lambda: self._wants_no_calls(one))
            return
        if roll < 0.32:
            self._in_days(0.1, 5, lambda: self._is_no_target(one))
            return
        for number, point in enumerate(self.chance.sample(("needs", "authority", "budget", "timeframe"), 3)):
            if self.chance.random() < 0.8 - 0.2 * number:
                self._report_in(one, 0.1, 8, Bant(point=point))
        if self.appointments and roll < 0.52:
            self._report_in(one, 1, 10, Appointment())
        else:
            self._in_days(3, 12, lambda: self._completes(one))

    def _calls_again(self, one: HandOff, calls: int) -> None:
        if self._is_theirs(one):
            self._inside_sales(one, calls)

    def _field_sales(self, one: HandOff) -> None:
        self._reports(one, Call(outcome="answered"))
        self._report_in(one, 2, 12, Visit(result="heard their issue"))
        if self.chance.random() < 0.35:
            return  # nothing comes of it
        self.deals += 1
        deal = f"D-{self.deals:05d}"
        amount, expected = self.chance.uniform(0.5, 20) * 1e6, date(2030, 1, 1)
        self._report_in(one, 5, 20, DealReport(deal_id=deal, amount=amount, expected_date=expected))
        roll = self.chance.random()
        if roll < 0.2:
            return  # it stalls
        self._report_in(one, 21, 35, Quote(deal_id=deal, amount=amount))
        if roll < 0.6:
            self._report_in(one, 36, 60, Won(deal_id=deal, amount=amount))
        else:
            self._report_in(one, 36, 60, Lost(deal_id=deal, reason="price"))

    def _customer_success(self, one: HandOff) -> None:
        self._reports(one, Call(outcome="answered"))
        if self.chance.random() < 0.9:
            self._report_in(one, 10, 40, Onboarded())
        for month in range(2, 14, 3):
            self._report_in(one, 30 * month, 30 * month + 20, Usage(usage=self.chance.uniform(20, 100)))
        if self.chance.random() < 0.5:
            self._report_in(one, 90, 300, Nps(score=self.chance.randint(2, 10)))
        if self.chance.random() < 0.2:
            self._report_in(one, 120, 400, Churned(reason="budget"))
        elif self.chance.random() < 0.3:
            self._report_in(one, 120, 400, Upsold(amount=1e6))

    def _completes(self, one: HandOff) -> None:
        if self.business.ledger.handoffs[one.handoff_id].status is Status.ACCEPTED:
            self.business.complete(one.handoff_id)

    def _wants_no_calls(self, one: HandOff) -> None:
        self._reports(one, Suppress(reason="asked"))
        self._leave_alone(one.lead_id)

    def _is_no_target(self, one: HandOff) -> None:
        self._reports(one, Excluded(reason="competitor"))
        self._leave_alone(one.lead_id)

    def _leave_alone(self, lead_id: str) -> None:
        """Known to the router when the report was scored."""
        root = self.business.ledger.root(lead_id)
        self.business.laws.left_alone.setdefault(root, self.business.now + timedelta(seconds=1))

    def _reports(self, one: HandOff, report: AnyReport) -> None:
        lead_id = self.business.ledger.root(one.lead_id)
        if isinstance(report, Call) and report.outcome == "unanswered":
            self.business.laws.called_in_vain(lead_id, self.business.now)
        elif isinstance(report, Call | Visit | Appointment | Bant | DealReport | Won):
            self.business.laws.answered(lead_id)
        self.business.report(lead_id, report)

    def _report_in(self, one: HandOff, least: float, most: float, report: AnyReport) -> None:
        """If they still have the lead by then."""
        self._in_days(least, most, lambda: self._reports_if_theirs(one, report))

    def _reports_if_theirs(self, one: HandOff, report: AnyReport) -> None:
        if self._is_theirs(one):
            self._reports(one, report)

    def _is_theirs(self, one: HandOff) -> bool:
        lead = self.business.ledger.leads[self.business.ledger.root(one.lead_id)]
        return lead.department == one.receiver and lead.taken

    def _free(self, one: HandOff) -> str | None:
        """Somebody who takes from the team's queue."""
        team = self.business.rules.teams[one.receiver, one.team]
        here = [person.id for person in team.people if person.weight and not self._is_away(person.id)]
        return self.chance.choice(here) if here else None

    def _is_away(self, person: str) -> bool:
        return any(start <= self.business.now < end for start, end in self.business.ledger.absences[person])

    def _in_hours(self, least: float, most: float, act: Act) -> None:
        self.business.at(self.business.now + self.chance.uniform(least, most) * HOUR, act)

    def _in_days(self, least: float, most: float, act: Act) -> None:
        self._in_hours(24 * least, 24 * most, act)
