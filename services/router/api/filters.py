"""Filters of webhooks and streams, as callers give them."""

from __future__ import annotations

from collections.abc import Iterable

from services.router.api.errors import ApiError
from services.router.interest import unknown_types
from shared.playbook import Playbook


def refuse_unknown(playbook: Playbook, types: Iterable[str], departments: Iterable[str], teams: Iterable[str]) -> None:
    """Raises `ApiError` 422 naming everything that no message can have: the subscriber would wait for ever."""
    known_teams = {team for department in playbook.departments.values() for team in department.teams}
    problems = [
        f"{what} {', '.join(unknown)}"
        for what, unknown in (
            ("types", unknown_types(frozenset(types))),
            ("departments", sorted(set(departments) - set(playbook.departments))),
            ("teams", sorted(set(teams) - known_teams)),
        )
        if unknown
    ]
    if problems:
        raise ApiError(422, "unknown_filter", f"nothing would ever match: unknown {'; unknown '.join(problems)}")
