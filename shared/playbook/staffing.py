"""Who takes leads, and when: the part `departments` of a playbook, with teams, their territories, people and hours."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shared.playbook.channels import Accounts
from shared.playbook.points import Identifier
from shared.playbook.values import Check, Label, Strict

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_WEIGHT = 16
_LONGEST = timedelta(days=366)
_LEAP_YEAR = 2028  # has every day that may be told without a year


def parse_day(value: object) -> date | str:
    """A date, or a day of every year as `12-29`."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            if re.fullmatch(r"\d\d-\d\d", value):
                return f"{date.fromisoformat(f'{_LEAP_YEAR}-{value}'):%m-%d}"
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError("expected a day such as 2026-12-29, or 12-29 for every year")


Day = Annotated[date | str, BeforeValidator(parse_day, json_schema_input_type=str)]


class Closed(Strict):
    """Days on which nobody works, both ends included; of every year where they have no year, and then also over its
    end. A bare day is that day alone."""

    start: Day = Field(alias="from")
    end: Day = Field(alias="to")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Closed) else {"from": value, "to": value}

    @model_validator(mode="after")
    def _in_order(self) -> Closed:
        if isinstance(self.start, date) != isinstance(self.end, date):
            raise ValueError("expected both days with a year, or both without")
        if isinstance(self.start, date) and isinstance(self.end, date):
            if self.start > self.end:
                raise ValueError("expected 'from' before 'to', or the same day")
            if self.end - self.start > _LONGEST:
                raise ValueError("expected a year at most")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"type": "string"}]}

    @property
    def is_yearly(self) -> bool:
        return isinstance(self.start, str)

    def includes(self, day: date) -> bool:
        """Whether `day` is one of them."""
        if isinstance(self.start, date) and isinstance(self.end, date):
            return self.start <= day <= self.end
        told, start, end = f"{day:%m-%d}", str(self.start), str(self.end)
        return start <= told <= end if start <= end else told >= start or told <= end


class Hours(Strict):
    """Working hours: deadlines are counted in them. Of a team or a person, what is not given is as of the department or
    team that it belongs to, and `closed` comes to theirs."""

    days: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    start: str = Field(default="09:00", alias="from", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    end: str = Field(default="18:00", alias="to", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    holidays: str | None = "JP"  # country whose public holidays are free; none: no holidays
    closed: tuple[Closed, ...] = ()  # the company's own holidays

    def over(self, outer: Hours) -> Hours:
        """These hours, with what they do not say taken from `outer`."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return outer.model_copy(update={**given, "closed": (*outer.closed, *self.closed)})

    def contain_time(self) -> bool:
        """Whether somebody ever works in them."""
        year = (date(_LEAP_YEAR, 1, 1) + timedelta(days=number) for number in range(366))
        yearly = [days for days in self.closed if days.is_yearly]
        works = (
            WEEKDAYS[day.weekday()] in self.days and not any(days.includes(day) for days in yearly) for day in year
        )
        return self.start < self.end and any(works)


def _both_languages(value: object) -> object:
    return {"ja": value, "en": value} if isinstance(value, str) else value


class Person(Strict):
    """A member of a team. `weight` is the share of the team's hand-offs, relative to the others'; 0: none by rotation,
    as of a manager to whom others escalate. `max_load`: the most open hand-offs; none: any number. Absences are no part
    of a playbook."""

    label: Annotated[Label, BeforeValidator(_both_languages, json_schema_input_type=str | Label)] | None = None
    weight: int = Field(default=1, ge=0, le=MOST_WEIGHT)
    max_load: int | None = Field(default=None, ge=1)
    hours: Hours | None = None


class Team(Strict):
    """A team of a department. `accounts` are its own wherever they are; of the other leads it takes those whose fields
    pass all checks of `territory`. One without territory takes whatever no other team's territory covers.

    `capacity`: the most open hand-offs; none: what its people can take together. `escalate_to`: a person or
    another team of the department."""

    label: Label
    territory: dict[str, Check] = Field(default_factory=dict)
    accounts: Accounts = Accounts()
    people: dict[Identifier, Person] = Field(default_factory=dict)
    capacity: int | None = Field(default=None, ge=1)
    hours: Hours | None = None
    escalate_to: Identifier | None = None


class Department(Strict):
    """`escalate_to`: the team to which those escalate that do not say otherwise."""

    label: Label
    teams: dict[Identifier, Team] = Field(min_length=1)
    hours: Hours = Hours()
    escalate_to: Identifier | None = None

    @property
    def rest(self) -> Identifier | None:
        """The team that takes what no territory covers: the first without territory, one that has no accounts either
        before one that is there for its accounts. None where each has a territory: the first of all then takes it."""
        open_to_all = [id for id, team in self.teams.items() if not team.territory]
        without_accounts = [id for id in open_to_all if not self.teams[id].accounts.are_given]
        return next(iter([*without_accounts, *open_to_all]), None)

    def hours_of(self, team: Identifier, person: Identifier | None = None) -> Hours:
        """Those of a team, or of a person in it. `KeyError` where there is none."""
        rule = self.teams[team]
        hours = self.hours if rule.hours is None else rule.hours.over(self.hours)
        own = None if person is None else rule.people[person].hours
        return hours if own is None else own.over(hours)
