"""Leads that cool: when, to where, and what becomes of their hand-offs (domain N5)."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources
from typing import Any

import msgspec
import pytest
import yaml

from services.router.lifecycle.answers import Refusal, accept, complete, reject
from services.router.lifecycle.model import Lead
from services.router.lifecycle.rules import Rules
from shared.playbook.loader import parse_playbook
from shared.scores import PLAYBOOK_CHANGED, ScoreRecord, Trigger
from tests.lives import RULES, Life
from tests.score_records import MONDAY, Story

HALF_LIFE = timedelta(days=30)


def hot_by_score(**given: Any) -> Life:
    """Of 200 points, so that half a life later there are 100."""
    return Life().shows("contact_obtained").shows(total=200.0, **given)


def test_it_cools_at_the_very_moment_and_its_offer_is_withdrawn() -> None:
    life = hot_by_score()
    moment = life.story.at + HALF_LIFE
    # "Over 100" ends when the exact number, in whole micro-points, is 100: so long before the half-life is over.
    assert life.lead.cools_at is not None
    assert timedelta(0) <= moment - life.lead.cools_at < timedelta(milliseconds=100)
    moment = life.lead.cools_at
    life.waits_until(moment - timedelta(milliseconds=1))
    assert (life.way, life.told) == (["acquired", "hot"], [("inside-sales", "offered")])
    life.waits_until(moment)
    assert (life.way[-1], life.told[-1]) == ("acquired", ("inside-sales", "withdrawn"))
    assert (life.lead.department, life.lead.cools_at, life.known.opened) == ("marketing", None, {})
    decision = life.decided[-1].decision
    assert [change.at for change in (*decision.stages, *decision.handoffs)] == [moment, moment]
    (reason,) = decision.handoffs[0].reason
    assert (reason.condition, reason.name, reason.wanted, reason.at) == ("cooled", "total_over", 100, moment)
    assert reason.value == pytest.approx(100.0, abs=1e-6)
    assert reason.value <= 100.0
    assert "100" in reason.label["ja"]
    assert "100" in reason.label["en"]
    assert decision.stages[0].reason == decision.handoffs[0].reason


def test_the_next_record_finds_it_cooled_at_the_same_moment() -> None:
    by_timer, by_record = hot_by_score(), hot_by_score()
    moment = by_timer.lead.cools_at
    assert moment is not None
    by_timer.waits_until(moment + timedelta(days=1))
    for life in (by_timer, by_record):
        life.shows("mail_clicked", later=timedelta(days=40))
    assert by_timer.decided == by_record.decided
    assert by_record.way == ["acquired", "hot", "acquired", "nurturing"]


def test_heated_up_again_it_is_handed_off_again() -> None:
    life = hot_by_score().waits_until(MONDAY + timedelta(days=60))
    life.shows(total=150.0, later=timedelta(days=61))
    assert life.way[-2:] == ["acquired", "hot"]
    assert life.told == [("inside-sales", "offered"), ("inside-sales", "withdrawn"), ("inside-sales", "offered")]
    ids = [change.handoff.handoff_id for item in life.decided for change in item.decision.handoffs]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("clicked", "stage"), [(None, "acquired"), ("mail_clicked", "nurturing"), ("retired", "excluded")]
)
def test_it_goes_back_to_the_furthest_stage_that_it_may_stand_in(clicked: str | None, stage: str) -> None:
    life = Life().shows("contact_obtained", level=4)
    if clicked:
        life.shows(clicked, level=4)  # from an appointment nobody is excluded; from earlier stages one is
    assert life.lead.stage == "appointment"
    assert life.lead.cools_at == life.story.at + timedelta(days=90)
    life.waits_until(life.story.at + timedelta(days=90))
    assert (life.lead.stage, life.lead.department, life.told[-1][1]) == (stage, "marketing", "withdrawn")
    (reason,) = life.decided[-1].decision.stages[0].reason
    assert (reason.name, reason.wanted, reason.value) == ("level_at_least", 4, 0)


def test_from_an_appointment_it_may_still_be_hot_and_goes_to_inside_sales() -> None:
    life = Life().shows("contact_obtained", level=4, total=1000.0).waits_until(MONDAY + timedelta(days=91))
    assert life.way == ["acquired", "hot", "appointment", "hot"]
    assert life.told == [("field-sales", "offered"), ("field-sales", "withdrawn"), ("inside-sales", "offered")]
    assert life.lead.cools_at is not None  # 1,000 points are 100 after a hundred days
    life.waits_until(MONDAY + timedelta(days=100))
    assert (life.lead.stage, life.told[-1]) == ("acquired", ("inside-sales", "withdrawn"))


@pytest.mark.parametrize(
    "given",
    [{"signal": "inquiry_made", "total": 200.0}, {"signal": "deal_registered", "level": 4}, {"signal": "deal_won"}],
)
def test_what_never_ends_does_not_cool(given: dict[str, Any]) -> None:
    assert Life().shows("contact_obtained").shows(**given).lead.cools_at is None


def test_points_that_do_not_fade_keep_it_warm() -> None:
    story = Story("l")
    record = story.record("contact_obtained", total=200.0)
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    life = Life().hears(ScoreRecord(**fields | {"attribute": 120.0, "behaviour": 80.0}))
    assert (life.lead.stage, life.lead.cools_at) == ("hot", None)


def test_an_accepted_handoff_is_not_taken_away() -> None:
    life = hot_by_score()
    life.answered(accept(life.lead, life.opened, "佐藤", "tool", life.story.case(life.lead, RULES)))
    life.shows(total=150.0).shows(total=20.0)
    assert (life.lead.stage, life.lead.person) == ("hot", "佐藤")
    life.answered(complete(life.lead, life.opened, "tool", life.story.case(life.lead, RULES)))
    life.shows(total=10.0, later=timedelta(days=20))
    assert (life.lead.stage, life.lead.department) == ("hot", "inside-sales")


def test_whoever_has_accepted_it_keeps_it_when_the_next_offer_is_withdrawn() -> None:
    life = hot_by_score()
    life.answered(accept(life.lead, life.opened, "佐藤", "tool", life.story.case(life.lead, RULES)))
    life.shows(total=200.0, level=4)
    assert life.told[-2:] == [("inside-sales", "completed"), ("field-sales", "offered")]
    life.waits_until(life.story.at + timedelta(days=91))
    assert (life.lead.stage, life.told[-1]) == ("acquired", ("field-sales", "withdrawn"))
    assert (life.lead.department, life.lead.person) == ("inside-sales", "佐藤")


def test_imported_history_cools_without_a_handoff() -> None:
    life = Life().shows("contact_obtained", historical=True).shows(total=200.0, historical=True)
    assert (life.lead.stage, life.lead.department) == ("hot", "inside-sales")
    life.waits_until(MONDAY + timedelta(days=31))
    assert (life.lead.stage, life.lead.department, life.told) == ("acquired", "marketing", [])


def test_the_next_department_is_asked_although_the_latest_record_is_history() -> None:
    life = Life().shows("contact_obtained", level=4, total=1000.0).shows(level=4, total=1000.0, historical=True)
    life.waits_until(life.story.at + timedelta(days=91))
    assert (life.lead.department, life.told[-1]) == ("marketing", ("inside-sales", "offered"))


def test_a_rejected_lead_stays_where_it_was_put() -> None:
    life = hot_by_score(level=3)
    life.answered(reject(life.lead, life.opened, Refusal("no_need", "x"), life.story.case(life.lead, RULES)))
    assert (life.lead.stage, life.lead.cools_at) == ("recycled", None)
    life.shows(total=50.0)
    assert (life.lead.stage, life.lead.cools_at) == ("recycled", None)


def test_after_a_rejection_it_cools_by_what_counts_since() -> None:
    life = Life().shows("contact_obtained").shows("inquiry_made", total=200.0)
    life.answered(reject(life.lead, life.opened, Refusal("no_need", "x"), life.story.case(life.lead, RULES)))
    life.story.epoch = life.lead.epoch
    life.shows(total=200.0, later=timedelta(days=31))
    assert life.lead.stage == "hot"  # by the score alone: the inquiry is of before
    life.waits_until(life.story.at + HALF_LIFE)
    assert (life.lead.stage, life.told[-1]) == ("recycled", ("inside-sales", "withdrawn"))


def test_a_record_that_takes_points_away_cools_at_its_own_time() -> None:
    life = hot_by_score().shows(total=90.0)
    assert (life.lead.stage, life.told[-1]) == ("acquired", ("inside-sales", "withdrawn"))
    assert life.decided[-1].decision.stages[0].at == life.story.at


def custom(stages: str) -> Rules:
    """The default playbook with other stages up to `onboarding`."""
    text = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")
    raw = yaml.safe_load(text)
    kept = [stage for stage in raw["stages"] if stage["id"] not in ("lost", "hot", "appointment", "opportunity")]
    raw["recycling"] = raw["valves"] = {}  # they name the stages that are left out
    raw["stages"] = sorted([*kept, *yaml.safe_load(stages)], key=lambda stage: int(stage["number"]))
    return Rules(parse_playbook(yaml.safe_dump(raw, allow_unicode=True), "custom.yaml"))


def test_one_department_may_have_two_stages_that_cool_one_after_the_other() -> None:
    rules = custom(
        "- {id: warm, number: 4, label: {ja: w, en: w}, owner: inside-sales, after: acquired, when: {total_over: 50}}\n"
        "- {id: hot, number: 4, label: {ja: h, en: h}, owner: inside-sales, after: acquired, when: {total_over: 100}}"
    )
    life = Life(rules).shows("contact_obtained").shows(total=200.0)
    assert life.way == ["acquired", "warm", "hot"]
    life.waits_until(MONDAY + timedelta(days=31))
    assert (life.lead.stage, life.told) == ("warm", [("inside-sales", "offered")])
    life.waits_until(MONDAY + timedelta(days=61))
    assert (life.lead.stage, life.told[-1]) == ("acquired", ("inside-sales", "withdrawn"))


def test_a_stage_that_it_would_fall_out_of_as_well_is_passed_over() -> None:
    rules = custom(
        "- {id: warm, number: 3, label: {ja: w, en: w}, owner: marketing, after: acquired, when: {total_over: 50}}\n"
        "- {id: hot, number: 4, label: {ja: h, en: h}, owner: inside-sales, after: warm, when: {level_at_least: 2}}"
    )
    life = Life(rules).shows("contact_obtained", total=60.0, level=2)
    assert life.way == ["acquired", "warm", "hot"]
    life.waits_until(MONDAY + timedelta(days=91))
    assert (life.way[3:], life.told[-1]) == (["acquired"], ("inside-sales", "withdrawn"))


def test_what_is_due_by_an_older_program_is_reckoned_anew() -> None:
    life = hot_by_score()
    real = life.lead.cools_at
    life.known.leads["l"] = Lead(**{n: getattr(life.lead, n) for n in Lead.__struct_fields__} | {"cools_at": MONDAY})
    life.waits_until(MONDAY + timedelta(days=1))
    assert (life.lead.stage, life.lead.cools_at) == ("hot", real)
    assert life.decided[-1].counts_only


def scored_anew(life: Life, **given: Any) -> ScoreRecord:
    """The lead's record by another playbook: it has done nothing."""
    record = life.story.record(**given)
    at = record.time
    trigger = Trigger(
        event_id="the-model@2#new", source="tasuki/scorer", kind=PLAYBOOK_CHANGED, time=at, received_at=at
    )
    return msgspec.structs.replace(record, trigger=trigger, playbook="the-model@2#new")


