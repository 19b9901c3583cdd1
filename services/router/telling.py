"""What must be known to tell of decisions: contact data, earlier messages, colleagues. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.router.lifecycle.model import Decision, HandOffChange, Status
from services.router.messages import Colleague


@dataclass(frozen=True, slots=True)
class Company:
    """Colleagues of a lead who are worked, and which roles of the buying group they and the lead cover."""

    colleagues: list[Colleague] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Around:
    """`companies` by hand-off; `joints`: by the lead that others are attached to, its open hand-off."""

    companies: Mapping[str, Company] = field(default_factory=dict)
    joints: Mapping[str, str] = field(default_factory=dict)


def reached_out(decided: Iterable[Decision]) -> list[str]:
    """Leads whose contact data a new hand-off needs, or an alert."""
    return sorted(
        {
            decision.lead.lead_id
            for decision in decided
            if decision.alerts or any(is_offer(change) for change in decision.handoffs)
        }
    )


def turned_handoffs(decided: Iterable[Decision]) -> list[str]:
    """Hand-offs in a new state, without those that are offered only now: their messages are asked of the ledger."""
    changes = [change for decision in decided for change in decision.handoffs]
    offered = {change.handoff.handoff_id for change in changes if is_offer(change)}
    return sorted({change.handoff.handoff_id for change in changes} - offered)


def is_offer(change: HandOffChange) -> bool:
    """Whether the hand-off is offered by this change, or begins to wait for it: then it tells all that is known now."""
    return change.handoff.status in (Status.OFFERED, Status.WAITING) and not change.joined
