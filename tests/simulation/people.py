"""How leads and salespeople behave in the simulation: chances, not rules. They read what a sales tool reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random

from services.router.batch import Decided
from services.router.lifecycle.model import HandOff, NotPossible, Status
from tests.simulation.business import DAY, Business

HOUR = timedelta(hours=1)
PREFECTURES = ("東京都", "大阪府", "神奈川県", "京都府", "愛知県", "兵庫県")
INDUSTRIES = ("製造", "金融", "IT", "個人")
TITLES = ("部長", "課長", "社員", "代表取締役")
PARTS = ("営業部", "情報システム部", "総務部")
REASONS = ("not_reachable", "no_need", "wrong_timing", "not_a_target", "duplicate", "wrong_territory", "other")
DEPARTMENTS = {"inside-sales": "inside_sales", "field-sales": "field_sales", "customer-success": "customer_success"}


@dataclass
class Market:
    """Leads come and act. `eager`: how much one does, from 0 to 1."""

    business: Business
    chance: Random
    eager: dict[str, float] = field(default_factory=dict)

    def comes(self, number: int) -> None:
        """A new lead: contact data, and then what it does over months."""
        lead_id, business, chance = f"lead-{number:05}", self.business, self.chance
        domain = f"company-{chance.randrange(1 + number // 2)}.example"
        part = chance.choice(PARTS)
        business.memory.company_of[lead_id] = (domain, part)
        traits = {
            "email": f"{lead_id}@{domain}",
            "title": chance.choice(TITLES),
            "prefecture": chance.choice(PREFECTURES),
            "industry": chance.choices(INDUSTRIES, (5, 3, 5, 1))[0],
            "employees": chance.choice((20, 150, 600, 3000)),
            "department": part,
        }
        if chance.random() < 0.03:
            traits["occupation"] = "学生"
        business.happens(lead_id, "identify", traits=traits)
        self.eager[lead_id] = chance.betavariate(1, 2)
        self._acts_later(lead_id, 0)

    def _acts_later(self, lead_id: str, times: int) -> None:
        days = self.chance.expovariate(0.05 + self.eager[lead_id])
        if times < 40:
            self.business.at(self.business.now + days * DAY, lambda: self._acts(lead_id, times))

    def _acts(self, lead_id: str, times: int) -> None:
        business, eager, roll = self.business, self.eager[lead_id], self.chance.random()
        if roll < 0.35:
            business.happens(lead_id, "/product/a")
        elif roll < 0.5:
            business.happens(lead_id, "/pricing")
        elif roll < 0.75:
            business.happens(lead_id, "Email Link Clicked")
        elif roll < 0.85:
            business.happens(lead_id, "Document Downloaded")
        elif roll < 0.92 and eager > 0.3:
            business.happens(lead_id, "Webinar Attended")
        elif roll < 0.97 and eager > 0.4:
            business.happens(lead_id, "Catalogue Requested")
        elif roll > 0.99 and eager > 0.5:
            business.happens(lead_id, "Inquiry Submitted")
        elif roll > 0.98:
            business.happens(lead_id, "Email Unsubscribed")
        self._acts_later(lead_id, times + 1)


@dataclass
class Sales:
    """Everybody who receives hand-offs."""

    business: Business
    chance: Random

    def hears(self, decided: Sequence[Decided]) -> None:
        """What they see in their tool, they answer some time later."""
        for item in decided:
            for change in item.decision.handoffs:
                if change.joined:
                    continue
                if change.handoff.status is Status.OFFERED:
                    self._later(0.3, 6.0, partial(self._answers, change.handoff))
                elif change.handoff.status is Status.ACCEPTED:
                    work = getattr(self, f"_{DEPARTMENTS[change.handoff.receiver]}")
                    self._later(0.5, 20.0, partial(work, change.handoff))

    def _later(self, least: float, most: float, act: object) -> None:
        """So many hours later, by a clock that also runs at night; a little beyond what was promised now and then."""
        assert callable(act)
        self.business.at(self.business.now + self.chance.uniform(least, most) * HOUR, act)

    def _is_away(self, person: str | None, now: datetime) -> bool:
        return any(start <= now < end for start, end in self.business.memory.absences.get(person or "", []))

    def _answers(self, offered: HandOff) -> None:
        business, memory, roll = self.business, self.business.memory, self.chance.random()
        one = memory.handoffs[offered.handoff_id]
        rule = business.rules.teams[one.receiver, one.team]
        begins = rule.calendar_of(one.person).next_work(business.now)
        if begins > business.now:
            business.at(begins + self.chance.uniform(0.05, 2.0) * HOUR, lambda: self._answers(offered))
            return
        if one.status is not Status.OFFERED or self._is_away(one.person, business.now) or roll < 0.04:
            return
        try:
            if roll < 0.14:
                business.rejects(one.handoff_id, self.chance.choice(REASONS))
            else:
                free = [p.id for p in rule.people if not self._is_away(p.id, business.now)]
                business.accepts(one.handoff_id, one.person or (self.chance.choice(free) if free else None))
        except NotPossible as gone:
            raise AssertionError(f"what is offered cannot be answered: {gone}") from gone

    def _has(self, one: HandOff) -> bool:
        """Whether whoever took it still works the lead."""
        lead = self.business.memory.leads[one.lead_id]
        return lead.taken and lead.department == one.receiver

    def _inside_sales(self, one: HandOff) -> None:
        """A call within a day; needs and the others over some days; an appointment, or nothing."""
        self._reports(one, "Call Answered" if self.chance.random() < 0.7 else "Call Unanswered")
        for number, point in enumerate(self.chance.sample(("needs", "authority", "budget", "timeframe"), 3)):
            if self.chance.random() < 0.85 - 0.15 * number:
                self._in_days(1, 6, partial(self._reports, one, "BANT Confirmed", point=point))
        if self.chance.random() < 0.05:
            self._in_days(2, 12, lambda: self._reports(one, "Appointment Made"))

    def _field_sales(self, one: HandOff) -> None:
        self._reports(one, "Call Answered")
        self._in_days(3, 12, lambda: self._reports(one, "Visit Made"))
        roll = self.chance.random()
        if roll < 0.3:
            return  # nothing comes of it; it falls silent
        deal = f"D-{one.lead_id}-{one.handoff_id[:4]}"
        told = {"deal_id": deal, "amount": 1_000_000, "expected_date": "2027-12-31"}
        self._in_days(8, 20, lambda: self._reports(one, "Deal Registered", **told))
        if roll < 0.6:
            self._in_days(25, 45, lambda: self._reports(one, "Quote Made", deal_id=deal))
            self._in_days(46, 70, lambda: self._reports(one, "Deal Won", deal_id=deal))
        elif roll < 0.85:
            self._in_days(25, 45, lambda: self._reports(one, "Deal Lost", deal_id=deal))

    def _customer_success(self, one: HandOff) -> None:
        self._reports(one, "Call Answered")
        self._in_days(10, 40, lambda: self._reports(one, "Onboarding Completed"))
        self._in_days(60, 300, lambda: self._reports(one, "Usage Reported", usage=self.chance.uniform(30, 100)))
        if self.chance.random() < 0.15:
            self._in_days(90, 400, lambda: self._reports(one, "Churned"))

    def _in_days(self, least: float, most: float, act: object) -> None:
        self._later(24 * least, 24 * most, act)

    def _reports(self, one: HandOff, name: str, **properties: object) -> None:
        if self._has(one) or name.startswith("Deal"):
            self.business.happens(one.lead_id, name, **properties)
