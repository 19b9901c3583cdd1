"""Companies and the people in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from services.cli.sample import words

SIZES = [((8, 49), 45), ((50, 299), 33), ((300, 999), 14), ((1000, 18000), 8)]
UNIVERSITY = "青嵐台大学"


@dataclass(frozen=True)
class Company:
    number: int
    name: str
    domain: str
    industry: str
    employees: int
    prefecture: str

    @property
    def id(self) -> str:
        return f"company-{self.number:05d}"


@dataclass(frozen=True)
class Person:
    """`relation` is customer, competitor, student or prospect; interest (0 to 1) drives what the person does."""

    number: int
    family: tuple[str, str]
    given: tuple[str, str]
    company: Company
    title: str
    department: str
    prefecture: str
    relation: str
    interest: float

    @property
    def user_id(self) -> str:
        return f"lead-{self.number:05d}"

    @property
    def anonymous_id(self) -> str:
        return f"browser-{self.number:05d}"

    @cached_property
    def traits(self) -> dict[str, Any]:
        """What a form or a business card tells."""
        traits: dict[str, Any] = {
            "name": f"{self.family[0]} {self.given[0]}",
            "email": f"{self.given[1]}.{self.family[1]}.{self.number}@{self.company.domain}",
            "phone": f"03-0000-{self.number % 10000:04d}",
            "prefecture": self.prefecture,
        }
        if self.relation == "student":
            return traits | {"occupation": "学生", "company": {"name": UNIVERSITY}}
        if self.relation == "competitor":
            traits["relationship"] = "競合"
        if self.relation == "customer":
            traits["customer"] = True
        company = {"name": self.company.name, "industry": self.company.industry, "employees": self.company.employees}
        return traits | {"title": self.title, "department": self.department, "company": company}


def make_company(seed: int, number: int) -> Company:
    random = Random(f"{seed}:company:{number}")
    head = random.choice(words.COMPANY_HEADS)
    industry, _, tails = _weighted(random, [((*entry,), entry[1]) for entry in words.INDUSTRIES])
    tail = random.choice(tails)
    body = head[0] + tail[0]
    name = body if industry == "官公庁" else random.choice(["株式会社" + body, body + "株式会社"])
    size = _weighted(random, SIZES)
    return Company(
        number=number,
        name=name,
        domain=f"{head[1]}-{tail[1]}-{number}.example",
        industry=industry,
        employees=random.randint(*size),
        prefecture=_weighted(random, list(words.POPULATION.items())),
    )


def make_person(seed: int, number: int, companies: int) -> Person:
    """Several people share a company; one in eight works elsewhere than at its seat."""
    random = Random(f"{seed}:person:{number}")
    company = make_company(seed, random.randrange(companies))
    elsewhere = random.random() < 1 / 8
    return Person(
        number=number,
        family=random.choice(words.FAMILY),
        given=random.choice(words.GIVEN),
        company=company,
        title=_weighted(random, words.TITLES),
        department=random.choice(words.DEPARTMENTS),
        prefecture=_weighted(random, list(words.POPULATION.items())) if elsewhere else company.prefecture,
        relation=_weighted(random, [("prospect", 948), ("student", 20), ("customer", 20), ("competitor", 12)]),
        interest=random.random() ** 3,  # most leads stay cold
    )


def _weighted(random: Random, choices: list[tuple[Any, int]]) -> Any:
    return random.choices([value for value, _ in choices], [weight for _, weight in choices])[0]
