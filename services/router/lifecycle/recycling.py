"""Leads that go back into consideration (domain C5): a line in time is drawn, and neither points nor levels nor signals
from before it count any more. What they do afterwards leads them on again.

By a signal (a deal is lost), by silence (nobody has got in touch, or the lead does not respond), or because a hand-off
was rejected or returned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from services.router.lifecycle.case import Case
from services.router.lifecycle.known import Facts, all_facts
from services.router.lifecycle.model import (
    Decision,
    Emitted,
    HandOff,
    HandOffChange,
    Lead,
    StageChange,
    Status,
)
from services.router.lifecycle.offers import tell
from services.router.lifecycle.owning import own
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.rules import RecyclingWay, Rules, StageRule
from services.router.lifecycle.stages import Step, first_open_exclusion, follow
from shared.events import Kind
from shared.recycling import NAME
from shared.scores import ScoreRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE = timedelta(milliseconds=1)
RECYCLED = "recycled"
"""The condition of the leaf that says by which rule a lead has gone back."""
_WAITED = {"ja": "待機期間の終了", "en": "The waiting time is over"}


@dataclass(frozen=True, slots=True)
class Back:
    """Why (`id`) and to which stage a lead goes back, for how long its total does not count, and whether its behaviour
    score begins anew."""

    id: str
    to: str
    hold: timedelta
    restart: bool


def rejected_back(rules: Rules) -> Back:
    """The way back of a lead that its receiver has rejected."""
    rule = rules.playbook.rejection
    return Back(Status.REJECTED.value, rule.to, rule.hold, rule.behaviour == "restart")


def returned_back(rules: Rules) -> Back:
    """The way back of a lead that nobody has taken in time."""
    to, hold = rules.playbook.rejection.to, rules.playbook.handoffs.returned_hold
    return Back(Status.RETURNED.value, to, hold, restart=True)


def by_signal(lead: Lead, counting: Facts, rules: Rules) -> RecyclingWay | None:
    """The way back that what the lead has shown opens from its stage: asked when a record has come, and when the lead
    has come to another stage.

    What it showed before it came there does not count: a deal that was lost last year says nothing against whoever
    makes an inquiry today. But a stage that rests on signals began with these, however late they were told."""
    ways = rules.recycled_by_signal.get(lead.stage)
    if ways is None:
        return None
    facts = _since_it_came(lead, counting, rules)
    return next((way for way in ways if way.when is not None and way.when.holds(facts)), None)


def _since_it_came(lead: Lead, counting: Facts, rules: Rules) -> Facts:
    shown = (counting.signals.get(name) for name in rules.stages[lead.stage].signals)
    since = counting.since
    rests_on = [signal.last for signal in shown if signal is not None and (since is None or signal.last > since)]
    began = [moment for moment in (lead.stage_at, max(rests_on, default=None)) if moment is not None]
    if not began:
        return counting
    came = min(began) - _AT_ONCE
    return replace(counting, since=came if since is None else max(since, came))


def silence_ends(
    lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules
) -> tuple[datetime, RecyclingWay] | None:
    """When, and by which way, the lead will go back if nothing happens; None: never. Not before its latest record: what
    that has taken away was there until then. While it is offered to somebody, the deadline of that counts instead;
    while it has joined a colleague's hand-off, what becomes of that."""
    if lead.attached_to is not None or (opened is not None and opened.status is not Status.ACCEPTED):
        return None
    ends = [
        (_last_shown(lead, way.rule.silent, record) + way.rule.silent_for, way)
        for way in rules.recycled_from.get(lead.stage, ())
        if way.rule.silent is not None and way.rule.silent_for is not None
    ]
    end = min(ends, key=lambda end: end[0], default=None)
    return None if end is None else (max(end[0], record.time), end[1])


def wait_ends(lead: Lead, rules: Rules) -> datetime | None:
    """When a lead that waits at a stage for having been recycled goes on from it; None: it does not."""
    return lead.held_until if lead.stage in rules.parked and lead.recycling in rules.recycling else None


