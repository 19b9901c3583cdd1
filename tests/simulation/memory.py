"""The ledger in memory: what Postgres keeps for the router, and how a transaction asks for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from services.router.batch import Decided, Known, Scored
from services.router.lifecycle.joining import LeadsNeeded
from services.router.lifecycle.model import HandOff, HandOffChange, Lead, StageChange, Status
from services.router.lifecycle.rotation import Absence, PersonState, TeamState
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Colleagues, Joint, JointKey, Surroundings, TeamKey, joint_key
from services.router.lifecycle.territory import CompanyKeys

Deciding = Callable[[Known], list[Decided]]
LOADS = (Status.OFFERED, Status.ACCEPTED)


@dataclass
class Memory:
    """`company_of`: by lead the key of its company, and its department there. `done` is told of every decision."""

    rules: Rules
    company_of: dict[str, tuple[str, str]] = field(default_factory=dict)
    leads: dict[str, Lead] = field(default_factory=dict)
    opened: dict[str, HandOff] = field(default_factory=dict)
    scores: dict[str, Scored] = field(default_factory=dict)
    handoffs: dict[str, HandOff] = field(default_factory=dict)
    changes: list[HandOffChange] = field(default_factory=list)
    stages: list[StageChange] = field(default_factory=list)
    absences: dict[str, list[Absence]] = field(default_factory=lambda: defaultdict(list))
    loads: dict[TeamKey, dict[str | None, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    teams: dict[TeamKey, TeamState] = field(default_factory=dict)
    joints: dict[JointKey, str] = field(default_factory=dict)
    before_valves: set[str] = field(default_factory=set)

    def decide(self, ids: Iterable[str], decide: Deciding, now: datetime) -> list[Decided]:
        """As a transaction of the ledger: decided once more with what turned out to be needed, then kept."""
        also: frozenset[str] = frozenset()
        while True:
            around = Surroundings()
            try:
                while True:
                    decided = decide(self._known({*ids, *also}, also, around))
                    if not around.wanted:
                        break
                    self._ask(around, now)
                    around.begin_again()
            except LeadsNeeded as needed:
                if needed.ids <= also:
                    raise AssertionError("a lead has been locked, and is still not known") from needed
                also |= needed.ids
                continue
            self.teams |= around.turned
            for item in decided:
                self._keep(item)
            return decided

    def team(self, key: TeamKey, now: datetime) -> TeamState:
        """As it is now: whose turn it is, what they have to do, and who is away."""
        kept = self.teams.get(key) or TeamState(department=key[0], team=key[1])
        loads = self.loads[key]
        people = {
            person.id: PersonState(kept.people.get(person.id, PersonState()).finish, loads[person.id])
            for person in self.rules.teams[key].people
        }
        absences = {id: tuple(span for span in self.absences[id] if span[1] > now) for id in people}
        return replace(
            kept,
            people=people,
            load=sum(loads.values()),
            absences={id: spans for id, spans in absences.items() if spans},
        )

    def _known(self, ids: set[str], also: frozenset[str], around: Surroundings) -> Known:
        return Known(
            {id: self.leads[id] for id in ids if id in self.leads},
            {id: self.opened[id] for id in ids if id in self.opened},
            {id: self.scores[id] for id in ids if id in self.scores},
            around,
            also,
        )

    def _ask(self, around: Surroundings, now: datetime) -> None:
        for lead_id in around.wanted - around.companies.keys():
            around.companies[lead_id] = self._colleagues(lead_id)
            for receiver in self.rules.playbook.departments:
                for key in around.companies[lead_id].joint_keys(receiver):
                    if (primary := self.joints.get(key)) is not None:
                        around.joints_loaded[key] = Joint(self.leads[primary], self.opened[primary])
        for team in around.wanted_teams - around.loaded.keys():
            around.loaded[team] = self.team(team, now)
        around.wanted.clear()
        around.wanted_teams.clear()

    def _colleagues(self, lead_id: str) -> Colleagues:
        if lead_id not in self.company_of:
            return Colleagues()
        domain, part = self.company_of[lead_id]
        return Colleagues(CompanyKeys(domains=frozenset({domain})), key=f"domain:{domain}", part=part)

    def _keep(self, item: Decided) -> None:
        lead = item.decision.lead
        self.leads[lead.lead_id], self.scores[lead.lead_id] = lead, item.score
        if lead.valve_stage is not None and lead.valve_over is None:
            self.before_valves.add(lead.lead_id)
        else:
            self.before_valves.discard(lead.lead_id)
        self.stages += item.decision.stages
        for change in item.decision.handoffs:
            self._change(change)

    def _change(self, change: HandOffChange) -> None:
        after = change.handoff
        before = self.handoffs.get(after.handoff_id)
        self.changes.append(change)
        for one, by in ((before, -1), (after, 1)):
            if one is not None and one.status in LOADS:
                self.loads[one.receiver, one.team][one.person] += by
            if one is not None and (key := joint_key(one)) is not None and one.is_open:
                if by > 0:
                    self.joints[key] = one.lead_id
                else:
                    self.joints.pop(key, None)
        self.handoffs[after.handoff_id] = after
        if after.is_open:
            self.opened[after.lead_id] = after
        elif before is not None and self.opened.get(after.lead_id, after).handoff_id == after.handoff_id:
            self.opened.pop(after.lead_id, None)
