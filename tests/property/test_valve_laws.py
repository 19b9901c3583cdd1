"""Laws of the valve: any load over time, any leads before it."""

from __future__ import annotations

import math
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.router.lifecycle.rotation import TeamState
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.valves import has_room, turned
from shared.playbook import load_playbook
from tests.score_records import MONDAY

RULES = Rules(load_playbook())
RULE = RULES.valves["inside-sales", "field-sales", "appointment"]
TEAM = RULES.teams["field-sales", "hq-corporate"]
CAPACITY = TEAM.capacity or 0
LOWEST, HIGHEST = RULE.valve.steps

minutes = st.integers(0, 600).map(lambda n: timedelta(minutes=n))
loads = st.integers(0, 2 * CAPACITY)
states = st.builds(
    TeamState,
    department=st.just("field-sales"),
    team=st.just("hq-corporate"),
    load=loads,
    valve_step=st.integers(LOWEST - 2, HIGHEST + 2),
    valve_at=st.none() | minutes.map(lambda span: MONDAY - span),
)


@given(states, st.lists(minutes, max_size=30))
def test_at_a_constant_load_it_moves_one_way_only(state: TeamState, waits: list[timedelta]) -> None:
    now, steps = MONDAY, []
    for wait in waits:
        now += wait
        state = turned(RULE, TEAM, state, now)
        steps.append(RULE.valve.threshold(state.valve_step))
    assert steps in (sorted(steps), sorted(steps, reverse=True))


@given(states, minutes)
def test_the_busier_a_team_is_the_more_it_asks_for(state: TeamState, wait: timedelta) -> None:
    busier = replace(state, load=state.load + 1)
    now = MONDAY + wait
    asked = [RULE.valve.threshold(turned(RULE, TEAM, one, now).valve_step) for one in (state, busier)]
    assert asked == sorted(asked)


@given(states, minutes)
def test_a_full_team_always_asks_for_more_than_usual(state: TeamState, wait: timedelta) -> None:
    after = turned(RULE, TEAM, state, MONDAY + wait)
    if not has_room(RULE, TEAM, state):
        assert RULE.valve.threshold(after.valve_step) > RULE.valve.normal


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=5, max_size=60))
def test_whatever_comes_the_team_is_hardly_pushed_over_its_mark(days: list[tuple[int, int]]) -> None:
    """Leads with 101 to 150 points, one a minute, worked off at any pace: at the mark only those over 120 pass, and an
    hour later nobody."""
    state, now = TeamState(department="field-sales", team="hq-corporate"), MONDAY
    for coming, done in days:
        state = replace(state, load=max(0, state.load - done))
        now += timedelta(days=1)
        for number in range(coming):
            state = turned(RULE, TEAM, state, now)
            if 101 + (number * 7) % 50 > RULE.valve.threshold(state.valve_step):
                state = replace(state, load=state.load + 1)
            now += timedelta(minutes=1)
        assert state.load <= math.ceil(RULE.high * CAPACITY) + 60
