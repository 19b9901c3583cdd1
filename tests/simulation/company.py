"""The company of the simulation: the default playbook with people in the departments that are asked."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

from shared.playbook import Playbook
from shared.playbook.loader import parse_playbook

CLOSED = [{"from": "12-29", "to": "01-03"}, {"from": "08-13", "to": "08-15"}]
"""Beside weekends and public holidays."""
_DEFAULT = resources.files("shared.playbook").joinpath("default.yaml")


def staffed_company(
    base: str | None = None, max_load: int | None = None, *, of_field_sales: int = 8, with_valves: bool = True
) -> Playbook:
    """`base`: the text of another playbook than the default one, with the same departments and teams. `max_load`: of
    everybody in sales, in place of 40 of inside sales and 8 `of_field_sales`. Raises `PlaybookError`."""
    raw = yaml.safe_load(base or _DEFAULT.read_text("utf-8"))
    departments = raw["departments"]
    if not with_valves:
        raw["valves"] = {}
    for department in departments.values():
        department["hours"] = {"closed": CLOSED}
    _staff(departments, "inside-sales", "hq-inside-sales", ["aoki", "ito", "ueda", "endo", "ogawa"], max_load or 40)
    _staff(departments, "field-sales", "osaka-branch", ["sato", "suzuki", "tanaka"], max_load or of_field_sales)
    _staff(
        departments,
        "field-sales",
        "hq-corporate",
        ["abe", "baba", "chiba", "doi", "eguchi", "fujii"],
        max_load or of_field_sales,
    )
    _staff(departments, "customer-success", "customer-success", ["mori", "nagai"], None)
    departments["inside-sales"]["teams"]["hq-inside-sales"]["people"]["ueda"]["hours"] = {
        "days": ["mon", "tue", "wed"],
        "to": "16:00",
        "closed": CLOSED,
    }
    return parse_playbook(yaml.safe_dump(raw, allow_unicode=True, sort_keys=False), "simulation.yaml")


def _staff(departments: dict[str, Any], department: str, team: str, people: list[str], max_load: int | None) -> None:
    """The first of them has twice the others' share; the head of the team gets only what is escalated."""
    most = {} if max_load is None else {"max_load": max_load}
    written = departments[department]["teams"][team]
    written.pop("capacity", None)  # what its people can take together
    written["people"] = {id: {"weight": 2 if id == people[0] else 1, **most} for id in people}
    written["people"][f"{team}-head"] = {"weight": 0}
    written["escalate_to"] = f"{team}-head"
