"""Which team of a department gets a lead (domain A3): by named account, by who has its company, by territory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.company import company_name
from shared.countries import country
from shared.playbook import Playbook
from shared.playbook.checks import Predicate, compile_check
from shared.playbook.staffing import Department
from shared.playbook.values import Check, Scalar
from shared.prefectures import prefecture

_SPELLINGS: dict[str, Callable[[Any], Any]] = {"prefecture": prefecture, "country": country}
"""Kinds of field whose values are one, however they are written."""


@dataclass(frozen=True, slots=True)
class CompanyKeys:
    """What a lead's company is known by: normalised names (`company_name`) and corporate mail domains, as the contact
    data's `canonical` has them. Empty texts name nothing."""

    names: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Owner:
    """The team, and the person if one has accepted, that a colleague of the same company belongs to."""

    team: str
    person: str | None = None


class Found(StrEnum):
    """What made it this team. `rest`: no territory covers the lead, and the team has none; `nobody`: all teams
    have one, so that it falls to the first of them."""

    ACCOUNT = "account"
    COMPANY_OWNER = "company_owner"
    TERRITORY = "territory"
    REST = "rest"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Place:
    """A team, and who of it should have the lead (the company's owner), if they may take it; None: whose turn it is."""

    team: str
    person: str | None
    found: Found


@dataclass(frozen=True, slots=True)
class _Area:
    """What of one team decides. The names and domains are those of its accounts."""

    id: str
    people: frozenset[str]
    names: frozenset[str]
    domains: frozenset[str]
    territory: tuple[tuple[str, Predicate], ...]


NO_COMPANY = CompanyKeys()


class Territories:
    """The teams of a playbook, compiled."""

    def __init__(self, playbook: Playbook) -> None:
        self._spelling = {
            name: _SPELLINGS[field.kind] for name, field in playbook.fields.items() if field.kind in _SPELLINGS
        }
        self._areas = {id: self._compile(department) for id, department in playbook.departments.items()}
        self._rest = {id: _rest(department) for id, department in playbook.departments.items()}

    def team(self, department: str, fields: Mapping[str, Any]) -> str:
        """The team by territory alone, where neither company nor colleagues are known."""
        return self.place(department, fields).team

    def place(
        self,
        department: str,
        fields: Mapping[str, Any],
        company: CompanyKeys = NO_COMPANY,
        company_owner: Owner | None = None,
    ) -> Place:
        """The first that has the company among its accounts; else the company's owner; else the first in whose
        territory the lead is; else the one that takes the rest. An owner whom the department does not have
        (any more) is passed over."""
        areas = self._areas[department]
        owned = next((area for area in areas if company_owner is not None and area.id == company_owner.team), None)
        person = company_owner.person if owned and company_owner and company_owner.person in owned.people else None
        for area in areas:
            if not (company.names.isdisjoint(area.names) and company.domains.isdisjoint(area.domains)):
                return Place(area.id, person if area is owned else None, Found.ACCOUNT)
        if owned is not None:
            return Place(owned.id, person, Found.COMPANY_OWNER)
        for area in areas:
            if area.territory and all(self._lies_in(fields.get(name), name, holds) for name, holds in area.territory):
                return Place(area.id, None, Found.TERRITORY)
        team, found = self._rest[department]
        return Place(team, None, found)

    def _lies_in(self, value: Any, field: str, holds: Predicate) -> bool:
        """What is not known lies in no territory, also not in one that is told by what it is not."""
        spelt = self._spelling[field](value) if field in self._spelling else value
        return spelt is not None and spelt != "" and holds(spelt)

    def _compile(self, department: Department) -> list[_Area]:
        return [
            _Area(
                id,
                frozenset(team.people),
                frozenset(map(company_name, team.accounts.names)),
                frozenset(team.accounts.domains),
                tuple((field, compile_check(self._spelt(field, check))) for field, check in team.territory.items()),
            )
            for id, team in department.teams.items()
        ]

    def _spelt(self, field: str, check: Check) -> Check:
        """The check with its values written as the field's are."""
        if field not in self._spelling:
            return check
        spell = self._spelling[field]
        lists: dict[str, list[Scalar] | None] = {"one_of": check.one_of, "none_of": check.none_of}
        update: dict[str, Any] = {name: [spell(one) for one in values] for name, values in lists.items() if values}
        return check.model_copy(update=update | ({} if check.equals is None else {"equals": spell(check.equals)}))


def _rest(department: Department) -> tuple[str, Found]:
    rest = department.rest
    return (next(iter(department.teams)), Found.NOBODY) if rest is None else (rest, Found.REST)
