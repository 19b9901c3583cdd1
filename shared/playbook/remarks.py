"""What a playbook may say, and its author may not have meant."""

from __future__ import annotations

from collections.abc import Iterator

from shared.company import company_name
from shared.countries import country
from shared.playbook.checks import fold
from shared.playbook.findings import Finding, Path
from shared.playbook.schema import LeadField, Playbook
from shared.playbook.staffing import Department, Team
from shared.playbook.values import Check, Scalar
from shared.playbook.valve_checks import valve_remarks
from shared.prefectures import prefecture


def remarks(playbook: Playbook) -> list[Finding]:
    """Teams that get what they may not expect, or nothing at all; stages at which an offer may wait for ever."""
    found: list[Finding] = [*_unanswered(playbook)]
    for id, department in playbook.departments.items():
        path: Path = ("departments", id, "teams")
        if department.rest is None:
            first = next(iter(department.teams))
            found.append(
                (path, f"every team has a territory: whatever none of them covers goes to the first, '{first}'")
            )
        found += _accounts(path, department)
        found += _never_first(path, department, playbook)
    return [*found, *valve_remarks(playbook)]


def _unanswered(playbook: Playbook) -> Iterator[Finding]:
    """Stages that a lead may be offered at, and by no certain time."""
    earlier: set[str] = set()
    for place, stage in sorted(enumerate(playbook.stages), key=lambda one: (one[1].number, one[0])):
        if stage.owner is None or stage.excluded or stage.when is None:
            continue
        if earlier - {stage.owner} and all(rule.when is not None for rule in stage.respond):
            message = "no 'respond' without a condition: a lead offered at this stage may wait for an answer for ever"
            yield ("stages", place), message
        earlier.add(stage.owner)


def _accounts(path: Path, department: Department) -> Iterator[Finding]:
    takers: dict[str, str] = {}
    for id, team in department.teams.items():
        for told in (*team.accounts.names, *team.accounts.domains):
            first = takers.setdefault(told if told in team.accounts.domains else company_name(told), id)
            if first != id:
                yield (*path, id, "accounts"), f"'{told}' is an account of '{first}' already, which comes first"


def _never_first(path: Path, department: Department, playbook: Playbook) -> Iterator[Finding]:
    """Teams to which no lead goes by territory, as others take them all; those that others escalate to may be so."""
    asked = {department.escalate_to, *(team.escalate_to for team in department.teams.values())}
    earlier: list[tuple[str, Team]] = []
    for id, team in department.teams.items():
        if team.territory:
            covering = next((other for other, one in earlier if _covers(one, team, playbook)), None)
            if covering is not None:
                yield (*path, id, "territory"), f"'{covering}' comes first, and takes every lead of this territory"
            earlier.append((id, team))
        elif id != department.rest and not team.accounts.are_given and id not in asked:
            yield (*path, id), f"gets no leads: '{department.rest}' takes whatever no territory covers"


def _covers(one: Team, other: Team, playbook: Playbook) -> bool:
    """Whether it is certain that whoever lies in the other's territory lies in that one's."""
    return all(
        field in other.territory and _is_within(other.territory[field], check, playbook.fields[field])
        for field, check in one.territory.items()
    )


def _is_within(inner: Check, outer: Check, field: LeadField) -> bool:
    few, many = _values(inner, field), _values(outer, field)
    return inner == outer or (few is not None and many is not None and few <= many)


def _values(check: Check, field: LeadField) -> set[Scalar | None] | None:
    """The values of a bare list, each in one spelling; None for any other check."""
    if check.one_of is None or check.model_fields_set != {"one_of"}:
        return None
    return {_spelt(value, field) for value in check.one_of}


def _spelt(value: Scalar, field: LeadField) -> Scalar | None:
    if field.kind == "prefecture":
        return prefecture(value)
    told = country(value) if field.kind == "country" else value
    return fold(told) if isinstance(told, str) else told
