"""Laws of the rotation: shares follow the weights, and whoever cannot take a hand-off never gets one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import combinations
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.router.lifecycle.deadlines import WorkCalendar
from services.router.lifecycle.rotation import Absence, Choice, PersonState, TeamState, Why, choose
from services.router.lifecycle.teams import PersonRule, TeamRule
from shared.playbook.staffing import Hours

NOW = datetime(2026, 11, 16, 3, 0, tzinfo=UTC)
"""Monday, noon in Tokyo."""
DAY = WorkCalendar(Hours(), ZoneInfo("Asia/Tokyo"))
CALENDARS = [
    DAY,
    WorkCalendar(Hours(end="12:30"), ZoneInfo("Asia/Tokyo")),
    WorkCalendar(Hours(days=("sat", "sun"), start="13:00"), ZoneInfo("Asia/Tokyo")),
]
PEOPLE = "abcde"
EMPTY = TeamState(department="field-sales", team="osaka")
weights = st.lists(st.integers(1, 16), min_size=1, max_size=5)


def team(members: list[PersonRule]) -> TeamRule:
    return TeamRule("field-sales", "osaka", tuple(members), None, DAY, None)


def of_weights(given_weights: list[int]) -> TeamRule:
    return team([PersonRule(id, weight, None, DAY) for id, weight in zip(PEOPLE, given_weights, strict=False)])


def run(rule: TeamRule, count: int, state: TeamState = EMPTY) -> tuple[Counter[str | None], TeamState]:
    got: Counter[str | None] = Counter()
    for _ in range(count):
        choice = choose(rule, state, NOW)
        got[choice.person] += 1
        state = choice.state
    return got, state


def assert_fair(rule: TeamRule, got: Counter[str | None], among: set[str] | None = None) -> None:
    """The bound of start-time fair queueing, of any two: not more than one turn of each apart."""
    members = [person for person in rule.people if among is None or person.id in among]
    for one, other in combinations(members, 2):
        apart = abs(Fraction(got[one.id], one.weight) - Fraction(got[other.id], other.weight))
        assert apart <= Fraction(1, one.weight) + Fraction(1, other.weight)


@given(weights, st.integers(0, 150), st.integers(0, 150))
def test_shares_follow_the_weights_over_any_stretch(given_weights: list[int], before: int, count: int) -> None:
    rule = of_weights(given_weights)
    _, state = run(rule, before)
    got, after = run(rule, count, state)
    assert_fair(rule, got)
    assert sum(got.values()) == count == after.load - state.load


@given(weights.filter(lambda given: len(given) > 1), st.integers(0, 60), st.integers(1, 120), st.integers(1, 100))
def test_whoever_was_away_gets_nothing_then_and_a_fair_share_afterwards(
    given_weights: list[int], before: int, meanwhile: int, count: int
) -> None:
    rule = of_weights(given_weights)
    _, state = run(rule, before)
    away: dict[str, tuple[Absence, ...]] = {"a": ((NOW, NOW + timedelta(hours=1)),)}
    got, state = run(rule, meanwhile, replace(state, absences=away))
    assert got["a"] == 0
    assert_fair(rule, got, among=set(PEOPLE) - {"a"})
    got, _ = run(rule, count, replace(state, absences={}))
    assert_fair(rule, got)


@st.composite
def situations(draw: st.DrawFn) -> tuple[TeamRule, TeamState, frozenset[str]]:
    """Teams with hours, maxima, absences and refusals of any kind."""
    ids = PEOPLE[: draw(st.integers(0, 5))]
    members = [
        PersonRule(
            id,
            draw(st.integers(0, 16)),
            draw(st.one_of(st.none(), st.integers(1, 3))),
            draw(st.sampled_from(CALENDARS)),
        )
        for id in ids
    ]
    hours = st.integers(-200, 200).map(lambda number: NOW + timedelta(hours=number))
    absence = st.tuples(hours, hours).map(lambda pair: (min(pair), max(pair)))
    state = replace(
        EMPTY,
        virtual=draw(st.integers(0, 10**6)),
        people={
            id: PersonState(finish=draw(st.integers(0, 2 * 10**6)), load=draw(st.integers(0, 3)))
            for id in draw(st.sets(st.sampled_from(PEOPLE + "z")))
        },
        absences={
            id: tuple(draw(st.lists(absence, max_size=2))) for id in draw(st.sets(st.sampled_from(PEOPLE + "z")))
        },
        load=draw(st.integers(0, 20)),
    )
    return team(members), state, frozenset(draw(st.sets(st.sampled_from(PEOPLE + "z"), max_size=3)))


moments = st.integers(0, 14 * 24 * 4).map(lambda quarters: NOW + timedelta(minutes=15 * quarters))


def fits(person: PersonRule, state: TeamState, now: datetime, excluded: frozenset[str]) -> bool:
    """Said again, from the rule in words."""
    begins = now if person.calendar.is_working(now) else person.calendar.next_work(now)
    is_away = any(start <= begins < end for start, end in state.absences.get(person.id, ()))
    is_full = person.max_load is not None and state.people.get(person.id, PersonState()).load >= person.max_load
    return not is_away and not is_full and person.id not in excluded


@given(situations(), moments, st.one_of(st.none(), st.sampled_from(PEOPLE)))
def test_somebody_gets_it_exactly_when_somebody_fits(
    situation: tuple[TeamRule, TeamState, frozenset[str]], now: datetime, preferred: str | None
) -> None:
    rule, state, excluded = situation
    choice = choose(rule, state, now, excluded, preferred)
    fitting = {person.id: person for person in rule.people if fits(person, state, now, excluded)}
    in_rotation = {id for id, person in fitting.items() if person.weight}
    if preferred in fitting:
        assert (choice.person, choice.why) == (preferred, Why.PREFERRED)
    elif in_rotation:
        assert choice.person in in_rotation
        assert choice.why is Why.ROTATION
        at_work = {id for id in in_rotation if fitting[id].calendar.is_working(now)}
        assert not at_work or choice.person in at_work
    else:
        assert choice.person is None
    assert choice.counts_from == rule.calendar_of(choice.person).next_work(now)
    assert_counted(choice, state)


def assert_counted(choice: Choice, before: TeamState) -> None:
    """One more hand-off, of the team and of whoever has it; nobody else's turn is touched."""
    after = choice.state
    assert after.load == before.load + 1
    assert after.virtual >= before.virtual
    changed = {id for id in after.people if after.people[id] != before.people.get(id)}
    assert changed == ({choice.person} if choice.person is not None else set())
    if choice.person is not None:
        had = before.people.get(choice.person, PersonState())
        assert after.people[choice.person].load == had.load + 1


@given(situations(), moments)
def test_the_same_situation_has_the_same_answer(
    situation: tuple[TeamRule, TeamState, frozenset[str]], now: datetime
) -> None:
    rule, state, excluded = situation
    shuffled = replace(state, people=dict(reversed(state.people.items())))
    assert choose(rule, state, now, excluded).person == choose(rule, shuffled, now, excluded).person


@given(situations(), st.lists(moments, max_size=40))
def test_nobody_ever_has_more_than_the_maximum(
    situation: tuple[TeamRule, TeamState, frozenset[str]], times: list[datetime]
) -> None:
    rule, state, excluded = situation
    state = replace(state, people={})
    for now in sorted(times):
        state = choose(rule, state, now, excluded).state
        for person in rule.people:
            load = state.people.get(person.id, PersonState()).load
            assert person.max_load is None or load <= person.max_load
            assert load == 0 or person.id not in excluded
