"""What a run came to: for people, and as one JSON object for machines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from services.cli.demo.remarks import Remarks

MUST_BE_EMPTY = ("without_owner", "attached_to_nobody", "with_two_handoffs", "with_two_owners")
"""Of the audit; what is overdue is the people's affair."""


@dataclass(frozen=True)
class Phase:
    """Seconds until sent and until through, and the latencies (s, ascending) of the hand-offs in between."""

    name: str
    events: int
    sent_seconds: float
    through_seconds: float
    latencies: Sequence[float]


@dataclass(frozen=True)
class Facts:
    """Counted at both ends: what was sent, and what came out."""

    parts: str
    events: int
    accepted: int
    rejected: int
    in_log: int  # events that were sent; not what the scorer tells itself there
    events_lost: int  # sent, and not in the log
    dead_letters: int
    ids: int  # in the ledger: several may be one lead
    ids_lost: int  # events of theirs were sent, and the router has no lead for them
    ids_unknown: int  # in the ledger, and no event speaks of them
    ids_merged: int  # in the ledger as members of other leads
    stages: Mapping[str, int]
    remarks: Remarks
    handoffs: Mapping[str, int]  # heard, by receiver; one that was repeated counts once
    handoffs_unheard: Mapping[str, int]  # in the ledger, never heard
    handoffs_unknown: Mapping[str, int]  # heard, not in the ledger
    repeated_deliveries: int
    audit: Mapping[str, int]
    restarts: Mapping[str, int]
    bulk: Phase
    steady: Phase

    @property
    def leads(self) -> int:
        return sum(self.stages.values())

    @property
    def lost(self) -> int:
        """Events that were sent and are not in the log, ids for which the router has no lead, and hand-offs that only
        one side knows: the ledger, or who listens."""
        handoffs = sum(self.handoffs_unheard.values()) + sum(self.handoffs_unknown.values())
        return self.events_lost + self.ids_lost + handoffs

    def problems(self) -> list[str]:
        """Everything that should not be; empty when all is well."""
        found = [
            (self.accepted != self.events, f"{self.events} events were sent, {self.accepted} accepted"),
            (self.events_lost > 0, f"{self.events_lost} events were sent and are not in the log"),
            (self.in_log != self.accepted, f"{self.accepted} events were accepted, {self.in_log} are in the log"),
            (self.ids_lost > 0, f"{self.ids_lost} ids were sent for which the router has no lead"),
            (self.ids_unknown > 0, f"the router has {self.ids_unknown} ids of which no event speaks"),
            (
                self.leads + self.ids_merged != self.ids,
                f"of {self.ids} ids {self.leads} are leads at some stage and {self.ids_merged} members of others",
            ),
            (self.dead_letters > 0, f"{self.dead_letters} dead letters"),
            (not self.handoffs, "not a single hand-off arrived"),
            *((True, f"{n} hand-offs to {to} were never heard") for to, n in self.handoffs_unheard.items()),
            *((True, f"{n} hand-offs to {to} are not in the ledger") for to, n in self.handoffs_unknown.items()),
            *((True, f"{name} ended {n} times and was started again") for name, n in self.restarts.items()),
            *(
                (self.audit[what] > 0, f"audit: {self.audit[what]} leads {what.replace('_', ' ')}")
                for what in MUST_BE_EMPTY
            ),
        ]
        return [problem for wrong, problem in found if wrong]


def percentile(ascending: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    return ascending[max(math.ceil(share * len(ascending)) - 1, 0)] if ascending else None


def as_json(facts: Facts) -> dict[str, Any]:
    return {
        "events": facts.events,
        "accepted": facts.accepted,
        "leads": facts.leads,
        "ids": facts.ids,
        "merged": {"ids": facts.ids_merged, "share": _share(facts.ids_merged, facts.ids)},
        "unclassified": _events(facts.remarks.unclassified, facts),
        "ignored": {reason: _events(count, facts) for reason, count in facts.remarks.ignored.items()},
        "handoffs": dict(facts.handoffs),
        "handoffs_unheard": dict(facts.handoffs_unheard),
        "handoffs_unknown": dict(facts.handoffs_unknown),
        "stages": dict(facts.stages),
        "latency_ms": _milliseconds(facts.steady),
        "latency_bulk_ms": _milliseconds(facts.bulk),
        "dead_letters": facts.dead_letters,
        "repeated_deliveries": facts.repeated_deliveries,
        "audit": dict(facts.audit),
        "restarts": dict(facts.restarts),
        "bulk_seconds": round(facts.bulk.through_seconds, 1),
        "parts": facts.parts,
        "lost": facts.lost,
        "problems": facts.problems(),
    }


def as_table(facts: Facts) -> Table:
    table = Table(show_header=False, title="Summary", title_justify="left")
    bulk, steady = facts.bulk, facts.steady
    for name, value in (
        ("parts", facts.parts),
        ("events", f"{facts.events:,} sent, {facts.accepted:,} accepted, {facts.in_log:,} in the log"),
        ("nobody's", _ignored(facts)),
        (
            "unclassified",
            f"{_with_share(facts.remarks.unclassified, facts.in_log)}: the playbook does not speak of them",
        ),
        ("leads", f"{facts.leads:,}, visitors who stayed anonymous included"),
        ("ids", f"{facts.ids:,}, of which {_with_share(facts.ids_merged, facts.ids)} turned out to be another lead's"),
        ("stages", _counts(facts.stages)),
        ("hand-offs", _counts(facts.handoffs)),
        (
            "bulk",
            f"{bulk.events:,} events sent in {bulk.sent_seconds:.1f} s, through in {bulk.through_seconds:.1f} s "
            f"({bulk.events / bulk.through_seconds:,.0f}/s)",
        ),
        ("latency, steady", f"{_in_words(steady)} at {steady.events / steady.sent_seconds:,.0f} events/s"),
        ("latency, bulk", f"{_in_words(bulk)}: mostly waiting in the queue that the speed-up makes"),
        ("audit", _counts(facts.audit)),
        ("dead letters", str(facts.dead_letters)),
        ("lost", str(facts.lost)),
    ):
        table.add_row(name, value)
    return table


def _ignored(facts: Facts) -> str:
    parts = [f"{reason} {_with_share(count, facts.in_log)}" for reason, count in facts.remarks.ignored.items()]
    return "  ".join(parts) or "none"


def _with_share(count: int, of: int) -> str:
    return f"{count:,} ({_share(count, of):.1%})"


def _events(count: int, facts: Facts) -> dict[str, float]:
    return {"events": count, "share": _share(count, facts.in_log)}


def _share(count: int, of: int) -> float:
    return round(count / of, 4) if of else 0.0


def _milliseconds(phase: Phase) -> dict[str, float | int | None]:
    points = {"p50": percentile(phase.latencies, 0.5), "p99": percentile(phase.latencies, 0.99)}
    rounded = {name: None if value is None else round(value * 1000, 1) for name, value in points.items()}
    return {**rounded, "handoffs": len(phase.latencies)}


def _in_words(phase: Phase) -> str:
    figures = _milliseconds(phase)
    return f"event to hand-off p50 {figures['p50']} ms, p99 {figures['p99']} ms ({figures['handoffs']} hand-offs)"


def _counts(counts: Mapping[str, int]) -> str:
    return "  ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
