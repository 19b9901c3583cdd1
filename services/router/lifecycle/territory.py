"""Which team of a department gets a lead (domain A3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.playbook import Playbook
from shared.playbook.checks import fold
from shared.playbook.schema import Department
from shared.prefectures import prefecture


class Territories:
    """Teams by territory; a team without one takes what no other covers."""

    def __init__(self, playbook: Playbook) -> None:
        self._kinds = {name: field.kind for name, field in playbook.fields.items()}
        self._teams = {id: self._compile(department) for id, department in playbook.departments.items()}
        self._default = {
            id: next(
                (team for team, rule in department.teams.items() if not rule.territory), next(iter(department.teams))
            )
            for id, department in playbook.departments.items()
        }

    def team(self, department: str, fields: Mapping[str, Any]) -> str:
        """The first team whose territory the lead's fields are all in, else the department's default team."""
        for team, territory in self._teams[department]:
            if all(self._normal(field, fields.get(field)) in values for field, values in territory.items()):
                return team
        return self._default[department]

    def _compile(self, department: Department) -> list[tuple[str, dict[str, frozenset[Any]]]]:
        return [
            (
                id,
                {
                    field: frozenset(self._normal(field, value) for value in values)
                    for field, values in territory.items()
                },
            )
            for id, team in department.teams.items()
            if (territory := team.territory)
        ]

    def _normal(self, field: str, value: Any) -> Any:
        """Prefectures in any spelling are one; other texts compare without regard to case and width."""
        if self._kinds.get(field) == "prefecture":
            return prefecture(value)
        return (
            fold(value.strip()) if isinstance(value, str) else value if isinstance(value, bool | int | float) else None
        )
