"""What a decision must know beside the lead itself: whose turn it is in a team, and who of the lead's company is worked
already.

Both are asked of the ledger only when a lead is to be offered to somebody, which few records lead to. So what is
decided without them is provisional: `wanted` then names the leads, and `wanted_teams` what else must be asked, and
these leads are decided once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from services.router.lifecycle.model import HandOff, Lead
from services.router.lifecycle.rotation import TeamState
from services.router.lifecycle.teams import TeamRule
from services.router.lifecycle.territory import NO_COMPANY, CompanyKeys, Owner

TeamKey = tuple[str, str]
"""Department and team."""

JointKey = tuple[str, str, str]
"""A company, one of its departments, and the receiver of a hand-off."""


@dataclass(frozen=True, slots=True)
class Colleagues:
    """A lead's company: what it is known by, and by department who works a colleague.

    `key` is the company's key, `part` the lead's own department there, in one spelling; `aliases` are keys under which
    the same company may have been known when colleagues were offered. None: not known."""

    company: CompanyKeys = NO_COMPANY
    owners: dict[str, Owner] = field(default_factory=dict)
    key: str | None = None
    aliases: tuple[str, ...] = ()
    part: str | None = None

    def joint_keys(self, receiver: str) -> Iterator[JointKey]:
        """What a hand-off that the lead would join is kept under."""
        if self.key is not None and self.part is not None:
            for key in (self.key, *self.aliases):
                yield key, self.part, receiver


@dataclass(frozen=True, slots=True)
class Joint:
    """An open hand-off that colleagues may join, and its lead, whose owner is theirs, too."""

    lead: Lead
    handoff: HandOff


@dataclass(slots=True)
class Surroundings:
    """Teams and open hand-offs of companies, which follow what has been decided, and companies by lead id, as far as
    they have been asked.

    `loaded` are the teams as the ledger has them, `turned` those that have had a turn since; `joints_loaded` and
    `joints` the same for the hand-offs, where None is one that has ended since."""

    loaded: dict[TeamKey, TeamState] = field(default_factory=dict)
    companies: dict[str, Colleagues] = field(default_factory=dict)
    turned: dict[TeamKey, TeamState] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    wanted_teams: set[TeamKey] = field(default_factory=set)
    joints_loaded: dict[JointKey, Joint] = field(default_factory=dict)
    joints: dict[JointKey, Joint | None] = field(default_factory=dict)

    def colleagues(self, lead_id: str) -> Colleagues:
        """Those of a lead that is to be offered."""
        known = self.companies.get(lead_id)
        if known is None:
            self.wanted.add(lead_id)
            return Colleagues()
        return known

    def joint(self, lead_id: str, receiver: str) -> Joint | None:
        """The open hand-off of a colleague in the same department of the same company, to `receiver`."""
        for key in self.colleagues(lead_id).joint_keys(receiver):
            found = self.joints.get(key, self.joints_loaded.get(key))
            if found is not None and found.lead.lead_id != lead_id:
                return found
        return None

    def team(self, rule: TeamRule, lead_id: str) -> TeamState:
        """The state of the team that the lead is to be offered to; of one that nobody is in, and that takes any number,
        there is none to be asked.

        Which team it is depends on the lead's company: as long as that is not known, no team is asked, so that teams
        are locked all at once, and always after companies."""
        key = (rule.department, rule.id)
        known = self.turned.get(key) or self.loaded.get(key)
        if known is None and rule.is_staffed:
            self.wanted.add(lead_id)
            if lead_id in self.companies:
                self.wanted_teams.add(key)
        return known or TeamState(department=rule.department, team=rule.id)

    def take_turn(self, rule: TeamRule, state: TeamState, lead_id: str) -> None:
        """Know what a turn has made of a team, unless it was provisional."""
        if rule.is_staffed and lead_id not in self.wanted:
            self.turned[rule.department, rule.id] = state

    def follow(self, lead: Lead, handoffs: list[HandOff], opened: HandOff | None) -> None:
        """Know what has become of a lead's hand-offs, unless it is provisional; `opened` is its open one."""
        if lead.lead_id in self.wanted:
            return
        for handoff in handoffs:
            if (key := joint_key(handoff)) is not None and not handoff.is_open:
                self.joints[key] = None
        if opened is not None and (key := joint_key(opened)) is not None:
            self.joints[key] = Joint(lead, opened)

    def is_shared(self, lead_ids: Iterable[str]) -> bool:
        """Whether what these leads are offered depends on other leads that have been decided already."""
        touched = {key[:2] for key in (*self.joints_loaded, *self.joints)}
        return bool(touched) and any(
            key[:2] in touched for lead_id in lead_ids for key in self.companies[lead_id].joint_keys("")
        )

    def begin_again(self) -> None:
        """All turns are taken back, as all leads are decided once more."""
        self.turned.clear()
        self.joints.clear()


def joint_key(handoff: HandOff) -> JointKey | None:
    """What a hand-off that colleagues may join is kept under."""
    if handoff.company is None or handoff.company_part is None:
        return None
    return handoff.company, handoff.company_part, handoff.receiver
