"""The valve between two departments: what it asks of a lead follows how much the receiving team has to do (domain D3,
N8). It moves one threshold of a stage's condition, says so in the hand-off, and never holds who asked to be contacted.

A team's valve moves by a step when somebody asks it, and it is time; whoever waits is looked at again when it moves
(`services/router/valve_keeper.py`), and with each record of the lead. So nobody waits with more than it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec.structs import replace

from services.router.lifecycle.case import Case
from services.router.lifecycle.model import HandOff, Lead, Status
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.rotation import TeamState, load_share
from services.router.lifecycle.rules import Rules, ValveRule
from services.router.lifecycle.surroundings import Surroundings
from services.router.lifecycle.teams import TeamRule
from shared.points import to_micro, to_points

_NEVER = 2**62
"""Micro-points: more than any lead has."""


class Said(StrEnum):
    """What a valve has said to a lead: it waits; it passed with less than usual, with more than usual was asked, or
    after it had waited."""

    WAITS = "waits"
    LOWERED = "lowered"
    RAISED = "raised"
    WAITED = "waited"


_WORDS = {
    Said.WAITS: (
        "保留:チームの稼働率{share}%のため、通常{normal:g}点のところ{asked:g}点超が必要",
        "Waits: over {asked:g} is asked for instead of {normal:g}, as the team is at {share} % of its capacity",
    ),
    Said.LOWERED: (
        "通常{normal:g}点のところ{asked:g}点で通過:チームの稼働率{share}%",
        "Passed at {asked:g} instead of {normal:g}: the team is at {share} % of its capacity",
    ),
    Said.RAISED: (
        "通常{normal:g}点より高い{asked:g}点で通過:チームの稼働率{share}%",
        "Passed although {asked:g} is asked for instead of {normal:g}: the team is at {share} % of its capacity",
    ),
    Said.WAITED: (
        "待機後に{asked:g}点で通過:チームの稼働率{share}%",
        "Passed at {asked:g} after it had waited: the team is at {share} % of its capacity",
    ),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the valve says, also as part of a reason, and for how long it holds at most."""

    said: Said
    leaf: Leaf
    longest_wait: timedelta


def turned(rule: ValveRule, team: TeamRule, state: TeamState, now: datetime) -> TeamState:
    """The team's state after its valve has moved, if its load asks for that and the last move is long enough ago. Above
    the normal threshold it goes at once: a team that is full does not wait for the hour."""
    share = load_share(team, state)
    if share is None:
        return state
    lowest, highest = rule.valve.steps
    step = min(max(state.valve_step, lowest), highest)
    if share >= rule.high and step <= 0 < highest:
        return replace(state, valve_step=1, valve_at=now)
    if state.valve_at is not None and now - state.valve_at < rule.valve.every:
        return state
    if share >= rule.high:
        step = min(step + 1, highest)
    elif share <= rule.low:
        step = max(step - 1, lowest)
    return state if step == state.valve_step else replace(state, valve_step=step, valve_at=now)


def ask(lead: Lead, receiver: str, stage: str, team: TeamRule, case: Case) -> Verdict | None:
    """What the team's valve says to a lead that is to be offered to it for the first time; None: nothing."""
    rule = case.rules.valves.get((lead.department or "", receiver, stage))
    if rule is None or team.capacity is None:
        return None
    state = _asked_now(rule, team, lead.lead_id, case)
    return _verdict(rule, team, state, case) if _rests_on_total(rule, case) else None


def ask_again(waiting: HandOff, case: Case, *, in_turn: bool) -> Verdict | None:
    """What it says to a hand-off that waits; None: there is nothing any more to wait for. `in_turn`: others are to be
    looked at after it, so that it passes only while there is room; if there is none, the valve is closed a step, so
    that nobody overtakes it."""
    rule = case.rules.valves.get((waiting.giver, waiting.receiver, waiting.stage))
    team = case.rules.teams.get((waiting.receiver, waiting.team))
    if rule is None or team is None or team.capacity is None or not _rests_on_total(rule, case):
        return None
    state = _asked_now(rule, team, waiting.lead_id, case)
    while not _waits(rule, state, case):
        if not in_turn or has_room(rule, team, state) or state.valve_step >= rule.valve.steps[1]:
            return _said(Said.WAITED, rule, team, state, case)
        state = replace(state, valve_step=state.valve_step + 1, valve_at=case.now)
        case.surroundings.take_turn(team, state, waiting.lead_id)
    return _said(Said.WAITS, rule, team, state, case)


def opening(rule: ValveRule, team: TeamRule, lead_id: str, case: Case) -> float | None:
    """The threshold that the team's valve asks for, if that is less than usual and the team has room."""
    if team.capacity is None:
        return None
    state = _asked_now(rule, team, lead_id, case)
    asked = rule.valve.threshold(state.valve_step)
    return asked if asked < rule.valve.normal and has_room(rule, team, state) else None


def has_room(rule: ValveRule, team: TeamRule, state: TeamState) -> bool:
    """Whether those who wait, or are to come early, may be passed on to the team."""
    share = load_share(team, state)
    return share is None or share < rule.high


def may_come_early(lead: Lead, opened: HandOff | None, rules: Rules) -> bool:
    """Whether a lead may pass a valve before its total is what is usual: it is the giver's, and on its way to
    nobody."""
    return (
        lead.valve_over is None
        and lead.attached_to is None
        and lead.merged_into is None
        and (opened is None or opened.status is Status.ACCEPTED)
        and lead.department in rules.valves_from
    )


def _asked_now(rule: ValveRule, team: TeamRule, lead_id: str, case: Case) -> TeamState:
    around: Surroundings = case.surroundings
    before = around.team(team, lead_id)
    state = turned(rule, team, before, case.now)
    if state is not before:
        around.take_turn(team, state, lead_id)
    return state


def _rests_on_total(rule: ValveRule, case: Case) -> bool:
    """Whether the lead is there for nothing but its total, and has not asked to be contacted."""
    if rule.never_holds is not None and rule.never_holds.holds(case.facts):
        return False
    when = case.rules.stages[rule.valve.stage].when
    return when is None or not when.holds(replace(case.facts, valve=(rule.valve.stage, _NEVER)))


def _verdict(rule: ValveRule, team: TeamRule, state: TeamState, case: Case) -> Verdict | None:
    asked = rule.valve.threshold(state.valve_step)
    if _waits(rule, state, case):
        said = Said.WAITS
    elif case.facts.total <= to_micro(rule.valve.normal):
        said = Said.LOWERED
    elif asked > rule.valve.normal:
        said = Said.RAISED
    else:
        return None
    return _said(said, rule, team, state, case)


def _waits(rule: ValveRule, state: TeamState, case: Case) -> bool:
    return case.facts.total <= to_micro(rule.valve.threshold(state.valve_step))


def _said(said: Said, rule: ValveRule, team: TeamRule, state: TeamState, case: Case) -> Verdict:
    asked, share = rule.valve.threshold(state.valve_step), load_share(team, state) or 0
    told = {"asked": asked, "normal": rule.valve.normal, "share": round(100 * share)}
    ja, en = _WORDS[said]
    leaf = Leaf(
        condition="valve",
        name=team.id,
        met=said is not Said.WAITS,
        wanted=asked,
        value=max(0.0, to_points(case.facts.total)),
        label={"ja": ja.format(**told), "en": en.format(**told)},
    )
    return Verdict(said, leaf, rule.valve.longest_wait)
