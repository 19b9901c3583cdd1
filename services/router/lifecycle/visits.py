"""A lead whom somebody works is on the website: its owner is told at once (domain B5)."""

from __future__ import annotations

from datetime import datetime

from services.router.lifecycle.model import Alert, Alerted, Lead
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.rules import Rules
from shared.scores import ScoreRecord


def visit(lead: Lead, record: ScoreRecord, rules: Rules, now: datetime) -> Alert | None:
    """What the owner is told because of a record; None: nothing. Not of history, nor of what is long ago, and not so
    often that it annoys."""
    rule = rules.playbook.alerts.visit
    if rule is None or not lead.taken or lead.department is None or record.historical:
        return None
    signal = record.signals.get(rule.signal)
    if signal is None or now - signal.last > rule.fresh_for:
        return None
    if lead.alerted_at is not None and signal.last < lead.alerted_at + rule.at_most_every:
        return None
    label = rules.playbook.signals[rule.signal].label.model_dump()
    return Alert(
        lead_id=lead.lead_id,
        seq=lead.seq + 1,
        kind=Alerted.VISIT,
        at=signal.last,
        department=lead.department,
        team=lead.team,
        person=lead.person,
        reason=[Leaf(condition="signal", name=rule.signal, met=True, value=signal.last, label=label)],
    )