def test_a_lead_that_another_playbook_makes_hot_is_handed_over_and_the_reason_names_the_playbook() -> None:
    life = Life().shows("contact_obtained", total=60.0)
    life.hears(scored_anew(life, total=150.0))
    assert (life.way, life.told) == (["acquired", "hot"], [("inside-sales", "offered")])
    (change,) = life.decided[-1].decision.stages
    assert [leaf.condition for leaf in change.reason] == ["total_over", "playbook"]
    told = change.reason[-1]
    assert (told.at, told.label["ja"]) == (life.story.at, "プレイブックの変更(the-model@2#new)")
    assert told.label["en"] == "The playbook has changed (the-model@2#new)"
    assert life.decided[-1].decision.handoffs[0].reason == change.reason


def test_a_lead_that_another_playbook_finds_cold_cools_at_that_moment_and_its_offer_is_withdrawn() -> None:
    life = hot_by_score()
    life.hears(scored_anew(life, total=80.0, later=timedelta(days=1)))
    assert (life.way[-1], life.told[-1]) == ("acquired", ("inside-sales", "withdrawn"))
    (change,) = life.decided[-1].decision.stages
    assert (change.at, [leaf.condition for leaf in change.reason]) == (life.story.at, ["cooled", "cooled", "playbook"])


def test_another_playbook_under_which_the_stage_still_holds_moves_nobody() -> None:
    life = hot_by_score()
    told, cools = list(life.told), life.lead.cools_at
    life.hears(scored_anew(life, total=150.0))
    assert (life.way, life.told) == (["acquired", "hot"], told)
    assert life.lead.cools_at is not None
    assert cools is not None
    assert life.lead.cools_at < cools


def test_whoever_works_a_lead_keeps_it_when_it_goes_on_to_a_stage_of_before() -> None:
    life = Life().shows("contact_obtained", level=2, total=120.0).accepts()
    life.shows("bant_needs", level=2, total=120.0).shows("bant_authority", level=2, total=120.0)
    assert (life.lead.stage, life.told[-1]) == ("appointment", ("field-sales", "offered"))
    life.shows("unsubscribed", level=2, total=10.0)
    assert (life.lead.stage, life.lead.person) == ("acquired", "佐藤")
    life.shows("mail_clicked", total=10.0)
    assert (life.lead.stage, life.lead.person) == ("nurturing", "佐藤")
    assert "l" not in life.known.opened or not life.known.opened["l"].is_open
