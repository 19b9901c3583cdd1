"""The router's ledger in memory: what Postgres keeps, and how a transaction asks for it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from services.router.batch import Decided, Known, Scored
from services.router.company import naming
from services.router.contact import canonical
from services.router.lifecycle.joining import LeadsNeeded
from services.router.lifecycle.model import HandOff, Lead, Status
from services.router.lifecycle.rotation import Absence, PersonState, TeamState
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Colleagues, Joint, Surroundings, TeamKey, joint_key
from services.router.lifecycle.territory import CompanyKeys, Owner
from shared.company import Grouping

LOADING = (Status.OFFERED, Status.ACCEPTED)
WORKED = (Status.ACCEPTED, Status.COMPLETED)
Deciding = Callable[[Known], list[Decided]]


@dataclass
class MemoryLedger:
    """`handoffs` are all that there ever were, in their last state; `opened` the open one of each lead."""

    rules: Rules
    leads: dict[str, Lead] = field(default_factory=dict)
    opened: dict[str, HandOff] = field(default_factory=dict)
    scores: dict[str, Scored] = field(default_factory=dict)
    handoffs: dict[str, HandOff] = field(default_factory=dict)
    absences: dict[str, list[Absence]] = field(default_factory=lambda: defaultdict(list))
    teams: dict[TeamKey, TeamState] = field(default_factory=dict)
    companies: dict[str, Colleagues] = field(default_factory=dict)
    of_company: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Ids of the hand-offs to one company, the oldest first."""
    loads: dict[TeamKey, Counter[str | None]] = field(default_factory=lambda: defaultdict(Counter))

    def learn(self, lead_id: str, email: str, company: str, department: str) -> None:
        """Contact data, as far as it tells of a lead's company."""
        told = {"email": email, "company.name": company, "department": department}
        known = {name: canonical(name, value) for name, value in told.items()}
        name, domain = naming(known, self.rules)
        self.companies[lead_id] = Colleagues(
            company=CompanyKeys(frozenset({name} - {""}), frozenset({domain} - {""})),
            key=Grouping([(name, domain)]).key(name, domain),
            part=known["department"] or None,
        )

    def transact(self, ids: Collection[str], decide: Deciding, now: datetime) -> list[Decided]:
        """As `Ledger` does: the leads are known, and begun again with colleagues, companies and teams that turn out to
        be needed; then all of it is kept."""
        named, also = {*ids, *(root for id in ids for root in self._roots(id))}, frozenset[str]()
        while True:
            around = Surroundings()
            try:
                while True:
                    decided = decide(self._known({*named, *also}, also, around))
                    if not around.wanted:
                        break
                    self._ask(around, now)
                    around.begin_again()
            except LeadsNeeded as needed:
                if needed.ids <= also:
                    raise RuntimeError("a lead has been locked, and is still not known") from needed
                also |= needed.ids
                continue
            self.teams.update(around.turned)
            for item in decided:
                self._keep(item)
            return decided

    def root(self, lead_id: str) -> str:
        """The lead that an id is part of by now."""
        return next(reversed(list(self._roots(lead_id))), lead_id)

    def _roots(self, lead_id: str) -> Iterator[str]:
        while (lead := self.leads.get(lead_id)) is not None and lead.merged_into is not None:
            lead_id = lead.merged_into
            yield lead_id

    def team(self, key: TeamKey, now: datetime) -> TeamState:
        """Whose turn it is, what each has to do, and who is or will be away."""
        kept = self.teams.get(key) or TeamState(department=key[0], team=key[1])
        people = [person.id for person in self.rules.teams[key].people]
        return replace(
            kept,
            people={id: PersonState(_finish(kept, id), self.loads[key][id]) for id in people},
            load=self.loads[key].total(),
            absences={id: spans for id in people if (spans := self._absences_of(id, now))},
        )

    def _absences_of(self, person: str, now: datetime) -> tuple[Absence, ...]:
        return tuple(span for span in self.absences[person] if span[1] > now)

    def _known(self, ids: set[str], also: frozenset[str], around: Surroundings) -> Known:
        """Nothing but what was locked: whoever looks beyond that finds out that it is not there."""
        return Known(
            {id: self.leads[id] for id in ids if id in self.leads},
            {id: self.opened[id] for id in ids if id in self.opened},
            {id: self.scores[id] for id in ids if id in self.scores},
            around,
            also,
        )

    def _ask(self, around: Surroundings, now: datetime) -> None:
        for lead_id in around.wanted - around.companies.keys():
            known = self.companies.get(lead_id, Colleagues())
            owners = self._owners(known)
            around.companies[lead_id] = Colleagues(known.company, owners, known.key, known.aliases, known.part)
            for one in self._open_ones(known):
                if (key := joint_key(one)) is not None:
                    around.joints_loaded[key] = Joint(self.leads[one.lead_id], one)
        around.loaded |= {key: self.team(key, now) for key in around.wanted_teams - around.loaded.keys()}
        around.wanted.clear()
        around.wanted_teams.clear()

    def _owners(self, known: Colleagues) -> dict[str, Owner]:
        """Of each department whoever took over a lead of the company last, and works it."""
        owners: dict[str, Owner] = {}
        for id in self.of_company.get(known.key or "", ()):
            one = self.handoffs[id]
            lead = self.leads[one.lead_id]
            if one.status in WORKED and lead.taken and lead.department == one.receiver and lead.team is not None:
                owners[one.receiver] = Owner(lead.team, lead.person)
        return owners

    def _open_ones(self, known: Colleagues) -> list[HandOff]:
        """Hand-offs that the lead may join."""
        found = (self.handoffs[id] for id in self.of_company.get(known.key or "", ()))
        return [one for one in found if one.is_open and one.company_part == known.part]

    def _keep(self, item: Decided) -> None:
        lead = item.decision.lead
        self.leads[lead.lead_id], self.scores[lead.lead_id] = lead, item.score
        for change in item.decision.handoffs:
            after, before = change.handoff, self.handoffs.get(change.handoff.handoff_id)
            if before is not None and before.status in LOADING:
                self.loads[before.receiver, before.team][before.person] -= 1
            if after.status in LOADING:
                self.loads[after.receiver, after.team][after.person] += 1
            if before is None and after.company is not None:
                self.of_company[after.company].append(after.handoff_id)
            self.handoffs[after.handoff_id] = after
            if after.is_open:
                self.opened[after.lead_id] = after
            elif (opened := self.opened.get(after.lead_id)) is not None and opened.handoff_id == after.handoff_id:
                del self.opened[after.lead_id]


def _finish(state: TeamState, person: str) -> int:
    return state.people.get(person, PersonState()).finish
