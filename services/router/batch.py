"""A batch of what was read, and what it comes to: rows for one database transaction. No I/O; the clock is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from services.router.contact import ContactDatum
from services.router.deals import Deal
from services.router.lifecycle.decide import decide, is_stale, new_lead
from services.router.lifecycle.model import OPEN, Decision, HandOff, Lead, Status
from services.router.lifecycle.rules import Rules
from services.router.outbox import OutboxRow
from shared.clock import Clock
from shared.scores import ScoreRecord

Row = tuple[Any, ...]
Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Received:
    """A score record as it came, and where from."""

    lane: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Iterable[tuple[str, bytes]]
    record: ScoreRecord


@dataclass(slots=True)
class Batch:
    """Contact data is complete up to the position of each score. `offsets`: place → (expected, next).

    What Postgres refused is taken out when the batch is applied, and counted in `refused_…`."""

    contacts: list[ContactDatum] = field(default_factory=list)
    scores: list[Received] = field(default_factory=list)
    dead: list[OutboxRow] = field(default_factory=list)
    offsets: dict[Place, tuple[int, int]] = field(default_factory=dict)
    refused_contacts: int = 0
    refused_scores: int = 0


@dataclass(slots=True)
class Known:
    """What the ledger holds about the leads of a batch."""

    leads: dict[str, Lead]
    opened: dict[str, HandOff]


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision and the score record that led to it."""

    decision: Decision
    received: Received

    @property
    def counts_only(self) -> bool:
        """Nothing has changed but the score and what `COUNTED` names."""
        return not (self.decision.stages or self.decision.handoffs)


@dataclass(slots=True)
class Rows:
    """What a transaction writes. Of each lead and hand-off only the last state is written.

    `leads` are written as a whole, of those in `scores` only what most records change."""

    leads: list[Row] = field(default_factory=list)
    scores: list[Row] = field(default_factory=list)
    stages: list[Row] = field(default_factory=list)
    handoffs: dict[str, Row] = field(default_factory=dict)
    handoff_changes: list[Row] = field(default_factory=list)
    deals: dict[tuple[str, str], Deal] = field(default_factory=dict)
    outbox: list[OutboxRow] = field(default_factory=list)


def decide_all(scores: Iterable[Received], known: Known, rules: Rules, clock: Clock) -> list[Decided]:
    """Decide each record in order; `known` follows. Stale records decide nothing."""
    decided = []
    for received in scores:
        record = received.record
        lead = known.leads.get(record.lead_id) or new_lead(record.lead_id, received.lane, rules)
        if is_stale(lead, record):
            continue
        clock.witness(record.time)
        decision = decide(lead, known.opened.get(record.lead_id), record, rules, clock.now())
        known.leads[record.lead_id] = decision.lead
        for change in decision.handoffs:
            if change.handoff.status in OPEN:
                known.opened[record.lead_id] = change.handoff
            else:
                known.opened.pop(record.lead_id, None)
        decided.append(Decided(decision, received))
    return decided


def offered_leads(decided: Iterable[Decided]) -> list[str]:
    """Leads whose contact data a new hand-off needs."""
    return sorted({handoff.lead_id for handoff in _changed(decided) if handoff.status is Status.OFFERED})


def turned_handoffs(decided: Iterable[Decided]) -> list[str]:
    """Hand-offs in a new state, without those that are offered only now: their messages are asked of the ledger."""
    handoffs = _changed(decided)
    offered = {handoff.handoff_id for handoff in handoffs if handoff.status is Status.OFFERED}
    return sorted({handoff.handoff_id for handoff in handoffs} - offered)


def _changed(decided: Iterable[Decided]) -> list[HandOff]:
    return [change.handoff for item in decided for change in item.decision.handoffs]
