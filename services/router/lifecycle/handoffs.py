"""Who owns a lead after its steps, and which hand-offs begin and end (domain D1, D2).

The giver stays responsible until the receiver accepts; a lead has never more than one open hand-off.
"""

from __future__ import annotations

from msgspec.structs import replace

from services.router.lifecycle.case import Case
from services.router.lifecycle.model import HandOff, HandOffChange, Lead, Status
from services.router.lifecycle.offers import Wanted, offer, tell
from services.router.lifecycle.owning import own, share, take_over
from services.router.lifecycle.rules import StageRule
from services.router.lifecycle.stages import Step


def assign(lead: Lead, opened: HandOff | None, steps: list[Step], case: Case) -> tuple[Lead, list[HandOffChange]]:
    """Owner and hand-offs after `steps` (at least one). `opened` is the lead's open hand-off.

    Only the last step counts: a lead that passes through inside sales' stage in one record goes straight on.
    """
    last = steps[-1]
    owner = last.target.stage.owner
    changes: list[HandOffChange] = []
    if opened is not None and _is_outrun(opened, last):
        lead, change = _close(lead, opened, last, case)
        changes, opened = [change], None
    if lead.department is None:
        first = next((step.target.stage.owner for step in steps if step.target.stage.owner), None)
        lead = own(lead, first, case)  # the first assignment is no hand-off
    if owner is not None and not lead.taken:
        lead = replace(lead, attached_to=None)  # it joins again what it still belongs to
    if owner is None or owner == lead.department or opened is not None:
        return lead, changes
    if case.historical or last.target.stage.excluded or lead.department is None:
        return own(lead, owner, case), changes
    if _comes_later(lead.department, last.target, case):
        # It has cooled and stands where another department was before: nobody is asked to take something back.
        return (lead if lead.taken else own(lead, owner, case)), changes
    lead, offered = pass_on(lead, Wanted(owner, last.target, last.reason), case)
    return lead, [*changes, *offered]


def pass_on(lead: Lead, wanted: Wanted, case: Case) -> tuple[Lead, list[HandOffChange]]:
    """The lead joins the hand-off that a colleague has there already; or else it is offered."""
    joint = case.surroundings.joint(lead.lead_id, wanted.receiver)
    if joint is not None:
        return share(replace(lead, attached_to=joint.lead.lead_id), joint.lead, case.now), []
    lead, offered = offer(lead, wanted, case)
    return lead, [offered]


def _is_outrun(opened: HandOff, last: Step) -> bool:
    """Whether the lead's new stage ends an open hand-off: another department is next, nobody is to work the lead,
    or sales reports about a lead that its receiver has never accepted."""
    stage = last.target.stage
    if stage.excluded or stage.owner not in (None, opened.receiver):
        return True
    return last.reported and opened.status is not Status.ACCEPTED


def _close(lead: Lead, opened: HandOff, last: Step, case: Case) -> tuple[Lead, HandOffChange]:
    """Completed if its receiver evidently worked the lead (accepted it, or sales reports the new stage), which also
    makes the receiver the owner; withdrawn otherwise."""
    accepted = opened.status is Status.ACCEPTED
    worked = (accepted or last.reported) and not last.target.stage.excluded
    if worked and not accepted:
        lead = take_over(lead, opened, opened.person, case.at)
    closed = replace(opened, status=Status.COMPLETED if worked else Status.WITHDRAWN)
    return tell(lead, HandOffChange(handoff=closed, seq=lead.seq + 1, at=case.now, reason=last.reason))


def retreat(lead: Lead, opened: HandOff | None, step: Step, case: Case) -> tuple[Lead, list[HandOffChange]]:
    """Owner and hand-offs after a lead has cooled (`step`, back). `opened` is its open hand-off, accepted by nobody.

    An offer to another department than the new stage's is withdrawn. Whoever has accepted the lead before keeps it; a
    department that has it without ever having been asked (history), and comes later on the way, gives it back at once.
    """
    target = step.target
    owner = target.stage.owner
    changes: list[HandOffChange] = []
    if opened is not None and opened.receiver != owner:
        withdrawn = replace(opened, status=Status.WITHDRAWN)
        lead, change = tell(lead, HandOffChange(handoff=withdrawn, seq=lead.seq + 1, at=case.now, reason=step.reason))
        changes, opened = [change], None
    lead = replace(lead, attached_to=None)
    if owner is None or lead.department in (None, owner) or opened is not None:
        return lead, changes
    if target.stage.excluded or (not lead.taken and _comes_later(lead.department, target, case)):
        return own(lead, owner, case), changes
    if lead.taken:
        return lead, changes
    lead, offered = pass_on(lead, Wanted(owner, step.target, step.reason), case)
    return lead, [*changes, *offered]


def _comes_later(department: str | None, target: StageRule, case: Case) -> bool:
    """Whether all stages of a department come after `target`."""
    return all(rule.rank > target.rank for rule in case.rules.way if rule.stage.owner == department)


def open_after(opened: HandOff | None, changes: list[HandOffChange]) -> HandOff | None:
    """The open hand-off after `changes`."""
    for change in changes:
        opened = change.handoff if change.handoff.is_open else None
    return opened
