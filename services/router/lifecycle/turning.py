"""An offer that came to nothing: to whom the lead is offered next, and when it goes back (domain N7).

Each offer of a lead to a department is an attempt; the playbook's `handoffs.on_expiry` says what follows the n-th, so
that nothing circles for ever."""

from __future__ import annotations

from msgspec.structs import replace

from services.router.lifecycle.case import Case
from services.router.lifecycle.known import all_facts
from services.router.lifecycle.model import Decision, HandOff, HandOffChange, Lead, Status
from services.router.lifecycle.offers import Wanted, offer, tell
from services.router.lifecycle.owning import give_back
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.recycling import go_back, returned_back
from services.router.lifecycle.rules import LAST_PROSPECT_STAGE, Rules
from services.router.lifecycle.stages import held_back

_EXPIRED = {
    Status.OFFERED: ("respond_by", {"ja": "回答期限を超過", "en": "Nobody answered in time"}),
    Status.WAITING: ("respond_by", {"ja": "バルブでの待機期限を超過", "en": "Has waited at the valve for too long"}),
    Status.ACCEPTED: ("contact_by", {"ja": "初回対応の期限を超過", "en": "Nobody got in touch in time"}),
}


def steps_left(handoff: HandOff, rules: Rules) -> bool:
    """Whether the lead may be offered once more to the same department."""
    return handoff.attempt <= len(rules.playbook.handoffs.on_expiry)


def next_offer(
    lead: Lead, closed: HandOff, reason: list[Leaf], case: Case, team: str | None = None
) -> tuple[Lead, HandOffChange]:
    """The lead is offered to the next, as the playbook says of the attempt that `closed` was; or to `team`."""
    step = case.rules.playbook.handoffs.on_expiry[closed.attempt - 1]
    stage = case.rules.stages[closed.stage]
    wanted = Wanted(closed.receiver, stage, reason, closed, team is None and step == "escalate", team)
    return offer(lead, wanted, case)


def expire(lead: Lead, opened: HandOff, case: Case) -> Decision:
    """A deadline of an offered or accepted hand-off has passed. The giver is the owner again, until the next one
    accepts; after the last step the lead is the giver's, and goes back; at once if it is to be left alone by now.
    Customers stay where they are."""
    name, label = _EXPIRED[opened.status]
    reason = [Leaf(condition="expired", name=name, met=True, label=label, at=getattr(opened, name))]
    held = held_back(case.rules.stages[opened.stage], all_facts(case.record, case.at), case.rules)
    again = opened.status is not Status.WAITING and steps_left(opened, case.rules) and not held
    reason += held
    closed = replace(opened, status=Status.EXPIRED if again else Status.RETURNED)
    if opened.status is Status.ACCEPTED:
        lead = give_back(lead, opened, case.now)
    lead, change = tell(lead, HandOffChange(handoff=closed, seq=lead.seq + 1, at=case.now, reason=reason))
    if again:
        lead, offered = next_offer(lead, closed, reason, case)
        return Decision(lead=lead, handoffs=[change, offered])
    if case.rules.stages[lead.stage].stage.number > LAST_PROSPECT_STAGE:
        return Decision(lead=lead, handoffs=[change])
    decision = go_back(lead, returned_back(case.rules), reason, case)
    return replace(decision, handoffs=[change, *decision.handoffs])
