"""What a decision must know beside the lead itself: whose turn it is in a team, and who of the lead's company is worked
already.

Both are asked of the ledger only when a lead is to be offered to somebody, which few records lead to. So what is
decided without them is provisional: `wanted` then names the leads, and `wanted_teams` what else must be asked, and
these leads are decided once more."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.router.lifecycle.rotation import TeamState
from services.router.lifecycle.teams import TeamRule
from services.router.lifecycle.territory import NO_COMPANY, CompanyKeys, Owner

TeamKey = tuple[str, str]
"""Department and team."""


@dataclass(frozen=True, slots=True)
class Colleagues:
    """A lead's company: what it is known by, and by department who works a colleague."""

    company: CompanyKeys = NO_COMPANY
    owners: dict[str, Owner] = field(default_factory=dict)


@dataclass(slots=True)
class Surroundings:
    """Teams, which follow what has been decided, and companies by lead id, as far as they have been asked.

    `loaded` are the teams as the ledger has them, `turned` those that have had a turn since."""

    loaded: dict[TeamKey, TeamState] = field(default_factory=dict)
    companies: dict[str, Colleagues] = field(default_factory=dict)
    turned: dict[TeamKey, TeamState] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    wanted_teams: set[TeamKey] = field(default_factory=set)

    def colleagues(self, lead_id: str) -> Colleagues:
        """Those of a lead that is to be offered."""
        known = self.companies.get(lead_id)
        if known is None:
            self.wanted.add(lead_id)
            return Colleagues()
        return known

    def team(self, rule: TeamRule, lead_id: str) -> TeamState:
        """The state of the team that the lead is to be offered to; of one that nobody is in, and that takes any number,
        there is none to be asked."""
        key = (rule.department, rule.id)
        known = self.turned.get(key) or self.loaded.get(key)
        if known is None and rule.is_staffed:
            self.wanted.add(lead_id)
            self.wanted_teams.add(key)
        return known or TeamState(department=rule.department, team=rule.id)

    def take_turn(self, rule: TeamRule, state: TeamState, lead_id: str) -> None:
        """Know what a turn has made of a team, unless it was provisional."""
        if rule.is_staffed and lead_id not in self.wanted:
            self.turned[rule.department, rule.id] = state

    def begin_again(self) -> None:
        """All turns are taken back, as all leads are decided once more."""
        self.turned.clear()
