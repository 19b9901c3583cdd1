"""Score records as the scorer writes them, for tests of the router: one lead's story, record by record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.router.lifecycle.answers import case_of
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Lead
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Surroundings
from shared.playbook.conditions import MOST_RECENT
from shared.scores import Contribution, DecayTerm, Position, ScoreRecord, Signal, Trigger

MONDAY = datetime(2026, 11, 16, 1, 0, tzinfo=UTC)
"""10:00 in Tokyo."""


@dataclass
class Story:
    """Keeps what a lead has shown so far, as the scorer does; each `record` adds to it."""

    lead_id: str
    partition: int = 0
    at: datetime = MONDAY
    seq: int = 0
    epoch: int = 0
    signals: dict[str, Signal] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    last: ScoreRecord = field(init=False)

    def record(  # noqa: PLR0913 - a record has that many parts
        self,
        signal: str | None = None,
        *,
        total: float = 0.0,
        level: int = 0,
        kept: dict[str, Any] | None = None,
        attributes: dict[str, Any] | None = None,
        offset: int = 0,
        historical: bool = False,
        received_at: datetime | None = None,
        channel: str | None = None,
        medium: str | None = None,
        later: timedelta = timedelta(minutes=1),
        half_life: timedelta = timedelta(days=30),
    ) -> ScoreRecord:
        """The next record, `later` than the one before. Its points begin to fade at its time."""
        self.seq += 1
        self.at += later
        event_id = f"{self.lead_id}-{self.seq}"
        if signal is not None:
            before = self.signals.get(signal)
            self.signals[signal] = Signal(
                first=before.first if before else self.at,
                last=self.at,
                times=before.times + 1 if before else 1,
                event_id=event_id,
                kept=kept or {},
                recent=[self.at, *(before.recent if before else [])][:MOST_RECENT],
            )
        self.attributes |= attributes or {}
        self.last = ScoreRecord(
            lead_id=self.lead_id,
            seq=self.seq,
            epoch=self.epoch,
            time=self.at,
            attribute=0.0,
            behaviour=total,
            total=total,
            trigger=Trigger(
                event_id=event_id,
                source="test",
                kind="track",
                time=self.at,
                received_at=received_at or self.at,
                name=signal or "Page",
                channel=channel,
                medium=medium,
            ),
            position=Position(self.partition, offset),
            playbook="the-model@1#test",
            historical=historical,
            level=level,
            level_until=self.at + timedelta(days=90) if level else None,
            signals=dict(self.signals),
            reported={signal: kept or {}} if signal is not None else {},
            attributes=dict(self.attributes),
            contributions=[
                Contribution(rule="inquiry_made", dimension="behaviour", points=total, times=1, last=self.at)
            ],
            decay=[DecayTerm(points=total, since=self.at, half_life_seconds=half_life.total_seconds())]
            if total
            else [],
        )
        return self.last

    def case(self, lead: Lead, rules: Rules) -> Case:
        """What an answer is decided on that comes now."""
        return case_of(lead, self.last, rules, self.at, Surroundings())
