"""Leads that were approached too often lately (domain C7): held back before any hand-off, and let go at the moment at
which it was long enough ago, or when they answer or ask for it."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources

from services.router.lifecycle.answers import Refusal, reject
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.fading import faded
from services.router.lifecycle.missing import guarded
from services.router.lifecycle.model import Status
from services.router.lifecycle.rules import Rules
from shared.playbook import parse_playbook
from tests.lives import RULES, Life
from tests.score_records import MONDAY
from tests.unit.router.test_valve import HOUR, looked_at, now_at, qualified, team_at

DAY, MS = timedelta(days=1), timedelta(milliseconds=1)
DEFAULT = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")
GUARD = "approached_too_often"


def with_second_guard() -> Rules:
    more = "  - {id: never_twice, label: {ja: 二, en: two}, when: {often: approached, times: 2, within: 30d}}\n"
    return Rules(parse_playbook(DEFAULT.replace("\nmilestones:", f"{more}\nmilestones:"), "mine.yaml"))


def chased(life: Life | None = None) -> Life:
    """Three calls that nobody has answered, a minute between them."""
    life = life or Life().shows("contact_obtained")
    return life.shows("approached").shows("approached").shows("approached")


def test_it_is_held_back_and_it_is_said_why_and_until_when() -> None:
    life = chased()
    first = life.story.at - timedelta(minutes=2)
    life.shows("catalogue_requested")
    assert (life.lead.stage, life.lead.department, life.lead.held_by) == ("acquired", "marketing", GUARD)
    (told,) = guarded(facts_of(life.lead, life.story.last, RULES)[0], RULES)
    assert (told.guard, told.until) == (GUARD, first + 7 * DAY)
    assert told.label == {"ja": "最近の連絡が多すぎる", "en": "Approached too often lately"}


def test_two_calls_are_not_too_many() -> None:
    life = Life().shows("contact_obtained").shows("approached").shows("approached")
    assert life.shows("catalogue_requested").lead.stage == "hot"


def test_it_is_let_go_at_the_moment_at_which_it_was_long_enough_ago() -> None:
    life = chased()
    end = life.story.at - timedelta(minutes=2) + 7 * DAY
    life.shows("catalogue_requested")
    assert life.lead.cools_at == end
    life.waits_until(end - MS)
    assert life.lead.stage == "acquired"
    life.waits_until(end)
    assert (life.lead.stage, life.lead.stage_at, life.lead.held_by) == ("hot", end, None)
    assert (life.opened.status, life.opened.offered_at) == (Status.OFFERED, end)
    reason = life.decided[-1].decision.stages[-1].reason
    assert [leaf.condition for leaf in reason] == ["let_go", "signal"]
    assert reason[0].label["en"] == "No more: Approached too often lately"
    assert life.lead.cools_at is None or life.lead.cools_at > end


def test_the_next_record_notices_it_as_well_and_dates_it_the_same() -> None:
    life = chased()
    end = life.story.at - timedelta(minutes=2) + 7 * DAY
    life.shows("catalogue_requested").shows(later=20 * DAY)
    assert (life.lead.stage, life.lead.stage_at) == ("hot", end)


def test_another_call_meanwhile_keeps_it_for_longer() -> None:
    life = chased().shows("catalogue_requested").shows("approached", later=3 * DAY)
    second = life.story.at - 3 * DAY - timedelta(minutes=2)
    assert life.lead.cools_at == second + 7 * DAY


def test_what_it_is_held_by_ends_also_where_nothing_else_happens() -> None:
    life = chased().shows(total=101.0)  # over 100 is faded in an hour
    assert life.lead.held_by == GUARD
    life.waits_until(life.story.at + 8 * DAY)
    assert (life.lead.stage, life.lead.held_by, life.lead.cools_at) == ("acquired", None, None)


def test_whoever_asks_or_answers_is_not_held_back() -> None:
    assert chased().shows("contact_requested").shows("inquiry_made").lead.stage == "hot"
    assert chased().shows("responded").shows("catalogue_requested").lead.stage == "hot"
    assert chased().shows("catalogue_requested").shows("responded").lead.stage == "hot"
    assert chased(Life().shows("contact_obtained").shows("responded")).shows("inquiry_made").lead.stage == "acquired"


def test_of_two_guards_the_one_that_lasts_holds_it_afterwards() -> None:
    life = chased().shows("catalogue_requested")
    life.shows(attributes={"open_deal": True})
    assert life.lead.held_by == "open_deal"
    life.waits_until(life.story.at + 8 * DAY)
    assert (life.lead.stage, life.lead.held_by) == ("acquired", "open_deal")
    assert life.shows(attributes={"open_deal": False}, later=9 * DAY).lead.stage == "hot"


def test_two_that_end_let_go_one_after_the_other() -> None:
    life = chased(Life(rules=with_second_guard()).shows("contact_obtained")).shows("catalogue_requested")
    first = life.story.at - timedelta(minutes=3)
    life.waits_until(first + 7 * DAY)
    assert (life.lead.stage, life.lead.held_by) == ("acquired", "never_twice")
    life.waits_until(first + 30 * DAY)
    assert life.lead.stage == "acquired"
    life.waits_until(first + 31 * DAY)
    assert (life.lead.stage, life.lead.stage_at) == ("hot", first + 30 * DAY + timedelta(minutes=1))


def test_a_rejected_offer_is_not_offered_to_the_next_while_it_holds() -> None:
    life = chased(Life().shows("contact_obtained").shows("catalogue_requested"))
    assert life.opened.status is Status.OFFERED
    life.rejects("wrong_territory")
    assert (life.lead.stage, life.told[-1]) == ("recycled", ("inside-sales", "rejected"))
    life = chased(Life().shows("contact_obtained").shows("catalogue_requested"))
    life.now = life.story.at + 8 * DAY  # by then it was long enough ago
    case = life._case
    decision = reject(life.lead, life.opened, Refusal("wrong_territory", "x"), case)
    assert [change.handoff.status for change in decision.handoffs] == [Status.REJECTED, Status.OFFERED]


def test_history_that_is_imported_offers_nothing_when_it_is_let_go() -> None:
    imported = {"historical": True, "received_at": MONDAY + 100 * DAY}
    life = Life().shows("contact_obtained", **imported)
    for _ in range(3):
        life.shows("approached", **imported)
    life.shows("catalogue_requested", **imported)
    assert life.lead.stage == "acquired"
    life.waits_until(MONDAY + 100 * DAY)
    assert (life.lead.stage, life.lead.department, life.told) == ("hot", "inside-sales", [])
    assert life.lead.owned_at == MONDAY + 100 * DAY


def test_who_waits_at_a_valve_does_not_pass_it_while_held_back() -> None:
    life = qualified(team_at(95, step=1), 110.0)
    assert life.opened.status is Status.WAITING
    life.shows("approached", total=112.0).shows("approached", total=112.0).shows("approached", total=112.0)
    assert life.lead.held_by == GUARD
    now_at(life, team_at(30, step=-1)).shows(total=113.0)
    opened = looked_at(life, team_at(30, step=-1))
    assert opened is not None
    assert opened.status is Status.WAITING
    assert life.shows("responded", total=113.0).lead.held_by is None
    assert (life.opened.status, life.opened.valve) == (Status.OFFERED, "waited")


def test_before_a_valve_that_is_open_it_is_looked_at_again_when_let_go() -> None:
    life = chased(qualified(team_at(30, step=-1), 60.0)).shows(total=90.0, half_life=1000 * DAY)
    assert (life.lead.stage, life.lead.valve_stage, life.lead.held_by) == ("hot", None, None)
    end = life.story.at - timedelta(minutes=3) + 7 * DAY
    life.waits_until(end)
    assert life.lead.valve_stage == "appointment"
    opened = looked_at(life, team_at(30, step=-1), after=8 * DAY + HOUR)
    assert opened is not None
    assert (life.lead.stage, opened.status) == ("appointment", Status.OFFERED)


def test_faded_records_know_their_moment() -> None:
    life = chased()
    later = faded(life.story.last, life.story.at + 8 * DAY)
    assert guarded(facts_of(life.lead, later, RULES)[0], RULES) == []
