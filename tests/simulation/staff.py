"""The company of the simulation: the default playbook, with people in all four departments."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

from shared.playbook import Playbook
from shared.playbook.loader import parse_playbook

_HOURS = {"closed": [{"from": "12-29", "to": "01-03"}, {"from": "08-13", "to": "08-16"}]}


def company(*, with_valve: bool = True) -> Playbook:
    """With its own holidays at New Year and in August. `with_valve`: whether field sales has one."""
    raw = yaml.safe_load(resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8"))
    departments = raw["departments"]
    for department in departments.values():
        department["hours"] = _HOURS
    teams = {id: department["teams"] for id, department in departments.items()}
    teams["inside-sales"]["hq-inside-sales"] |= {"people": _people("inside", 6, 60), "escalate_to": "inside-lead"}
    teams["field-sales"]["osaka-branch"] |= {"people": _people("osaka", 4, 15), "capacity": 40}
    teams["field-sales"]["hq-corporate"] |= {"people": _people("hq", 8, 15), "capacity": 90}
    teams["customer-success"]["customer-success"]["people"] = _people("success", 3, None)
    if not with_valve:
        raw["valves"] = {}
    return parse_playbook(yaml.safe_dump(raw, allow_unicode=True), "simulation.yaml")


def _people(name: str, number: int, most: int | None) -> dict[str, dict[str, Any]]:
    told = {} if most is None else {"max_load": most}
    members = {f"{name}-{n}": {"label": f"{name} {n}", "weight": 1 + n % 2, **told} for n in range(number)}
    return members | {f"{name}-lead": {"label": f"{name} lead", "weight": 0}}
