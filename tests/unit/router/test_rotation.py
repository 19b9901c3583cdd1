"""Who of a team gets a hand-off. Of Osaka branch sato has weight 2, tanaka works until 16:00 from Monday to Wednesday,
and kato only has what others escalate. The dates are of 2026, in Tokyo; Tuesday 17 November is closed."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from services.router.lifecycle.rotation import PersonState, TeamState, Why, choose, load_share, taken, team_is_full
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.teams import Escalation
from shared.playbook.values import WorkingTime
from tests.staffed import staffed

TOKYO = ZoneInfo("Asia/Tokyo")
TEAMS = Rules(staffed()).teams
OSAKA, ENTERPRISE, HQ = (TEAMS["field-sales", team] for team in ("osaka-branch", "enterprise", "hq-corporate"))
EMPTY = TeamState(department="field-sales", team="osaka-branch")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=TOKYO)


MONDAY = at("11-16 11:00")
AWAY = ((at("11-01 00:00"), at("11-30 00:00")),)


def assigned(count: int, now: datetime = MONDAY, state: TeamState = EMPTY) -> tuple[list[str | None], TeamState]:
    people = []
    for _ in range(count):
        choice = choose(OSAKA, state, now)
        people.append(choice.person)
        state = choice.state
    return people, state


def test_twice_the_weight_is_twice_as_many() -> None:
    people, state = assigned(8)
    assert [sorted(map(str, people[:4])), sorted(map(str, people[4:]))] == [["sato", "sato", "suzuki", "tanaka"]] * 2
    assert (state.load, state.people["sato"].load, state.people["tanaka"].load) == (8, 4, 2)


def test_whoever_does_not_work_now_gets_nothing_while_somebody_does() -> None:
    people, _ = assigned(6, at("11-16 16:30"))
    assert set(people) == {"sato", "suzuki"}


def test_whoever_works_less_does_not_catch_up_in_the_hours_that_are_left() -> None:
    _, state = assigned(6, at("11-16 16:30"))
    people, _ = assigned(4, at("11-18 11:00"), state)
    assert people[0] == "tanaka"
    assert ("tanaka", "tanaka") not in pairwise(people)


@pytest.mark.parametrize(
    ("now", "begins"),
    [("11-16 20:00", "11-18 10:00"), ("11-18 09:59", "11-18 10:00"), ("11-20 18:00", "11-24 10:00")],
)
def test_at_night_the_deadline_counts_from_when_the_person_begins(now: str, begins: str) -> None:
    choice = choose(OSAKA, EMPTY, at(now))
    assert (choice.person, choice.counts_from) == ("sato", at(begins))
    due = OSAKA.deadline(choice.person, at(now), WorkingTime(hours=1))
    assert due == at(begins).replace(hour=11)


def test_a_person_s_deadline_is_in_the_person_s_hours() -> None:
    """Wednesday is tanaka's last day of the week, and Monday 23 is Labour Thanksgiving Day."""
    wednesday = at("11-18 15:30")
    assert OSAKA.deadline("tanaka", wednesday, WorkingTime(hours=1)) == at("11-24 10:30")
    assert OSAKA.deadline(None, wednesday, WorkingTime(hours=1)) == at("11-18 16:30")


def test_at_night_those_who_begin_first_are_chosen_and_the_others_have_more_later() -> None:
    friday_night, tuesday = at("11-18 20:00"), at("11-24 11:00")
    night, state = assigned(3, friday_night)
    assert set(night) == {"sato", "suzuki"}
    assert choose(OSAKA, state, tuesday).person == "tanaka"


def test_an_absence_that_covers_the_moment_of_beginning_counts() -> None:
    """sato is away on Wednesday until noon: also what comes on Monday night goes to others."""
    away = replace(EMPTY, absences={"sato": ((at("11-18 00:00"), at("11-18 12:00")),)})
    assert choose(OSAKA, away, at("11-16 20:00")).person == "suzuki"
    assert choose(OSAKA, away, at("11-18 12:00")).person == "sato"
    assert choose(OSAKA, away, MONDAY).person == "sato"


def test_whoever_is_back_begins_where_the_others_are() -> None:
    _, state = assigned(6, state=replace(EMPTY, absences={"tanaka": AWAY}))
    people, _ = assigned(4, state=replace(state, absences={}))
    assert people[0] == "tanaka"
    assert ("tanaka", "tanaka") not in pairwise(people)


