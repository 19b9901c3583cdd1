"""Whose turn it is in a team, and who is away: asked of the ledger, and kept there. Every function works inside the
caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router import colleagues
from services.router.lifecycle.rotation import Absence, PersonState, TeamState
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Surroundings, TeamKey

_WANTED = "unnest(CAST(:departments AS text[]), CAST(:teams AS text[])) AS w (department, team)"
_make_teams = text(f"INSERT INTO teams (department, team) SELECT * FROM {_WANTED} ON CONFLICT DO NOTHING")
_lock_teams = text(
    # The lock makes offers to a team one after the other; in one order, or two could wait for each other for ever.
    'SELECT t.department, t.team, t."virtual", t.valve_step, t.valve_at '
    f"FROM teams t JOIN {_WANTED} USING (department, team) ORDER BY t.department, t.team FOR UPDATE OF t"
)
_valves = text(
    f"SELECT t.department, t.team, t.valve_step, t.valve_at FROM teams t JOIN {_WANTED} USING (department, team)"
)
_LOADS = (
    "SELECT h.receiver AS department, h.team, h.person, count(*) AS load FROM handoffs h "
    f"JOIN {_WANTED} ON h.receiver = w.department AND h.team = w.team "
    "WHERE h.status IN ('offered', 'accepted') GROUP BY h.receiver, h.team, h.person"
)
_loads = text(_LOADS)
_people = text(
    # Turns, loads and absences in one question: a hand-off waits for each.
    "SELECT p.department, p.team, p.person, p.finish, 0 AS load, NULL::timestamptz AS starts_at, "
    f"NULL::timestamptz AS ends_at FROM people p JOIN {_WANTED} USING (department, team) "
    f"UNION ALL SELECT department, team, person, NULL, load, NULL, NULL FROM ({_LOADS}) AS l "
    "UNION ALL SELECT NULL, NULL, person, NULL, 0, starts_at, ends_at FROM absences "
    "WHERE person = ANY(CAST(:people AS text[])) AND ends_at > now()"
)
_save_turns = text(
    'WITH saved AS (UPDATE teams t SET "virtual" = w."virtual", valve_step = w.valve_step, valve_at = w.valve_at '
    "FROM unnest(CAST(:departments AS text[]), CAST(:teams AS text[]), CAST(:virtuals AS bigint[]), "
    "CAST(:steps AS integer[]), CAST(:moments AS timestamptz[])) "
    'AS w (department, team, "virtual", valve_step, valve_at) '
    "WHERE t.department = w.department AND t.team = w.team) "
    "INSERT INTO people (department, team, person, finish) SELECT * FROM unnest(CAST(:their_departments AS text[]), "
    "CAST(:their_teams AS text[]), CAST(:people AS text[]), CAST(:finishes AS bigint[])) "
    "ON CONFLICT (department, team, person) DO UPDATE SET finish = EXCLUDED.finish"
)


async def ask(connection: AsyncConnection, around: Surroundings, rules: Rules) -> None:
    """Find out what was wanted; nothing is wanted afterwards."""
    await colleagues.ask(connection, around, around.wanted, rules)
    if missing := around.wanted_teams - set(around.loaded):
        around.loaded |= await team_states(connection, missing, rules)
    around.wanted.clear()
    around.wanted_teams.clear()


async def teams_now(connection: AsyncConnection, keys: Iterable[TeamKey]) -> dict[TeamKey, TeamState]:
    """Loads and valves as they are now, nothing locked: of people only who has something open, and no turns."""
    wanted = sorted(keys)
    named = {"departments": [department for department, _ in wanted], "teams": [team for _, team in wanted]}
    valves = {(row.department, row.team): row for row in await connection.execute(_valves, named)}
    loads: dict[TeamKey, dict[str | None, int]] = defaultdict(dict)
    for row in await connection.execute(_loads, named):
        loads[row.department, row.team][row.person] = row.load
    return {
        key: TeamState(
            department=key[0],
            team=key[1],
            people={id: PersonState(load=load) for id, load in loads[key].items() if id is not None},
            load=sum(loads[key].values()),
            valve_step=valves[key].valve_step if key in valves else 0,
            valve_at=valves[key].valve_at if key in valves else None,
        )
        for key in wanted
    }


async def team_states(connection: AsyncConnection, keys: Iterable[TeamKey], rules: Rules) -> dict[TeamKey, TeamState]:
    """The teams as they are now, locked until the end of the transaction."""
    wanted = sorted(keys)
    named = {"departments": [department for department, _ in wanted], "teams": [team for _, team in wanted]}
    locked = await _locked(connection, named)
    if len(locked) < len(wanted):
        await connection.execute(_make_teams, named)
        locked = await _locked(connection, named)
    people = {key: [person.id for person in rules.teams[key].people] for key in wanted}
    every = [person for of_team in people.values() for person in of_team]
    finishes: dict[tuple[str, str, str | None], int] = {}
    loads: dict[tuple[str, str, str | None], int] = {}
    absences: dict[str, list[Absence]] = defaultdict(list)
    for row in await connection.execute(_people, {**named, "people": every}):
        if row.starts_at is not None:
            absences[row.person].append((row.starts_at, row.ends_at))
        elif row.finish is not None:
            finishes[row.department, row.team, row.person] = row.finish
        else:
            loads[row.department, row.team, row.person] = row.load
    return {
        key: TeamState(
            department=key[0],
            team=key[1],
            virtual=locked[key].virtual,
            people={id: PersonState(finishes.get((*key, id), 0), loads.get((*key, id), 0)) for id in people[key]},
            load=sum(load for (department, team, _), load in loads.items() if (department, team) == key),
            absences={id: tuple(sorted(absences[id])) for id in people[key] if id in absences},
            valve_step=locked[key].valve_step,
            valve_at=locked[key].valve_at,
        )
        for key in wanted
    }


async def save_turns(connection: AsyncConnection, around: Surroundings) -> None:
    """Keep whose turn it is."""
    if not around.turned:
        return
    states = [around.turned[key] for key in sorted(around.turned)]
    turns = [(state, person, own.finish) for state in states for person, own in sorted(state.people.items())]
    await connection.execute(
        _save_turns,
        {
            "departments": [state.department for state in states],
            "teams": [state.team for state in states],
            "virtuals": [state.virtual for state in states],
            "steps": [state.valve_step for state in states],
            "moments": [state.valve_at for state in states],
            "their_departments": [state.department for state, _, _ in turns],
            "their_teams": [state.team for state, _, _ in turns],
            "people": [person for _, person, _ in turns],
            "finishes": [finish for _, _, finish in turns],
        },
    )


async def _locked(connection: AsyncConnection, named: Mapping[str, list[str]]) -> dict[TeamKey, Row[Any]]:
    return {(row.department, row.team): row for row in await connection.execute(_lock_teams, named)}