def recycle(lead: Lead, opened: HandOff | None, way: RecyclingWay, case: Case) -> Decision:
    """The lead goes back. An accepted hand-off is completed, as somebody has worked it; any other withdrawn."""
    rule = way.rule
    name = rule.silent or way.id
    parts = way.when.reason(case.facts) if way.when is not None else []
    reason = [Leaf(condition=RECYCLED, name=name, met=True, label=rule.label.model_dump(), at=case.at), *parts]
    changes: list[HandOffChange] = []
    if opened is not None:
        status = Status.COMPLETED if opened.status is Status.ACCEPTED else Status.WITHDRAWN
        closed = HandOffChange(handoff=replace(opened, status=status), seq=lead.seq + 1, at=case.now, reason=reason)
        lead, change = tell(lead, closed)
        changes = [change]
    back = Back(way.id, rule.through or rule.to, rule.hold, rule.behaviour == "restart")
    decision = go_back(lead, back, reason, case)
    return replace(decision, handoffs=[*changes, *decision.handoffs])


def go_back(lead: Lead, back: Back, reason: list[Leaf], case: Case) -> Decision:
    """Draw the line, and lead the lead to its stage. The department of that owns it at once: nobody has to agree to
    take something back."""
    line = case.at
    lead = replace(
        lead,
        line_at=line,
        held_until=line + back.hold,
        recycled=lead.recycled + 1,
        recycling=back.id,
        cools_at=None,
        attached_to=None,
    )
    stages: list[StageChange] = []
    steps = _steps_back(lead, case.rules.stages[back.to], reason, case)
    if steps:
        lead, stages = follow(lead, steps, line, historical=case.historical)
    owner = case.rules.stages[lead.stage].stage.owner
    if owner != lead.department:
        lead = own(lead, owner, case)
    elif lead.person is not None:
        lead = replace(lead, person=None, taken=False, owned_at=line)
    else:
        lead = replace(lead, taken=False)
    events = []
    if back.restart:
        lead = replace(lead, epoch=(line - _EPOCH) // timedelta(milliseconds=1))
        events = [
            Emitted(
                id=f"recycle:{lead.lead_id}:{lead.seq}",
                kind=Kind.RECYCLE,
                name=NAME,
                at=line,
                properties={"reason": back.id},
            )
        ]
    return Decision(lead=lead, stages=stages, events=events)


def _steps_back(lead: Lead, target: StageRule, reason: list[Leaf], case: Case) -> list[Step]:
    """To the stage, and on into an exclusion that holds: out of later stages none is entered."""
    steps = [] if lead.stage == target.stage.id else [Step(lead.stage, target, reason)]
    known = all_facts(case.record)
    exclusion = first_open_exclusion({*lead.reached, target.stage.id}, known, case.rules)
    if exclusion is not None and exclusion.when is not None:
        steps.append(Step(target.stage.id, exclusion, [*reason, *exclusion.when.reason(known)]))
    return steps


def wait_over(lead: Lead, at: datetime, case: Case) -> Decision:
    """A lead that has waited at a stage goes on to the one that its way back leads to."""
    target = case.rules.stages[case.rules.recycling[lead.recycling or ""].rule.to]
    lead, stages = follow(lead, [Step(lead.stage, target, [waited(lead, at)])], at, historical=False)
    if target.stage.owner != lead.department:
        lead = own(lead, target.stage.owner, case)
    return Decision(lead=lead, stages=stages)


def waited(lead: Lead, at: datetime) -> Leaf:
    """As part of a reason: what the lead waited for since it was recycled is over."""
    return Leaf(condition="waited", name=lead.recycling, met=True, label=_WAITED, at=at)


def _last_shown(lead: Lead, name: str | None, record: ScoreRecord) -> datetime:
    """When the silence began: at the signal's latest time, or when the lead came to its stage or owner."""
    signal = record.signals.get(name or "")
    moments = (lead.stage_at, lead.owned_at, signal.last if signal is not None else None)
    return max((moment for moment in moments if moment is not None), default=record.time)