def test_whoever_refused_does_not_get_it_again_and_does_not_lose_a_turn() -> None:
    _, state = assigned(3)
    for _ in range(2):  # whose turn it is, with sato in the middle of the others' turns
        choice = choose(OSAKA, state, MONDAY, excluded=frozenset({"sato"}))
        assert choice.person in {"suzuki", "tanaka"}
        state = choice.state
    assert assigned(3, state=state)[0] == ["sato", "sato", "sato"]


def test_the_owner_of_the_company_comes_first_and_it_counts_as_a_turn() -> None:
    choice = choose(OSAKA, EMPTY, at("11-19 11:00"), preferred="tanaka")
    assert (choice.person, choice.why, choice.counts_from) == ("tanaka", Why.PREFERRED, at("11-24 10:00"))
    people, _ = assigned(3, MONDAY, choice.state)
    assert people == ["sato", "suzuki", "sato"]
    assert choose(OSAKA, EMPTY, MONDAY, preferred="kato").person == "kato"


@pytest.mark.parametrize(
    ("state", "excluded"),
    [
        (EMPTY, {"tanaka"}),
        (replace(EMPTY, absences={"tanaka": AWAY}), set()),
        (replace(EMPTY, people={"tanaka": PersonState(load=3)}), set()),
    ],
)
def test_an_owner_of_the_company_who_cannot_take_it_leaves_it_to_the_team(state: TeamState, excluded: set[str]) -> None:
    choice = choose(OSAKA, state, MONDAY, frozenset(excluded), preferred="tanaka")
    assert (choice.person, choice.why) == ("sato", Why.ROTATION)


FULL = {"sato": PersonState(load=6), "suzuki": PersonState(load=3), "tanaka": PersonState(load=4)}


@pytest.mark.parametrize(
    ("state", "excluded", "why"),
    [
        (EMPTY, {"sato", "suzuki", "tanaka"}, Why.ALL_EXCLUDED),
        (replace(EMPTY, absences={"sato": AWAY, "suzuki": AWAY}), {"tanaka"}, Why.ALL_ABSENT),
        (replace(EMPTY, people=FULL), set(), Why.ALL_AT_MAX_LOAD),
        (replace(EMPTY, people=FULL, absences={"tanaka": AWAY}), {"suzuki"}, Why.ALL_AT_MAX_LOAD),
    ],
)
def test_if_nobody_fits_it_is_the_queue_s_and_said_why(state: TeamState, excluded: set[str], why: Why) -> None:
    choice = choose(OSAKA, state, at("11-16 20:00"), frozenset(excluded))
    assert (choice.person, choice.why, choice.counts_from) == (None, why, at("11-18 10:00"))
    assert choice.state == replace(state, load=state.load + 1)


def test_a_team_without_people_has_a_queue_only() -> None:
    choice = choose(HQ, EMPTY, MONDAY)
    assert (choice.person, choice.why, choice.counts_from) == (None, Why.NO_PEOPLE, MONDAY)


def test_what_somebody_takes_from_the_queue_counts_as_a_turn() -> None:
    queued = replace(EMPTY, load=1)
    sato = OSAKA.person("sato")
    assert sato is not None
    state = taken(sato, queued)
    assert (state.load, state.people["sato"].load) == (1, 1)
    assert choose(OSAKA, state, MONDAY).person == "suzuki"


def test_capacity_is_what_the_people_take_together_or_what_is_written() -> None:
    assert (OSAKA.capacity, ENTERPRISE.capacity, HQ.capacity) == (12, 5, None)
    assert load_share(OSAKA, replace(EMPTY, load=9)) == Fraction(3, 4)
    assert load_share(HQ, replace(EMPTY, load=9)) is None
    assert [team_is_full(OSAKA, replace(EMPTY, load=load)) for load in (11, 12, 13)] == [False, True, True]
    assert not team_is_full(HQ, replace(EMPTY, load=1000))


def test_a_team_escalates_to_its_own_person_or_else_as_the_department_says() -> None:
    assert OSAKA.escalate_to == Escalation("osaka-branch", "kato")
    assert ENTERPRISE.escalate_to == Escalation("hq-corporate")
    assert HQ.escalate_to is None
