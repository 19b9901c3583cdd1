"""Leads at a valve: those that wait are passed on when it opens, and others come earlier than usual."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle import handoffs, valves
from services.router.lifecycle.case import Case
from services.router.lifecycle.early import stage_before, steps_into
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.fading import faded
from services.router.lifecycle.going_on import go_on
from services.router.lifecycle.known import Facts
from services.router.lifecycle.model import Decision, HandOff, HandOffChange, Lead, Status
from services.router.lifecycle.offers import Wanted, find_addressee, respond, take_seat, tell
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.settling import settled
from services.router.lifecycle.stages import held_back
from services.router.lifecycle.surroundings import Surroundings
from shared.points import to_micro
from shared.scores import ScoreRecord


def look_again(  # noqa: PLR0913, PLR0917 - a lead, its hand-off and score, and what is around them
    lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules, now: datetime, around: Surroundings
) -> Decision:
    """What a valve that has moved means for a lead that waits at it, or that it would let pass earlier than usual: by
    its score as it is `now`. One that is to cool by then cools, and does not pass."""
    if lead.cools_at is not None and lead.cools_at <= now:
        return Decision(lead=lead)
    record = faded(record, max(now, record.time))
    known, counting = facts_of(lead, record, rules)
    case = Case(record, counting, rules, now, record.time, around)
    if opened is not None and opened.status is Status.WAITING:
        if held_back(rules.stages[opened.stage], known, rules):
            return Decision(lead=lead)
        decision = pass_waiting(Decision(lead=lead), opened, case, in_turn=True)
    else:
        decision = come_early(lead, opened, known, case)
    return settled(decision, opened, case)


def pass_waiting(decision: Decision, waiting: HandOff, case: Case, *, in_turn: bool) -> Decision:
    """The decision, and that the lead's hand-off, which waits, is offered, if its valve lets it pass. `in_turn`: as
    `valves.ask_again` has it."""
    verdict = valves.ask_again(waiting, case, in_turn=in_turn)
    if verdict is not None and verdict.said is valves.Said.WAITS:
        return decision
    lead, stage = decision.lead, case.rules.stages[waiting.stage]
    held = stage.when.reason(case.facts) if stage.when is not None else []
    reason = held if verdict is None else [verdict.leaf, *held]
    team = waiting.team if (waiting.receiver, waiting.team) in case.rules.teams else None
    to = find_addressee(lead, Wanted(waiting.receiver, stage, reason, team=team), case)
    seat = take_seat(lead, to, case)
    respond_by, priority = respond(stage, seat, case)
    offered = replace(
        waiting,
        status=Status.OFFERED,
        team=seat.team.id,
        person=seat.person,
        queued=seat.queued,
        offered_at=case.now,
        respond_by=respond_by,
        priority=priority,
        points=case.record.total,
        valve=valves.Said.WAITED.value,
    )
    lead, change = tell(lead, HandOffChange(handoff=offered, seq=lead.seq + 1, at=case.now, reason=reason))
    return replace(decision, lead=lead, handoffs=[*decision.handoffs, change])


def come_early(lead: Lead, opened: HandOff | None, known: Facts, case: Case) -> Decision:
    """The lead passes a valve that is open further than usual; or is marked as one that would, if it opened as far as
    it can. `known` are all facts, as for `walk`."""
    rules, counting = case.rules, case.facts
    marked = None if case.historical else stage_before(lead, opened, known, counting, rules)
    for rule in rules.valves_from.get(lead.department or "", ()) if marked is not None else ():
        if not steps_into(rule, lead, known, counting, rule.valve.thresholds[0], rules):
            continue
        stage = rules.stages[rule.valve.stage]
        team = find_addressee(lead, Wanted(rule.valve.to, stage, []), case).team
        asked = valves.opening(rule, team, lead.lead_id, case)
        if asked is not None and (steps := steps_into(rule, lead, known, counting, asked, rules)):
            # What it passes with counts as long as it is at that stage, or it would cool at once.
            facts = replace(case.facts, valve=(stage.stage.id, to_micro(asked)))
            decision = go_on(lead, opened, steps, replace(case, facts=facts))
            passed = replace(decision.lead, valve_stage=stage.stage.id, valve_over=asked)
            return replace(decision, lead=passed)
    if lead.valve_over is None and lead.valve_stage != marked:
        lead = replace(lead, valve_stage=marked)
    return Decision(lead=lead)


def still_waits(before: HandOff | None, decision: Decision) -> bool:
    """Whether a hand-off that waited does so after the decision."""
    after = handoffs.open_after(before, decision.handoffs)
    return before is not None and after is before and before.status is Status.WAITING
