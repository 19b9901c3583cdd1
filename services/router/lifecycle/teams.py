"""Teams and people of a playbook, compiled: what each may take, when they work, and to whom they escalate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.router.lifecycle.deadlines import WorkCalendar
from shared.playbook import Playbook
from shared.playbook.staffing import Department, Hours
from shared.playbook.values import WorkingTime


@dataclass(frozen=True, slots=True)
class PersonRule:
    """A member of a team; of weight 0 one who gets nothing by rotation. `max_load` None: any number."""

    id: str
    weight: int
    max_load: int | None
    calendar: WorkCalendar


@dataclass(frozen=True, slots=True)
class Escalation:
    """Who is asked when a team does not answer: a team of the same department, or one person of it."""

    team: str
    person: str | None = None


@dataclass(frozen=True, slots=True)
class TeamRule:
    """A team; its people in the playbook's order. `capacity` None: unbounded."""

    department: str
    id: str
    people: tuple[PersonRule, ...]
    capacity: int | None
    calendar: WorkCalendar
    escalate_to: Escalation | None

    @property
    def is_staffed(self) -> bool:
        """Whether its state matters: somebody has turns, or it takes only so many."""
        return bool(self.people) or self.capacity is not None

    def person(self, id: str) -> PersonRule | None:
        """None for somebody who is not, or no longer, of the team."""
        return next((person for person in self.people if person.id == id), None)

    def calendar_of(self, person: str | None) -> WorkCalendar:
        """The person's working time; the team's for None, and for somebody who is not of it."""
        rule = None if person is None else self.person(person)
        return self.calendar if rule is None else rule.calendar

    def deadline(self, person: str | None, now: datetime, within: WorkingTime) -> datetime:
        """By when that person, or for None the team, must have answered what it is given `now`."""
        return self.calendar_of(person).deadline(now, within)


def compile_teams(playbook: Playbook) -> dict[tuple[str, str], TeamRule]:
    """By (department, team). Raises `ValueError` for hours in which nobody would ever work."""
    calendars: dict[Hours, WorkCalendar] = {}

    def calendar(hours: Hours) -> WorkCalendar:
        if hours not in calendars:
            calendars[hours] = WorkCalendar(hours, playbook.zone)
        return calendars[hours]

    return {
        (department_id, team_id): TeamRule(
            department=department_id,
            id=team_id,
            people=tuple(
                PersonRule(id, person.weight, person.max_load, calendar(department.hours_of(team_id, id)))
                for id, person in team.people.items()
            ),
            capacity=_capacity(department, team_id),
            calendar=calendar(department.hours_of(team_id)),
            escalate_to=_escalation(department, team_id),
        )
        for department_id, department in playbook.departments.items()
        for team_id, team in department.teams.items()
    }


def _capacity(department: Department, team_id: str) -> int | None:
    """What is written, or what those in the rotation can take together, if all of them say so."""
    team = department.teams[team_id]
    loads = [person.max_load for person in team.people.values() if person.weight]
    known = [load for load in loads if load is not None]
    if team.capacity is not None or not loads or len(known) < len(loads):
        return team.capacity
    return sum(known)


def _escalation(department: Department, team_id: str) -> Escalation | None:
    told = department.teams[team_id].escalate_to or department.escalate_to
    if told is None or told == team_id:
        return None
    if told in department.teams:
        return Escalation(told)
    return next((Escalation(id, told) for id, team in department.teams.items() if told in team.people), None)
