"""Who owns a lead: one department, and at most one person (domain D2). Every change of the owner is made here."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle.case import Case
from services.router.lifecycle.model import HandOff, Lead


def own(lead: Lead, department: str | None, case: Case) -> Lead:
    """A department gets the lead at once, without being asked: first assignment, history, exclusion, recycling.

    What was imported it has since the import: before, nobody here could have got in touch with it."""
    if department is None:
        return lead
    since = case.record.trigger.received_at if case.historical else case.at
    team = case.rules.territories.team(department, case.facts.fields)
    return replace(lead, department=department, team=team, person=None, taken=False, owned_at=since, attached_to=None)


def take_over(lead: Lead, handoff: HandOff, person: str | None, now: datetime) -> Lead:
    """The receiver has accepted, or has evidently worked the lead."""
    return replace(
        lead,
        department=handoff.receiver,
        team=handoff.team,
        person=person,
        sal_at=lead.sal_at or now,
        taken=True,
        owned_at=now,
        cools_at=None,  # a lead that somebody works is not taken from them
        attached_to=None,
    )


def give_back(lead: Lead, handoff: HandOff, now: datetime) -> Lead:
    """The giver is responsible again: whoever had accepted the hand-off did not get in touch."""
    return replace(
        lead,
        department=handoff.giver,
        team=handoff.giver_team,
        person=handoff.giver_person,
        taken=False,
        owned_at=now,
    )


def share(lead: Lead, primary: Lead, now: datetime) -> Lead:
    """The lead with the owner of another one, whose hand-off it has joined; the same one, if that is so already."""
    owner = {name: getattr(primary, name) for name in ("department", "team", "person", "taken")}
    if all(getattr(lead, name) == value for name, value in owner.items()):
        return lead
    if not primary.taken:
        return replace(lead, **owner, owned_at=now)
    return replace(lead, **owner, owned_at=now, sal_at=lead.sal_at or now, cools_at=None)
