"""Leads: where they come from, what they do, and when they have had enough. Chances, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from services.cli.sample.people import Person, make_person
from tests.simulation.business import Act, Business

DAY = timedelta(days=1)
NOT_TARGETS = ("官公庁", "個人")
ACTS: Mapping[str, float] = {
    "/": 20,
    "/product/overview": 18,
    "/pricing": 9,
    "Email Link Clicked": 22,
    "Document Downloaded": 7,
    "webinar": 6,
    "Catalogue Requested": 3,
    "Inquiry Submitted": 2.5,
    "Email Unsubscribed": 1.2,
    "Contact Retired": 0.3,
}
"""What known leads do, and how often: a path, an event, or a whole webinar."""
CHANNELS: Mapping[str, float] = {
    "Document Downloaded": 30,
    "Booth Visited": 18,
    "webinar": 18,
    "Inquiry Submitted": 10,
    "Lead Listed": 14,
    "Lead Acquired": 10,
}
"""By what leads are obtained."""


@dataclass
class Market:
    """`companies`: among how many the leads work; `asks`: whether any of them ask to be contacted; `interest_lasts`:
    how long a person goes on to act at most."""

    business: Business
    chance: Random
    seed: int
    companies: int
    asks: bool = True
    interest_lasts: timedelta = 400 * DAY
    people: dict[str, Person] = field(default_factory=dict)

    def comes(self, number: int) -> None:
        """A person shows up: some look around before they say who they are."""
        person = make_person(self.seed, number, self.companies)
        if self.chance.random() < 0.3:
            self.business.does(None, "/product/overview", person.anonymous_id)
            self._later(0.01, 5, lambda: self._is_obtained(person))
        else:
            self._is_obtained(person)

    def _is_obtained(self, person: Person) -> None:
        id, traits, business = person.user_id, person.traits, self.business
        self.people[id] = person
        if "company" in traits and "department" in traits:
            business.ledger.learn(id, traits["email"], traits["company"]["name"], traits["department"])
        if person.company.industry in NOT_TARGETS and "title" in traits:
            business.laws.left_alone[id] = business.now
        business.does(id, "identify", person.anonymous_id, **traits)
        self._acts(id, self._choose(CHANNELS))
        self._goes_on(id, business.now + self.interest_lasts * self.chance.random())
        if self.chance.random() < 0.15:  # somebody has put them into a sequence of mails
            for day in (1, 2, 4, 30, 31, 32):
                self._later(day, day + 1, lambda: self._is_mailed(id))

    def _is_mailed(self, id: str) -> None:
        if not self._is_left_alone(id):
            root = self.business.ledger.root(id)
            self.business.laws.called_in_vain(root, self.business.now)
            self.business.does(id, "Sales Email Sent")

    def _goes_on(self, id: str, until: datetime) -> None:
        interest = self.people[id].interest
        self._later(0.2, 2 * 28 / (1 + 6 * interest), lambda: self._acts_again(id, until))

    def _acts_again(self, id: str, until: datetime) -> None:
        if self.business.now < until and not self._is_left_alone(id):
            interest = self.people[id].interest
            for _ in range(self.chance.choice((1, 1, 2, 3 if interest > 0.3 else 1))):
                self._acts(id, self._choose(ACTS))
            self._goes_on(id, until)

    def _acts(self, id: str, what: str) -> None:
        business = self.business
        match what if self.asks else what.replace("Inquiry Submitted", "Catalogue Requested"):
            case "webinar":
                self._takes_part(id)
            case "Booth Visited":
                business.does(id, what, exhibition="expo", talked_in_detail=self.asks and self.chance.random() < 0.1)
            case "Lead Listed":
                business.does(id, what, list=self.chance.choice(("external_database", "bdr_research")))
            case "Email Unsubscribed":
                business.does(id, what)
                business.laws.left_alone.setdefault(id, business.now)
            case what:
                if what == "Inquiry Submitted":
                    business.laws.answered(business.ledger.root(id))
                business.does(id, what)

    def _takes_part(self, id: str) -> None:
        campaign = f"webinar-{self.business.now:%Y-%m}"
        self.business.does(id, "Webinar Booked", webinar=campaign)
        if self.chance.random() < 0.7:
            self._later(1, 6, lambda: self.business.does(id, "Webinar Attended", webinar=campaign))
        if self.chance.random() < 0.3:
            asks = self.asks and self.chance.random() < 0.3
            survey = {"webinar": campaign, "contact_requested": asks}
            self._later(6, 7, lambda: self._answers(id, survey))

    def _answers(self, id: str, survey: Mapping[str, Any]) -> None:
        if survey["contact_requested"]:
            self.business.laws.answered(self.business.ledger.root(id))
        self.business.does(id, "Survey Answered", None, **survey)

    def _is_left_alone(self, id: str) -> bool:
        return id in self.business.laws.left_alone

    def _choose(self, weights: Mapping[str, float]) -> str:
        return self.chance.choices([*weights], [*weights.values()])[0]

    def _later(self, least: float, most: float, act: Act) -> None:
        """So many days later, at any hour."""
        self.business.at(self.business.now + self.chance.uniform(least, most) * DAY, act)
