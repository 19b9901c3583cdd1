"""What time alone will do to a lead, and doing it: it cools, falls silent, has waited long enough, or is let go by what
held it back.

All of it is foretold by the lead's latest record and dated at their own moment, so that it makes no difference whether
a timer or the lead's next record notices them."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle import cooling, guards, handoffs
from services.router.lifecycle.case import Case
from services.router.lifecycle.due import due_at
from services.router.lifecycle.early import stage_before
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.fading import faded
from services.router.lifecycle.going_on import go_on, turned_back
from services.router.lifecycle.known import all_facts
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.recycling import recycle, silence_ends, wait_ends, wait_over, waited
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.stages import Step, held_or_led
from services.router.lifecycle.surroundings import Surroundings
from shared.scores import ScoreRecord


def settled(decision: Decision, opened: HandOff | None, case: Case) -> Decision:
    """The decision, its lead with the next moments at which time changes something. `opened` is the open hand-off of
    before."""
    after = handoffs.open_after(opened, decision.handoffs)
    lead = timed(decision.lead, after, case.record, case.rules)
    return decision if lead is decision.lead else replace(decision, lead=lead)


def timed(lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules) -> Lead:
    """The lead with the moments at which time will move it, by its latest record; `opened` is its open hand-off."""
    at, due = moves_at(lead, opened, record, rules), due_at(lead, opened, record, rules)
    return lead if at == lead.cools_at and due == lead.due_at else replace(lead, cools_at=at, due_at=due)


def moves_at(lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules) -> datetime | None:
    """The first moment at which time leads the lead to another stage; None: never."""
    if (wait := wait_ends(lead, rules)) is not None:
        return wait
    at = cooling.cools_at(lead, opened, record, rules)
    if lead.stage in rules.recycled_from and (silent := silence_ends(lead, opened, record, rules)) is not None:
        at = _earlier(at, silent[0])
    for moment in _turns(lead, record, rules):
        if at is not None and moment >= at:
            break
        if _is_to_come(moment, lead, record) and _turn(lead, opened, record, rules, moment) is not None:
            return moment
    return at


def _is_to_come(moment: datetime, lead: Lead, record: ScoreRecord) -> bool:
    """Whether nothing later than `moment` has happened to the lead."""
    return moment >= record.time and (lead.stage_at is None or moment >= lead.stage_at)


def _earlier(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


def _turns(lead: Lead, record: ScoreRecord, rules: Rules) -> list[datetime]:
    """When, in order, the lead's total counts again, and guards that hold it back let go."""
    counts_none = rules.counted.isdisjoint(record.signals)  # as of most leads
    moments = [] if counts_none else [*guards.releases(all_facts(record), rules)]
    return moments if lead.held_until is None else sorted([*moments, lead.held_until])


def _turn(
    lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules, at: datetime
) -> tuple[Lead, list[Step]] | None:
    """What the moment comes to, one of `_turns`: the lead with what holds it back from now on, and the steps that it
    goes on by; None: nothing changes."""
    then = faded(record, at)
    known, counting = facts_of(lead, then, rules)
    steps, held_by = held_or_led(lead, opened, known, counting, rules)
    after = lead
    if lead.held_by is not None and not guards.holds(lead.held_by, known, rules):
        after = replace(after, held_by=held_by)
    if not steps and lead.valve_stage is None and lead.valve_over is None:
        after = replace(after, valve_stage=stage_before(lead, opened, known, counting, rules))
    return None if not steps and after == lead else (after, steps)


def _because(lead: Lead, record: ScoreRecord, rules: Rules, at: datetime) -> list[Leaf]:
    """As part of the reason of such steps: which waiting is over."""
    if at == lead.held_until:
        return [waited(lead, at)]
    return [guards.releases(all_facts(record), rules)[at]]


def _go_on(lead: Lead, steps: list[Step], opened: HandOff | None, record: ScoreRecord, case: Case) -> Decision:
    if not steps:
        return Decision(lead=lead)
    because = _because(lead, record, case.rules, case.at)
    steps = [Step(step.source, step.target, [*because, *step.reason]) for step in steps]
    was_imported = record.historical and case.at <= record.trigger.received_at
    case = replace(case, historical=was_imported)
    return turned_back(go_on(lead, opened, steps, case), opened, case)


def move(  # noqa: PLR0913, PLR0917 - a lead, its hand-off and score, and what is around them
    lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules, at: datetime, around: Surroundings
) -> Decision:
    """What happens to the lead at `at`, which is what `moves_at` gives for it; `record` is its latest. Where several
    things happen at the same moment it is recycled rather than led on, and led on rather than back.

    Never history, even if the record is: nothing was imported, time has passed. So who is next to work it is asked;
    unless the lead goes on, which it had done by the time of the import."""
    case = Case(faded(record, at), facts_of(lead, faded(record, at), rules)[1], rules, at, at, around)
    if wait_ends(lead, rules) is not None:
        decision = turned_back(wait_over(lead, at, case), opened, case)
    elif (silent := silence_ends(lead, opened, record, rules)) is not None and silent[0] <= at:
        decision = recycle(lead, opened, silent[1], case)
    elif at in _turns(lead, record, rules) and (turn := _turn(lead, opened, record, rules, at)) is not None:
        decision = _go_on(*turn, opened, record, case)
    else:
        decision = turned_back(cooling.cool(lead, opened, record, case), opened, case)
    return replace(decision, lead=timed(decision.lead, handoffs.open_after(opened, decision.handoffs), record, rules))
