"""What is wrong in the part `departments` that its schema cannot see."""

from __future__ import annotations

from collections.abc import Iterator

from shared.countries import country_code
from shared.playbook.contradictions import contradiction, no_account
from shared.playbook.findings import Finding, Path, unknown
from shared.playbook.schema import LeadField, Playbook
from shared.playbook.staffing import Department, Person, Team
from shared.playbook.values import Check, Scalar
from shared.prefectures import prefecture


def staffing(playbook: Playbook) -> Iterator[Finding]:
    """Territories that nobody is in, people given twice, escalation to nobody, hours without time."""
    yield from _people(playbook)
    for department_id, department in playbook.departments.items():
        path: Path = ("departments", department_id)
        if not department.hours.contain_time():
            yield (*path, "hours"), _NO_TIME
        if (to := department.escalate_to) is not None and to not in department.teams:
            yield (*path, "escalate_to"), unknown("team of this department", to, department.teams)
        for team_id, team in department.teams.items():
            yield from _team((*path, "teams", team_id), team_id, department)
            for field, check in team.territory.items():
                yield from _territory((*path, "teams", team_id, "territory", field), field, check, playbook)


_NO_TIME = "contain no time in which somebody works; expected days that are not all closed, and 'from' before 'to'"


def _people(playbook: Playbook) -> Iterator[Finding]:
    """A person's id says who owns a lead: it means one person, who is in one team."""
    seen: dict[str, str] = {}
    for department_id, department in playbook.departments.items():
        for team_id, team in department.teams.items():
            for person in team.people:
                path: Path = ("departments", department_id, "teams", team_id, "people", person)
                if person in seen:
                    yield path, f"'{person}' is in the team '{seen[person]}' already; expected everybody in one team"
                elif person in department.teams:
                    yield path, f"'{person}' is the id of a team of this department; expected another one"
                else:
                    seen[person] = team_id


def _team(path: Path, team_id: str, department: Department) -> Iterator[Finding]:
    team = department.teams[team_id]
    if team.hours is not None and not department.hours_of(team_id).contain_time():
        yield (*path, "hours"), _NO_TIME
    for person_id, person in team.people.items():
        if person.hours is not None and not department.hours_of(team_id, person_id).contain_time():
            yield (*path, "people", person_id, "hours"), _NO_TIME
    yield from _loads(path, team)
    if (to := team.escalate_to) is None:
        return
    people = [person for other in department.teams.values() for person in other.people]
    others = [other for other in department.teams if other != team_id]
    if to == team_id:
        yield (*path, "escalate_to"), "a team cannot escalate to itself; expected a person or another team"
    elif to not in {*people, *others}:
        known = [*others, *people]
        yield (
            (*path, "escalate_to"),
            unknown("team or person of this department", to, known)
            if known
            else f"unknown '{to}': this department has neither another team nor people",
        )


def _loads(path: Path, team: Team) -> Iterator[Finding]:
    rota: list[Person] = [person for person in team.people.values() if person.weight]
    if team.people and not rota:
        yield (*path, "people"), "nobody would get a hand-off: expected a weight of 1 or more of at least one person"
    loads = [person.max_load for person in rota]
    known = [load for load in loads if load is not None]
    if team.capacity is not None and rota and len(known) == len(loads) and sum(known) < team.capacity:
        yield (
            (*path, "capacity"),
            f"the people together take {sum(known)} at most (their max_load); expected so many or fewer",
        )


def _territory(path: Path, name: str, check: Check, playbook: Playbook) -> Iterator[Finding]:
    field = playbook.fields.get(name)
    if field is None:
        yield path, unknown("field", name, playbook.fields)
    elif check.present is False:
        yield path, "what is not known lies in no territory; leave the territory away for a team that takes the rest"
    elif (problem := contradiction(check)) is not None:
        yield path, problem
    elif field.personal and check.model_fields_set != {"present"}:
        yield path, f"'{name}' is personal data, of which only presence is known here; name companies under 'accounts'"
    elif field.kind == "target_account" and (problem := no_account(check)) is not None:
        yield path, problem
    else:
        yield from _spellings(path, check, field)


def _spellings(path: Path, check: Check, field: LeadField) -> Iterator[Finding]:
    """Any spelling is good, as long as we know whose it is."""
    named: list[Scalar] = [*(check.one_of or ()), *(check.none_of or ())]
    named += [] if check.equals is None else [check.equals]
    for value in named:
        if field.kind == "prefecture" and prefecture(value) is None:
            yield path, f"'{value}' is no prefecture; expected one such as 大阪府 or Osaka"
        if field.kind == "country" and country_code(value) is None:
            yield path, f"'{value}' is no country that is known by this name; expected its ISO code, such as JP"
