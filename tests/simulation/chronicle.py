"""What is remembered of a simulation, beside what the ledger keeps: ways of leads, and the load of teams by week."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter

from services.router.batch import Decided
from services.router.lifecycle.model import Alert, HandOff, HandOffChange, StageChange, Status
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import TeamKey
from tests.simulation.business import Business
from tests.simulation.valves import may_wait

WEEK = timedelta(days=7)
Step = StageChange | HandOffChange | Alert


@dataclass
class Week:
    """How a team stands at the end of a week. `load`: open hand-offs, offered and accepted; `of_valve`: how many of
    these a valve might have held; `waiting`: those that wait at one; `offered`: how many offers it got in that week."""

    ends: datetime
    load: int
    of_valve: int
    waiting: int
    offered: int


@dataclass
class Chronicle:
    """`steps` of each lead in order; `weeks` of each team that has people; `joined`: how often a lead has joined the
    hand-off of a colleague. `valves`: the rules whose valves there are, or would be."""

    business: Business
    valves: Rules
    steps: dict[str, list[Step]] = field(default_factory=lambda: defaultdict(list))
    weeks: dict[TeamKey, list[Week]] = field(default_factory=lambda: defaultdict(list))
    joined: int = 0
    _of_valve: set[str] = field(default_factory=set)
    _offered: Counter[TeamKey] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.business.listeners.append(self.listens)
        self.business.every(WEEK, self._week_ends)

    def listens(self, decided: Sequence[Decided]) -> None:
        for item in decided:
            decision = item.decision
            changes: list[Step] = [*decision.stages, *decision.handoffs, *decision.alerts]
            self.steps[decision.lead.lead_id] += sorted(changes, key=attrgetter("seq"))
            for change in decision.handoffs:
                if change.joined:
                    self.joined += any(leaf.condition == "joined" for leaf in change.reason)
                elif change.handoff.status is Status.OFFERED:
                    self._is_offered(change.handoff)

    def _is_offered(self, one: HandOff) -> None:
        self._offered[one.receiver, one.team] += 1
        if one.previous in self._of_valve or (one.attempt == 1 and may_wait(one, self.business.ledger, self.valves)):
            self._of_valve.add(one.handoff_id)

    def _week_ends(self) -> None:
        ledger, now = self.business.ledger, self.business.now
        waiting = Counter((one.receiver, one.team) for one in ledger.opened.values() if one.status is Status.WAITING)
        loaded = (one for one in ledger.opened.values() if one.status is not Status.WAITING)
        of_valve = Counter((one.receiver, one.team) for one in loaded if one.handoff_id in self._of_valve)
        for key, team in self.business.rules.teams.items():
            if team.people:
                load = ledger.loads[key].total()
                self.weeks[key].append(Week(now, load, of_valve[key], waiting[key], self._offered[key]))
        self._offered.clear()
