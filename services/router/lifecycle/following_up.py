"""Customers are followed up at intervals, by what they bought and when (domain C8)."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from services.router.lifecycle.case import Case
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.model import Alert, Alerted, Decision, Lead
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.rules import FollowUpRule, Rules
from shared.playbook.handoffs import FollowUp
from shared.scores import ScoreRecord


def next_follow_up(lead: Lead, record: ScoreRecord, rules: Rules) -> datetime | None:
    """When the lead's owner is told next to follow it up; None: never."""
    if lead.department is None or not (candidates := rules.follow_ups.get(lead.stage)):
        return None
    found = _rule(lead, candidates, record, rules)
    if found is None:
        return None
    since = record.signals[found.rule.since].last
    return _next(found.rule, since, max(since, lead.followed_up_at or since))


def follow_up(lead: Lead, case: Case) -> Decision:
    """The owner is told, if it is time by `case.now`. What was missed meanwhile is told of once."""
    due = next_follow_up(lead, case.record, case.rules)
    found = _rule(lead, case.rules.follow_ups.get(lead.stage, []), case.record, case.rules)
    if due is None or due > case.now or found is None or lead.department is None:
        return Decision(lead=lead)
    calendar = case.rules.calendars[lead.department]
    label = found.rule.label.model_dump()
    alert = Alert(
        lead_id=lead.lead_id,
        seq=lead.seq + 1,
        kind=Alerted.FOLLOW_UP,
        at=case.now,
        department=lead.department,
        team=lead.team,
        person=lead.person,
        due=calendar.deadline(case.now, found.rule.within),
        reason=[Leaf(condition="follow_up", name=found.id, met=True, label=label, at=due)],
    )
    return Decision(lead=replace(lead, seq=alert.seq, followed_up_at=case.now), alerts=[alert])


def _rule(lead: Lead, candidates: list[FollowUpRule], record: ScoreRecord, rules: Rules) -> FollowUpRule | None:
    """The first whose signal has been shown and whose condition holds."""
    counting = facts_of(lead, record, rules)[1]
    for candidate in candidates:
        signal = record.signals.get(candidate.rule.since)
        is_shown = signal is not None and (counting.since is None or signal.last > counting.since)
        if is_shown and (candidate.when is None or candidate.when.holds(counting)):
            return candidate
    return None


def _next(rule: FollowUp, since: datetime, after: datetime) -> datetime | None:
    """The first of the rule's moments later than `after`."""
    found = next((since + at for at in rule.at if since + at > after), None)
    if found is not None or rule.every is None:
        return found
    start = since + (rule.at[-1] if rule.at else timedelta(0))
    return start + ((after - start) // rule.every + 1) * rule.every
