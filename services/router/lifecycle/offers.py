"""An offer: to which team and person, and by when they must answer (domain D1)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle import valves
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import HandOff, HandOffChange, Lead, Status
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.rotation import choose
from services.router.lifecycle.rules import DueRule, StageRule
from services.router.lifecycle.teams import TeamRule

_NAMESPACE = uuid.UUID("6f1d3c52-9a0b-5e0e-8f0c-7a5a6b1c9d21")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which department is to have a lead, at which stage and why. `previous`: the offer that came to nothing;
    `escalated`: it goes to the one whom the team escalates to; `team`: whom its receiver has named instead."""

    receiver: str
    stage: StageRule
    reason: list[Leaf]
    previous: HandOff | None = None
    escalated: bool = False
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Addressee:
    """A team; who of it gets the lead whatever the turn, and whom it is not offered to."""

    team: TeamRule
    preferred: str | None
    excluded: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seat:
    """Who is asked: a team, of it a person (None: its queue, and `queued` says why), and when their time begins."""

    team: TeamRule
    person: str | None
    queued: str | None


def offer(lead: Lead, wanted: Wanted, case: Case) -> tuple[Lead, HandOffChange]:
    """The lead's next hand-off, which may have to wait at the receiver's valve. Its giver, the owner until it is
    accepted, is the lead's department."""
    to = find_addressee(lead, wanted, case)
    previous, near = wanted.previous, case.surroundings.colleagues(lead.lead_id)
    verdict = None
    if previous is None and not wanted.escalated:
        verdict = valves.ask(lead, wanted.receiver, wanted.stage.stage.id, to.team, case)
    waits = verdict is not None and verdict.said is valves.Said.WAITS
    seat = Seat(to.team, None, None) if waits else take_seat(lead, to, case)
    respond_by, priority = respond(wanted.stage, seat, case)
    if waits and verdict is not None:
        respond_by = case.now + verdict.longest_wait
    lead = replace(lead, handoffs=lead.handoffs + 1, attached_to=None)
    handoff = HandOff(
        handoff_id=handoff_id(lead.lead_id, lead.handoffs),
        lead_id=lead.lead_id,
        status=Status.WAITING if waits else Status.OFFERED,
        giver=lead.department or wanted.receiver,
        giver_team=lead.team,
        giver_person=lead.person,
        receiver=wanted.receiver,
        team=seat.team.id,
        person=seat.person,
        queued=seat.queued,
        stage=wanted.stage.stage.id,
        offered_at=case.now,
        respond_by=respond_by,
        priority="high" if wanted.escalated else priority,
        attempt=1 if previous is None else previous.attempt + 1,
        previous=None if previous is None else previous.handoff_id,
        tried=() if previous is None else tried(previous),
        points=case.record.total,
        valve=None if verdict is None else verdict.said.value,
        company=near.key if previous is None else previous.company,
        company_part=near.part if previous is None else previous.company_part,
        attached=() if previous is None else previous.attached,
    )
    reason = wanted.reason if verdict is None else [verdict.leaf, *wanted.reason]
    return tell(lead, HandOffChange(handoff=handoff, seq=lead.seq + 1, at=case.now, reason=reason))


def find_addressee(lead: Lead, wanted: Wanted, case: Case) -> Addressee:
    """The team by named account, by who works the lead's company, or by territory; and who of it comes first or is left
    out."""
    around, rules = case.surroundings, case.rules
    near = around.colleagues(lead.lead_id)
    place = rules.territories.place(wanted.receiver, case.facts.fields, near.company, near.owners.get(wanted.receiver))
    team, preferred = rules.teams[wanted.receiver, wanted.team or place.team], place.person
    excluded = frozenset(() if wanted.previous is None else tried(wanted.previous))
    if wanted.previous is not None and wanted.team is None:
        team = rules.teams.get((wanted.receiver, wanted.previous.team), team)
        preferred = None
    if wanted.escalated and (above := team.escalate_to) is not None:
        team, preferred = rules.teams[wanted.receiver, above.team], above.person
        excluded -= {preferred or ""}
    return Addressee(team, preferred, excluded)


def take_seat(lead: Lead, to: Addressee, case: Case) -> Seat:
    """Of the team the person whose turn it is, which is counted in the case's surroundings."""
    around, team = case.surroundings, to.team
    choice = choose(team, around.team(team, lead.lead_id), case.now, to.excluded, to.preferred)
    around.take_turn(team, choice.state, lead.lead_id)
    return Seat(team, choice.person, choice.why.value if choice.person is None else None)


def tried(handoff: HandOff) -> tuple[str, ...]:
    """The people whom the lead need not be offered to again."""
    return handoff.tried if handoff.person is None else (*handoff.tried, handoff.person)


def respond(rule: StageRule, seat: Seat, case: Case) -> tuple[datetime | None, str]:
    """Deadline and priority: `high` where the answer is due within working hours rather than days."""
    due = first_rule(rule.respond, case)
    if due is None:
        return None, "normal"
    return seat.team.deadline(seat.person, case.now, due.within), "normal" if due.within.days else "high"


def contact_by(handoff: HandOff, person: str | None, case: Case) -> datetime | None:
    """By when `person`, who accepts now, must get in touch with the lead."""
    due = first_rule(case.rules.stages[handoff.stage].contact, case)
    team = case.rules.teams.get((handoff.receiver, handoff.team))
    return None if due is None or team is None else team.deadline(person, case.now, due.within)


def first_rule(rules: Sequence[DueRule], case: Case) -> DueRule | None:
    """The first whose condition holds."""
    return next((rule for rule in rules if rule.when is None or rule.when.holds(case.facts)), None)


def tell(lead: Lead, change: HandOffChange) -> tuple[Lead, HandOffChange]:
    """The lead after one of its hand-offs has changed."""
    return replace(lead, seq=change.seq), change


def handoff_id(lead_id: str, number: int) -> str:
    """Deterministic: reading the log again gives the same ids."""
    return str(uuid.uuid5(_NAMESPACE, f"{lead_id}:{number}"))
