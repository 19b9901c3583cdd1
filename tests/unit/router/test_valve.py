"""The valve between inside sales and field sales, as the default playbook has it: 100 points, a team for 150 leads."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.router.lifecycle.answers import accept
from services.router.lifecycle.model import HandOff, NotPossible, Status
from services.router.lifecycle.passing import look_again
from services.router.lifecycle.rotation import TeamState
from services.router.lifecycle.surroundings import Colleagues, TeamKey
from services.router.lifecycle.valves import turned
from tests.lives import RULES, Life
from tests.score_records import MONDAY

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HQ: TeamKey = ("field-sales", "hq-corporate")
RULE = RULES.valves["inside-sales", "field-sales", "appointment"]
TEAM = RULES.teams[HQ]


def team_at(percent: int, step: int = 0, at: datetime | None = MONDAY + 1000 * DAY) -> TeamState:
    """Its valve does not move by itself, unless `at` is None."""
    assert TEAM.capacity is not None
    return TeamState(department=HQ[0], team=HQ[1], load=TEAM.capacity * percent // 100, valve_step=step, valve_at=at)


def worked(team: TeamState) -> Life:
    """A lead that somebody of inside sales works, in the surroundings of a team of field sales."""
    life = Life().shows("contact_obtained").shows("catalogue_requested").accepts("佐藤")
    life.known.around.companies["l"] = Colleagues()
    return now_at(life, team)


def now_at(life: Life, team: TeamState) -> Life:
    life.known.around.turned.clear()
    life.known.around.wanted.clear()
    life.known.around.loaded[HQ] = team
    return life


def qualified(team: TeamState, total: float) -> Life:
    """It is an MQL with so many points."""
    return worked(team).shows("bant_needs", total=total).shows("bant_authority", total=total)


def looked_at(life: Life, team: TeamState, after: timedelta = HOUR) -> HandOff | None:
    now_at(life, team)
    record = life.known.scores["l"].record
    opened = life.known.opened.get("l")
    life.answered(look_again(life.lead, opened, record, RULES, record.time + after, life.known.around))
    return life.known.opened.get("l")


def test_at_its_normal_threshold_it_says_nothing() -> None:
    life = qualified(team_at(70), 101.0)
    assert (life.lead.stage, life.opened.status, life.opened.valve) == ("appointment", Status.OFFERED, None)
    assert qualified(team_at(70), 100.0).lead.stage == "hot"


def test_a_busy_team_gets_only_the_most_certain_leads_and_the_others_wait() -> None:
    life = qualified(team_at(95, step=1), 110.0)
    assert (life.lead.stage, life.lead.department, life.lead.person) == ("appointment", "inside-sales", "佐藤")
    assert (life.opened.status, life.opened.valve, life.opened.points) == (Status.WAITING, "waits", 110.0)
    reason = life.decided[-1].decision.handoffs[-1].reason[0]
    assert reason.label["en"] == "Waits: over 120 is asked for instead of 100, as the team is at 95 % of its capacity"
    certain = qualified(team_at(95, step=1), 121.0).opened
    assert (certain.status, certain.valve) == (Status.OFFERED, "raised")


def test_an_idle_team_gets_leads_earlier_and_they_do_not_cool_at_once() -> None:
    life = qualified(team_at(30, step=-1), 90.0)
    assert (life.lead.stage, life.opened.status, life.opened.valve) == ("appointment", Status.OFFERED, "lowered")
    reason = life.decided[-1].decision.handoffs[-1].reason[0]
    assert reason.label["en"] == "Passed at 85 instead of 100: the team is at 30 % of its capacity"
    assert reason.label["ja"] == "通常100点のところ85点で通過:チームの稼働率30%"
    assert life.shows(total=86.0).lead.stage == "appointment"
    assert life.shows(total=85.0).lead.stage == "hot"
    assert (life.lead.valve_stage, life.lead.valve_over) == (None, None)


@pytest.mark.parametrize("signal", ["contact_requested", "appointment_made"])
def test_who_asked_to_be_contacted_never_waits(signal: str) -> None:
    life = worked(team_at(200, step=2)).shows(signal).shows("bant_needs").shows("bant_authority", total=101.0)
    assert (life.lead.stage, life.opened.status) == ("appointment", Status.OFFERED)


def test_who_asks_while_waiting_waits_no_longer() -> None:
    life = qualified(team_at(95, step=1), 110.0)
    assert life.shows("contact_requested", total=110.0).opened.status is Status.OFFERED


def test_who_waits_passes_as_soon_as_there_are_points_enough_by_the_same_hand_off() -> None:
    life = qualified(team_at(95, step=1), 110.0)
    waiting = life.opened
    assert life.shows(total=120.0).opened.status is Status.WAITING
    offered = life.shows(total=121.0).opened
    assert (offered.handoff_id, offered.status, offered.valve) == (waiting.handoff_id, Status.OFFERED, "waited")
    assert offered.respond_by is not None
    assert waiting.respond_by == waiting.offered_at + timedelta(days=30)


def test_when_the_threshold_sinks_those_who_wait_pass_while_there_is_room() -> None:
    life = qualified(team_at(95, step=1), 110.0)
    assert looked_at(life, team_at(95, step=1)) == life.opened
    assert life.opened.status is Status.WAITING
    full = looked_at(life, team_at(95))
    assert full is not None
    assert full.status is Status.WAITING
    assert life.known.around.turned[HQ].valve_step == 1, "or the next lead with 110 points would overtake it"
    passed = looked_at(life, team_at(60))
    assert passed is not None
    assert (passed.status, life.lead.department) == (Status.OFFERED, "inside-sales")


def test_whoever_stands_before_a_valve_that_opens_further_comes_early_by_the_score_of_that_moment() -> None:
    life = qualified(team_at(70), 90.0)
    assert (life.lead.stage, life.lead.valve_stage, life.lead.valve_over) == ("hot", "appointment", None)
    looked_at(life, team_at(30, step=-1), after=20 * DAY)  # 57 points by then
    assert (life.lead.stage, life.lead.valve_stage) == ("hot", None)
    life = qualified(team_at(70), 90.0)
    looked_at(life, team_at(30, step=-1))
    assert (life.lead.stage, life.opened.status, life.lead.valve_over) == ("appointment", Status.OFFERED, 85.0)


def test_a_full_team_gets_nobody_early() -> None:
    life = qualified(team_at(90, step=-1), 90.0)
    assert (life.lead.stage, life.lead.valve_stage) == ("hot", "appointment")


def test_who_has_waited_for_longest_goes_back_as_what_nobody_has_taken() -> None:
    life = qualified(team_at(95, step=1), 110.0)
    until = life.opened.respond_by
    assert until is not None
    assert life.lead.due_at == until
    life.is_due_until(until)
    assert (life.lead.stage, life.lead.department, life.lead.recycling) == ("recycled", "marketing", "returned")
    assert life.told[-1] == ("field-sales", "returned")


def test_who_waits_may_cool() -> None:
    life = qualified(team_at(95, step=1), 110.0)
    life.waits_until(life.story.at + 10 * DAY)
    assert (life.lead.stage, life.told[-1]) == ("hot", ("field-sales", "withdrawn"))


def test_nobody_accepts_what_waits() -> None:
    life = qualified(team_at(95, step=1), 110.0)
    with pytest.raises(NotPossible, match="is waiting, not offered"):
        accept(life.lead, life.opened, "鈴木", "tool", life.story.case(life.lead, RULES))


def test_history_waits_for_nobody_and_comes_no_earlier() -> None:
    life = Life().shows("contact_obtained", historical=True).shows("catalogue_requested", historical=True)
    life.shows("bant_needs", historical=True).shows("bant_authority", total=90.0, historical=True)
    assert (life.lead.stage, life.told) == ("hot", [])
    assert life.shows(total=101.0, historical=True).lead.department == "field-sales"


def test_it_moves_by_one_step_an_hour_and_not_between_its_marks() -> None:
    state = team_at(95, at=None)
    up = turned(RULE, TEAM, state, MONDAY)
    assert (up.valve_step, up.valve_at) == (1, MONDAY)
    assert turned(RULE, TEAM, up, MONDAY + HOUR / 2) is up
    assert turned(RULE, TEAM, up, MONDAY + HOUR).valve_step == 2
    full = team_at(95, step=-1, at=MONDAY)
    assert turned(RULE, TEAM, full, MONDAY).valve_step == 1, "a full team does not wait for the hour"
    between = team_at(60, step=2, at=None)
    assert turned(RULE, TEAM, between, MONDAY) is between
    assert turned(RULE, TEAM, team_at(50, step=2, at=None), MONDAY).valve_step == 1
    lowest = team_at(0, step=-2, at=None)
    assert turned(RULE, TEAM, lowest, MONDAY) is lowest


def test_after_the_playbook_has_fewer_thresholds_it_stands_at_the_last() -> None:
    assert RULE.valve.threshold(7) == 150
    assert RULE.valve.threshold(-7) == 70
    assert turned(RULE, TEAM, team_at(95, step=7, at=None), MONDAY).valve_step == 2
