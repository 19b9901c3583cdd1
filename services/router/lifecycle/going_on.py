"""A lead goes on to other stages, with its owner and hand-offs, or is recycled for what it has shown."""

from __future__ import annotations

from msgspec.structs import replace

from services.router.lifecycle import handoffs
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.recycling import by_signal, recycle
from services.router.lifecycle.stages import Step, follow


def go_on(lead: Lead, opened: HandOff | None, steps: list[Step], case: Case) -> Decision:
    """The lead after `steps` (at least one), dated `case.at`."""
    lead, stages = follow(lead, steps, case.at, historical=case.historical)
    lead, changes = handoffs.assign(lead, opened, steps, case)
    return Decision(lead=lead, stages=stages, handoffs=changes)


def turned_back(decision: Decision, opened: HandOff | None, case: Case) -> Decision:
    """The decision, and that the lead is recycled from where it stands, if what it has shown says so: also from where
    it has only just come to, as a deal may be told of when it is lost already. `opened` is the open hand-off of
    before."""
    if (way := by_signal(decision.lead, case.facts, case.rules)) is None:
        return decision
    back = recycle(decision.lead, handoffs.open_after(opened, decision.handoffs), way, case)
    return replace(
        decision,
        lead=back.lead,
        stages=[*decision.stages, *back.stages],
        handoffs=[*decision.handoffs, *back.handoffs],
        events=[*decision.events, *back.events],
    )
