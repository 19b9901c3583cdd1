"""The router's valve keeper in simulated time: each hour it moves the valves of teams whose load has changed, and looks
again at who stands before one. And the law of the valve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fractions import Fraction
from functools import partial

from msgspec.structs import replace

from services.router.batch import Decided, Known, ask_valve
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.model import HandOff, Status
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.valves import Said, turned
from services.router.valve_keeper import valves_of
from tests.simulation.business import Business
from tests.simulation.laws import Broken
from tests.simulation.ledger import MemoryLedger

HOUR = timedelta(hours=1)
MORE_THAN_ANY = 2**62
"""Micro-points."""


def may_wait(one: HandOff, ledger: MemoryLedger, rules: Rules) -> bool:
    """Whether a valve of `rules` may let a hand-off wait: the lead is there for nothing but its total, and has not
    asked to be contacted."""
    rule, when = rules.valves.get((one.giver, one.receiver, one.stage)), rules.stages[one.stage].when
    if rule is None or when is None:
        return False
    facts = facts_of(ledger.leads[one.lead_id], ledger.scores[one.lead_id].record, rules)[1]
    never_waits = rule.never_holds is not None and rule.never_holds.holds(facts)
    return not never_waits and not when.holds(replace(facts, valve=(one.stage, MORE_THAN_ANY)))


class Valves:
    """Those of a business, from now on. `before`: leads that would pass one if it opened further."""

    def __init__(self, business: Business) -> None:
        self._business, self._ledger, self._rules = business, business.ledger, business.rules
        self._before: set[str] = set()
        business.listeners.append(self.listens)
        business.every(HOUR, self.look)

    def listens(self, decided: Sequence[Decided]) -> None:
        """Raises `Broken`."""
        for item in decided:
            lead = item.decision.lead
            if lead.valve_stage is not None and lead.valve_over is None:
                self._before.add(lead.lead_id)
            else:
                self._before.discard(lead.lead_id)
            for change in item.decision.handoffs:
                if item.is_scored and change.handoff.status is Status.OFFERED and not change.joined:
                    self._is_let_through_rightly(change.handoff)

    def look(self) -> None:
        for valve in valves_of(self._rules):
            state = self._ledger.team(valve.key, self._business.now)
            after = turned(valve.rule, valve.team, state, self._business.now)
            if after is not state:
                self._ledger.teams[valve.key] = after
            asked, stage = valve.rule.valve.threshold(after.valve_step), valve.rule.valve.stage
            opened = self._ledger.opened.values()
            waiting = [one for one in opened if one.status is Status.WAITING and (one.receiver, one.team) == valve.key]
            self._ask((one.lead_id for one in waiting), asked)
            if asked < valve.rule.valve.normal:
                self._ask((id for id in self._before if self._ledger.leads[id].valve_stage == stage), asked)

    def _ask(self, lead_ids: Iterable[str], asked: float) -> None:
        """The highest total first."""
        totals = {id: self._ledger.scores[id].record.total for id in lead_ids}
        for id in sorted((id for id in totals if totals[id] > asked), key=lambda id: (-totals[id], id)):
            self._business.transact([id], partial(self._decide, id))

    def _decide(self, id: str, known: Known) -> list[Decided]:
        return ask_valve(id, known, self._rules, self._business.now)

    def _is_let_through_rightly(self, one: HandOff) -> None:
        """A team above its high mark gets, beside those who never wait, only such as are over a raised threshold."""
        rule, team = (
            self._rules.valves.get((one.giver, one.receiver, one.stage)),
            self._rules.teams[one.receiver, one.team],
        )
        if rule is None or one.attempt > 1 or team.capacity is None:
            return
        before = self._ledger.loads[one.receiver, one.team].total() - 1
        if Fraction(before, team.capacity) >= rule.high and may_wait(one, self._ledger, self._rules):
            said = (Said.RAISED.value, Said.WAITED.value)
            if one.valve not in said:
                raise Broken(f"{one.team} is full, and gets {one.lead_id}, at which the valve said {one.valve}")
