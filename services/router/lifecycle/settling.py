"""What time alone will do to a lead, and doing it: it cools, falls silent, or has waited long enough.

All three are foretold by the lead's latest record and dated at their own moment, so that it makes no difference whether
a timer or the lead's next record notices them."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle import cooling
from services.router.lifecycle.case import Case
from services.router.lifecycle.due import due_at
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.fading import faded
from services.router.lifecycle.model import Decision, HandOff, HandOffChange, Lead
from services.router.lifecycle.recycling import recycle, silence_ends, wait_ends, wait_over
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Surroundings
from shared.scores import ScoreRecord


def settled(decision: Decision, opened: HandOff | None, case: Case) -> Decision:
    """The decision, its lead with the next moments at which time changes something. `opened` is the open hand-off of
    before."""
    after = open_after(opened, decision.handoffs)
    lead = timed(decision.lead, after, case.record, case.rules)
    return decision if lead is decision.lead else replace(decision, lead=lead)


def timed(lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules) -> Lead:
    """The lead with the moments at which time will move it, by its latest record; `opened` is its open hand-off."""
    at, due = moves_at(lead, opened, record, rules), due_at(lead, opened, record, rules)
    return lead if at == lead.cools_at and due == lead.due_at else replace(lead, cools_at=at, due_at=due)


def moves_at(lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules) -> datetime | None:
    """The first moment at which time leads the lead to another stage; None: never."""
    if (waited := wait_ends(lead, rules)) is not None:
        return waited
    at = cooling.cools_at(lead, opened, record, rules)
    if not rules.recycled_from[lead.stage]:
        return at
    silent = silence_ends(lead, opened, record, rules)
    return at if silent is None or (at is not None and at <= silent[0]) else silent[0]


def move(  # noqa: PLR0913, PLR0917 - a lead, its hand-off and score, and what is around them
    lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules, at: datetime, around: Surroundings
) -> Decision:
    """What happens to the lead at `at`, which is what `moves_at` gives for it; `record` is its latest.

    Never history, even if the record is: nothing was imported, time has passed. So who is next to work it is asked."""
    case = Case(faded(record, at), facts_of(lead, faded(record, at), rules)[1], rules, at, at, around)
    if wait_ends(lead, rules) is not None:
        decision = wait_over(lead, at, case)
    elif (silent := silence_ends(lead, opened, record, rules)) is not None and silent[0] <= at:
        decision = recycle(lead, opened, silent[1], case)
    else:
        decision = cooling.cool(lead, opened, record, case)
    return replace(decision, lead=timed(decision.lead, open_after(opened, decision.handoffs), record, rules))


def open_after(opened: HandOff | None, changes: list[HandOffChange]) -> HandOff | None:
    """The open hand-off after `changes`."""
    for change in changes:
        opened = change.handoff if change.handoff.is_open else None
    return opened
