"""Whether valves can work: departments, stages and thresholds that they name."""

from __future__ import annotations

from collections.abc import Iterator

from shared.playbook.conditions import LeadCondition, thresholds
from shared.playbook.findings import Finding, Path, unknown
from shared.playbook.schema import Playbook
from shared.playbook.valve import Valve


def valve_references(playbook: Playbook) -> Iterator[Finding]:
    """Departments and stages that do not exist, or are not each other's."""
    stages: dict[str, str] = {}
    for id, valve in playbook.valves.items():
        yield from _valve(("valves", id), valve, playbook)
        if (other := stages.setdefault(valve.stage, id)) != id:
            yield (
                ("valves", id, "stage"),
                f"'{other}' is a valve of '{valve.stage}' already; expected one of each stage",
            )


def _valve(path: Path, valve: Valve, playbook: Playbook) -> Iterator[Finding]:
    for key, department in (("from", valve.from_), ("to", valve.to)):
        if department not in playbook.departments:
            yield (*path, key), unknown("department", department, playbook.departments)
    if valve.from_ == valve.to:
        yield (*path, "to"), "expected another department than 'from'"
    stage = next((one for one in playbook.stages if one.id == valve.stage), None)
    if stage is None:
        yield (*path, "stage"), unknown("stage", valve.stage, [one.id for one in playbook.stages])
        return
    if stage.owner != valve.to:
        yield (*path, "stage"), f"'{stage.id}' is not a stage of '{valve.to}'"
    if stage.when is None or valve.normal not in thresholds([stage.when]):
        yield (*path, "normal"), f"expected {{total_over: {valve.normal:g}}} in the condition of '{stage.id}'"


def never_held(playbook: Playbook) -> Iterator[tuple[Path, LeadCondition]]:
    """Their conditions, and where these are."""
    for id, valve in playbook.valves.items():
        if valve.never_holds is not None:
            yield ("valves", id, "never_holds"), valve.never_holds


def valve_remarks(playbook: Playbook) -> Iterator[Finding]:
    """Valves that never move."""
    for id, valve in playbook.valves.items():
        teams = playbook.departments[valve.to].teams.values()
        if not any(team.capacity or any(person.max_load for person in team.people.values()) for team in teams):
            yield (
                ("valves", id, "to"),
                f"no team of '{valve.to}' has a capacity: without one, nobody knows how busy it is",
            )
