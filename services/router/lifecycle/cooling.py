"""Leads cool down (domain N5): points fade and levels end, and with them what a stage rests on.

A lead cools in a prospect stage whose condition asks for a total or a level, as long as nobody has taken it: its
hand-off, if there is one, is not accepted, and sales has reported nothing. It goes back to the furthest stage before
whose condition still holds, at the very moment at which its own no longer does, whether that is noticed by a timer or
by the lead's next record. A recycled lead goes back no further than to where it was recycled to.
"""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle import handoffs
from services.router.lifecycle.case import Case
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.fading import faded, next_end
from services.router.lifecycle.known import NOTHING, Facts
from services.router.lifecycle.model import Decision, HandOff, Lead, Status
from services.router.lifecycle.reasons import Leaf, because_of_playbook
from services.router.lifecycle.rules import CoolingRule, Rules, StageRule
from services.router.lifecycle.stages import Step, before, first_open_exclusion, follow, is_open, landing
from shared.scores import ScoreRecord

_LABELS = {
    "total_over": ("スコアが{:g}点以下に低下", "Score has fallen to {:g} or less"),
    "level_at_least": ("確度{:g}以上が失効", "Certainty level {:g} or higher has ended"),
}


def cools_at(lead: Lead, opened: HandOff | None, record: ScoreRecord, rules: Rules) -> datetime | None:
    """The first moment, from the record's on and since the lead came to its stage, at which the condition of that does
    not hold; None: never.

    The record's own time means that its event has taken away what the stage rested on."""
    rule = rules.cooling.get(lead.stage)
    if rule is None or _is_taken(lead, opened) or _is_where_recycled(lead, rules):
        return None
    if rule.only_falls and rule.when.holds(_without_score(lead, record, rules)):
        return None  # a signal or a field makes it hold: the most frequent case, and the cheapest
    at: datetime | None = record.time if lead.stage_at is None else max(record.time, lead.stage_at)
    while at is not None and rule.when.holds(facts_of(lead, faded(record, at), rules)[1]):
        at = next_end(record, rule.limits, at)
    return at


def cool(lead: Lead, opened: HandOff | None, record: ScoreRecord, case: Case) -> Decision:
    """The lead goes back, dated `case.at`, which is what `cools_at` gives for it; `record` is its latest, and that of
    `case` the same as it has faded by then."""
    rules, at = case.rules, case.at
    known, counting = facts_of(lead, case.record, rules)
    was = facts_of(lead, faded(record, record.time), rules)[1]
    target = _furthest_still_open(lead, known, counting, rules)
    changed = because_of_playbook(record) if at == record.time else []
    step = Step(lead.stage, target, [*_reason(rules.cooling[lead.stage], was, counting, at), *changed])
    lead, stages = follow(lead, [step], at, historical=False)
    lead, changes = handoffs.retreat(lead, opened, step, case)
    return Decision(lead=lead, stages=stages, handoffs=changes)


def _is_taken(lead: Lead, opened: HandOff | None) -> bool:
    """Somebody works the lead: it is not taken from them. An offer to the next department nobody has taken yet."""
    return lead.taken if opened is None else opened.status is Status.ACCEPTED


def _is_where_recycled(lead: Lead, rules: Rules) -> bool:
    return lead.line_at is not None and lead.stage == landing(lead, rules).stage.id


def _without_score(lead: Lead, record: ScoreRecord, rules: Rules) -> Facts:
    return replace(facts_of(lead, record, rules)[1], total=NOTHING, level=0)


def _furthest_still_open(lead: Lead, known: Facts, counting: Facts, rules: Rules) -> StageRule:
    """An exclusion that holds by now; else the furthest of the stages before that the lead may stand in."""
    current, reached = rules.stages[lead.stage], {*lead.reached, lead.stage}
    if (exclusion := first_open_exclusion(reached, known, rules)) is not None:
        return exclusion
    is_held = any(criterion.holds(known) for _, criterion in rules.guards)
    open_before = [
        rule
        for rule in rules.way
        if rule.rank < current.rank and is_open(rule, reached, counting) and not (rule.stage.guarded and is_held)
    ]
    landed = landing(lead, rules)
    floor = landed if landed.rank < current.rank else rules.first
    return max([_floor(current, counting, rules), floor, *open_before], key=lambda rule: rule.rank)


def _floor(current: StageRule, counting: Facts, rules: Rules) -> StageRule:
    """The stage that this one comes after; one that it would fall out of as well is passed over."""
    floor = before(current, rules)
    while (rule := rules.cooling.get(floor.stage.id)) is not None and not rule.when.holds(counting):
        floor = before(floor, rules)
    return floor


def _reason(rule: CoolingRule, was: Facts, now: Facts, at: datetime) -> list[Leaf]:
    """What the stage has rested on and does no more: the score, the threshold and the moment."""
    pairs = zip(rule.when.leaves(was), rule.when.leaves(now), strict=True)
    unmet = [(one.met, leaf) for one, leaf in pairs if leaf.condition in _LABELS and not leaf.met]
    ended = [leaf for was_met, leaf in unmet if was_met] or [leaf for _, leaf in unmet]
    return [_told(leaf, at) for leaf in ended]


def _told(leaf: Leaf, at: datetime) -> Leaf:
    ja, en = _LABELS[leaf.condition]
    label = {"ja": ja.format(leaf.wanted), "en": en.format(leaf.wanted)}
    return Leaf(
        condition="cooled", name=leaf.condition, met=True, wanted=leaf.wanted, value=leaf.value, label=label, at=at
    )
