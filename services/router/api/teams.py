"""/v1/teams: how busy each team is, and what its valve asks of a lead."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from services.router import staffing
from services.router.api.auth import Reader
from services.router.api.errors import responses
from services.router.api.state import LedgerHere
from services.router.lifecycle.rotation import TeamState, load_share
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import TeamKey
from services.router.tables import absences, handoffs

router = APIRouter(prefix="/v1/teams", tags=["people"])


class MemberInfo(BaseModel):
    """Who works in a team."""

    person: str
    load: int = Field(description="open hand-offs, offered and accepted")
    max_load: int | None
    absent_until: datetime | None = Field(description="the end of the absence that runs now")


class ValveInfo(BaseModel):
    """What a valve asks of leads for this team now."""

    valve: str = Field(description="as the playbook names it")
    stage: str
    threshold: float = Field(description="the total that a lead must be over to pass")
    normal: float = Field(description="the same when the team is neither busy nor idle")
    moved_at: datetime | None


class TeamInfo(BaseModel):
    """A team of the playbook."""

    department: str
    team: str
    load: int = Field(description="open hand-offs, offered and accepted")
    queued: int = Field(description="of these, offered to nobody in particular")
    waiting: int = Field(description="hand-offs that wait at the valve")
    capacity: int | None = Field(description="how many it can take; null: any number, and so no valve")
    share: float | None = Field(description="load by capacity: 1 is full")
    people: list[MemberInfo]
    valves: list[ValveInfo]


@router.get("", response_model=list[TeamInfo], responses=responses())
async def list_teams(_: Reader, ledger: LedgerHere) -> Any:
    """All teams of the playbook, in its order, with the people who have something to do there."""
    async with ledger.engine.connect() as connection:
        states = await staffing.teams_now(connection, list(ledger.rules.teams))
        waiting = await connection.execute(
            select(handoffs.c.receiver, handoffs.c.team, func.count())
            .where(handoffs.c.status == "waiting")
            .group_by(handoffs.c.receiver, handoffs.c.team)
        )
        counts = {(department, team): count for department, team, count in waiting}
        now = ledger.clock.now()
        away = select(absences.c.person, func.max(absences.c.ends_at)).where(
            absences.c.starts_at <= now, absences.c.ends_at > now
        )
        until = {row[0]: row[1] for row in await connection.execute(away.group_by(absences.c.person))}
    return [_team(key, states[key], counts.get(key, 0), until, ledger.rules) for key in ledger.rules.teams]


def _team(key: TeamKey, state: TeamState, waiting: int, until: Mapping[str, datetime], rules: Rules) -> dict[str, Any]:
    rule = rules.teams[key]
    share = load_share(rule, state)
    loads = {id: one.load for id, one in state.people.items()}
    return {
        "department": rule.department,
        "team": rule.id,
        "load": state.load,
        "queued": state.load - sum(loads.values()),
        "waiting": waiting,
        "capacity": rule.capacity,
        "share": None if share is None else float(share),
        "people": [
            {
                "person": one.id,
                "load": loads.get(one.id, 0),
                "max_load": one.max_load,
                "absent_until": until.get(one.id),
            }
            for one in rule.people
        ],
        "valves": [
            {
                "valve": id,
                "stage": valve.stage,
                "threshold": valve.threshold(state.valve_step),
                "normal": valve.normal,
                "moved_at": state.valve_at,
            }
            for id, valve in rules.playbook.valves.items()
            if valve.to == rule.department and rule.capacity is not None
        ],
    }
