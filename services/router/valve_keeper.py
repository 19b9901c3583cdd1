"""Moves the valves of teams as their load changes, and looks again at the leads that stand before one that has moved.

Each look is one question to Postgres; where nothing has changed it ends there. Which router does it does not matter: a
team's row is locked while its valve moves, a lead's while it is decided about, and both are asked again under the lock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text

from services.router import staffing
from services.router.failures import PostgresAway, told_apart
from services.router.ledger import Ledger
from services.router.lifecycle.rotation import TeamState, load_share
from services.router.lifecycle.rules import Rules, ValveRule
from services.router.lifecycle.surroundings import Surroundings, TeamKey
from services.router.lifecycle.teams import TeamRule
from services.router.lifecycle.valves import has_room, turned
from services.router.status import Watch

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0
LEADS_AT_ONCE = 50
"""Their locks are held together; the first of them come first."""

NOTHING_YET = datetime.min.replace(tzinfo=UTC)

_waiting = text(
    "SELECT h.lead_id FROM handoffs h JOIN leads l USING (lead_id) WHERE h.receiver = :department AND h.team = :team "
    "AND h.giver = :giver AND h.stage = :stage AND h.status = 'waiting' AND l.held_by IS NULL "
    "AND l.total > :asked ORDER BY l.total DESC, h.offered_at, h.lead_id LIMIT :most"
)
_never_held = text(
    "SELECT h.lead_id FROM handoffs h JOIN leads l USING (lead_id) WHERE h.status = 'waiting' AND l.held_by IS NULL "
    "AND (h.giver, h.receiver, h.stage) NOT IN "
    "(SELECT * FROM unnest(CAST(:givers AS text[]), CAST(:receivers AS text[]), CAST(:stages AS text[]))) "
    "ORDER BY h.lead_id LIMIT :most"
)
_before = text(
    "SELECT lead_id, total FROM leads WHERE valve_stage = :stage AND valve_over IS NULL AND department = :giver "
    "AND total > :asked AND (total, lead_id) < (:total, :after) ORDER BY total DESC, lead_id DESC LIMIT :most"
)


@dataclass(frozen=True, slots=True)
class _Valve:
    rule: ValveRule
    team: TeamRule

    @property
    def key(self) -> TeamKey:
        return self.team.department, self.team.id


class ValveKeeper:
    """Runs until cancelled. `on_messages` is called after a transaction that left something in the outbox."""

    def __init__(self, ledger: Ledger, watch: Watch, on_messages: Callable[[], None]) -> None:
        self._ledger, self._watch, self._on_messages = ledger, watch, on_messages

    async def run(self) -> None:
        while True:
            try:
                await self.look()
                self._watch.status.valves = None
            except PostgresAway as away:
                self._watch.status.valves = f"valves: {away}"
                log.warning("%s; valves are looked at again", away)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """Move what is to move, and pass on what may pass. Raises `PostgresAway`."""
        if self._ledger.clock.now() <= NOTHING_YET:
            return  # on the clock of the events: none has been seen
        with told_apart():
            await self._free_those_without_valve()
            for valve in valves_of(self._ledger.rules):
                state = await self._turned(valve)
                await self._pass_waiting(valve, state)
                await self._let_come_early(valve, state)

    async def _turned(self, valve: _Valve) -> TeamState:
        """The team's state, its valve moved if it is time for that."""
        rules, now = self._ledger.rules, self._ledger.clock.now()
        async with self._ledger.engine.connect() as connection:
            state = (await staffing.teams_now(connection, [valve.key]))[valve.key]
        if turned(valve.rule, valve.team, state, now) is state:
            return state
        async with self._ledger.engine.begin() as connection:
            state = (await staffing.team_states(connection, [valve.key], rules))[valve.key]
            after = turned(valve.rule, valve.team, state, now)
            if after is not state:
                await staffing.save_turns(connection, Surroundings(turned={valve.key: after}))
        self._tell(valve, after)
        return after

    def _tell(self, valve: _Valve, state: TeamState) -> None:
        asked, share = valve.rule.valve.threshold(state.valve_step), load_share(valve.team, state) or 0
        log.info("the valve of %s asks for %g: the team is at %d %% of its capacity", valve.key, asked, 100 * share)
        self._watch.metrics.valve.labels(*valve.key).set(asked)

    async def _free_those_without_valve(self) -> None:
        """Hand-offs that wait for a valve that the playbook has no more."""
        known = list(self._ledger.rules.valves)
        named = {name: [key[at] for key in known] for at, name in enumerate(("givers", "receivers", "stages"))}
        async with self._ledger.engine.connect() as connection:
            found = await connection.scalars(_never_held, {**named, "most": LEADS_AT_ONCE})
        await self._look_again(list(found))

    async def _pass_waiting(self, valve: _Valve, state: TeamState) -> None:
        asked = valve.rule.valve.threshold(state.valve_step)
        async with self._ledger.engine.connect() as connection:
            named = _giver(valve) | {"department": valve.team.department, "team": valve.team.id}
            found = await connection.scalars(_waiting, {**named, "asked": asked, "most": LEADS_AT_ONCE})
        await self._look_again(list(found))

    async def _let_come_early(self, valve: _Valve, state: TeamState) -> None:
        """The best first, as long as there is room; those of other teams are passed over."""
        asked = valve.rule.valve.threshold(state.valve_step)
        total, after = float("inf"), ""
        while asked < valve.rule.valve.normal and has_room(valve.rule, valve.team, state):
            async with self._ledger.engine.connect() as connection:
                found = await connection.execute(
                    _before, {**_giver(valve), "asked": asked, "total": total, "after": after, "most": LEADS_AT_ONCE}
                )
                rows = found.all()
            if not rows:
                return
            await self._look_again([row.lead_id for row in rows])
            async with self._ledger.engine.connect() as connection:
                state = (await staffing.teams_now(connection, [valve.key]))[valve.key]
            total, after = rows[-1].total, rows[-1].lead_id

    async def _look_again(self, ids: list[str]) -> None:
        if ids and await self._ledger.ask_valves(ids):
            self._on_messages()


def valves_of(rules: Rules) -> list[_Valve]:
    """Those that can move: of teams with a capacity."""
    return [
        _Valve(rule, team)
        for rule in rules.valves.values()
        for team in rules.teams.values()
        if team.department == rule.valve.to and team.capacity is not None
    ]


def _giver(valve: _Valve) -> dict[str, str]:
    return {"giver": valve.rule.valve.from_, "stage": valve.rule.valve.stage}
