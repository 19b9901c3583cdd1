"""A playbook as tables that a marketer can read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.table import Table

from services.cli.errors import CommandError
from shared.playbook import Playbook
from shared.playbook.staffing import Team
from shared.playbook.values import Check, Label

HEADINGS = {
    "ja": {
        "stages": ("段階", "番号", "段階", "担当部門"),
        "levels": ("確度", "経路", "行動", "確度"),
        "points": ("点数", "種類", "規則", "点"),
        "departments": ("部門", "部門", "チーム", "担当地域"),
        "kinds": ("属性", "行動"),
    },
    "en": {
        "stages": ("Stages", "No.", "Stage", "Owner"),
        "levels": ("Certainty levels", "Channel", "Action", "Level"),
        "points": ("Points", "Kind", "Rule", "Points"),
        "departments": ("Departments", "Department", "Team", "Territory"),
        "kinds": ("attribute", "behaviour"),
    },
}


def tables(playbook: Playbook, language: str) -> Iterator[Table]:
    """Stages, levels, points and departments, in `ja` or `en`. Raises `CommandError` for another language."""
    if language not in HEADINGS:
        raise CommandError(f"the language {language!r} is unknown; expected one of {', '.join(HEADINGS)}")
    words = HEADINGS[language]

    def text(label: Label) -> str:
        return label.ja if language == "ja" else label.en

    def owner(department: str | None) -> str:
        return text(playbook.departments[department].label) if department else "–"

    stages = ((str(stage.number), text(stage.label), owner(stage.owner)) for stage in playbook.stages)
    levels = (
        (text(channel.label), text(entry.label), str(entry.level))
        for channel in playbook.channels.values()
        for entry in channel.levels
    )
    attribute, behaviour = words["kinds"]
    points = [
        *((attribute, text(rule.label), f"{rule.points:+g}") for rule in playbook.attribute.rules),
        *((behaviour, text(rule.label), f"{rule.points:+g}") for rule in playbook.behaviour.rules),
    ]
    departments = (
        (text(department.label), text(team.label), _area(team))
        for department in playbook.departments.values()
        for team in department.teams.values()
    )
    yield _table(f"{text(playbook.title)}  {playbook.id}  {words['stages'][0]}", words["stages"][1:], stages)
    yield _table(words["levels"][0], words["levels"][1:], levels)
    yield _table(words["points"][0], words["points"][1:], points)
    yield _table(words["departments"][0], words["departments"][1:], departments)


def _area(team: Team) -> str:
    """A team's territory and its accounts; of a bare list the values alone."""
    territory = [_limits(field, check) for field, check in team.territory.items()]
    return ", ".join([*filter(None, territory), *team.accounts.names, *team.accounts.domains])


def _limits(field: str, check: Check) -> str:
    told = check.model_dump(by_alias=True, exclude_unset=True)
    if told.keys() <= {"in", "equals"}:
        return " ".join(map(str, [*(check.one_of or ()), *([] if check.equals is None else [check.equals])]))
    tests = ((test, value if isinstance(value, list) else [value]) for test, value in told.items())
    return " ".join((field, *(" ".join((test, *map(str, values))) for test, values in tests)))


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    return table
