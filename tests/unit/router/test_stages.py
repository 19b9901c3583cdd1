"""Which stages a lead goes through, by the default playbook (domain C1, C2, C3, C5, C6, C7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.router.lifecycle import decide as lifecycle
from services.router.lifecycle.answers import Refusal, reject
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.missing import missing
from services.router.lifecycle.model import HandOff, Lead, Status
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Surroundings
from shared.playbook import load_playbook
from shared.scores import ScoreRecord
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())


def play(lead: Lead, *records: ScoreRecord) -> tuple[Lead, list[str], HandOff | None]:
    """The lead after `records`, the stages it entered, its open hand-off."""
    opened: HandOff | None = None
    entered = []
    for record in records:
        decision = lifecycle.decide(lead, opened, record, RULES, record.time, Surroundings())
        lead = decision.lead
        entered += [change.target for change in decision.stages]
        for change in decision.handoffs:
            opened = change.handoff if change.handoff.status in ("offered", "accepted") else None
    return lead, entered, opened


def fresh() -> Lead:
    return lifecycle.new_lead("l", 0, RULES)


STUDENT = {"occupation": "学生"}


@pytest.mark.parametrize(
    ("steps", "entered"),
    [
        ([("page", {})], []),
        ([("contact_obtained", {})], ["acquired"]),
        ([("mail_clicked", {})], []),
        ([("mail_clicked", {}), ("contact_obtained", {})], ["acquired", "nurturing"]),
        ([("contact_obtained", {}), ("product_site_visited", {})], ["acquired", "nurturing"]),
        ([("contact_obtained", {}), ("inquiry_made", {})], ["acquired", "hot"]),
        ([("inquiry_made", {}), ("mail_clicked", {}), ("contact_obtained", {})], ["acquired", "nurturing", "hot"]),
        ([("contact_obtained", {"total": 100.0})], ["acquired"]),
        ([("contact_obtained", {"total": 100.000001})], ["acquired", "hot"]),
        ([("contact_obtained", {"level": 2})], ["acquired", "hot"]),
        ([("contact_obtained", {"level": 4})], ["acquired", "hot", "appointment"]),
        ([("contact_obtained", {}), ("deal_won", {})], ["acquired", "onboarding"]),
        ([("deal_won", {}), ("contact_obtained", {})], ["acquired", "onboarding"]),
        ([("contact_obtained", {}), ("onboarding_completed", {})], ["acquired"]),
        (
            [("contact_obtained", {}), ("deal_won", {}), ("onboarding_completed", {})],
            ["acquired", "onboarding", "expansion"],
        ),
        ([("contact_obtained", {"attributes": STUDENT, "level": 4})], ["acquired", "excluded"]),
        ([("contact_obtained", {"level": 2}), ("retired", {"level": 2})], ["acquired", "hot", "excluded"]),
        ([("contact_obtained", {}), ("deal_registered", {}), ("retired", {})], ["acquired", "opportunity"]),
        (
            [
                ("contact_obtained", {"attributes": STUDENT, "level": 2}),
                ("page", {"attributes": {"occupation": ""}, "level": 2}),
            ],
            ["acquired", "excluded", "acquired", "hot"],
        ),
    ],
)  # fmt: skip
def test_the_way_of_a_lead(steps: list[tuple[str, dict[str, Any]]], entered: list[str]) -> None:
    story = Story("l")
    records = [story.record(None if name == "page" else name, **given) for name, given in steps]
    assert play(fresh(), *records)[1] == entered


def test_a_guard_holds_a_lead_back_and_says_which_until_it_is_gone() -> None:
    story = Story("l", attributes={"do_not_call": True})
    lead, entered, opened = play(fresh(), story.record("contact_obtained"), story.record("inquiry_made"))
    assert (entered, opened, lead.held_by) == (["acquired"], None, "do_not_call")
    lead, entered, opened = play(lead, story.record(attributes={"do_not_call": False}))
    assert (entered, lead.held_by) == (["hot"], None)
    assert opened is not None


def test_a_lead_that_is_not_ready_is_not_said_to_be_held() -> None:
    story = Story("l", attributes={"do_not_call": True})
    assert play(fresh(), story.record("contact_obtained"))[0].held_by is None


def test_a_deal_passes_a_guard() -> None:
    story = Story("l", attributes={"open_deal": True})
    assert play(fresh(), story.record("contact_obtained"), story.record("deal_registered"))[1][-1] == "opportunity"


def test_milestones_are_dated_by_the_event_that_reached_them() -> None:
    story = Story("l")
    records = [story.record(s) for s in ("bant_needs", "bant_authority", "bant_budget", "bant_timeframe", "deal_won")]
    lead = play(fresh(), *records)[0]
    assert (lead.mql_at, lead.sql_at) == (records[1].time, records[3].time)


def test_channel_and_medium_are_those_of_the_record_that_acquired_it() -> None:
    story = Story("l")
    lead = play(
        fresh(),
        story.record("mail_clicked", channel="mail"),
        story.record("contact_obtained", channel="webinar", medium="search"),
        story.record("inquiry_made", channel="contact_form"),
    )[0]
    assert (lead.channel, lead.medium, lead.acquired_at) == ("webinar", "search", MONDAY + timedelta(minutes=2))


def rejected(story: Story, *records: ScoreRecord) -> Lead:
    lead, _, opened = play(fresh(), *records)
    assert opened is not None
    decision = reject(lead, opened, Refusal("no_need", "佐藤"), story.case(lead, RULES))
    (change,) = decision.stages
    assert (change.source, change.target, change.reason[0].name) == ("hot", "recycled", "no_need")
    assert decision.handoffs[0].handoff.status is Status.REJECTED
    story.epoch = decision.lead.epoch  # the scorer has begun its behaviour score anew
    return decision.lead


def test_after_a_rejection_only_new_signals_count() -> None:
    story = Story("l")
    lead = rejected(story, story.record("contact_obtained"), story.record("inquiry_made", total=120.0, level=3))
    assert (lead.department, lead.stage) == ("marketing", "recycled")
    again = story.record(total=120.0)
    same = ScoreRecord(**{**{n: getattr(again, n) for n in again.__struct_fields__}, "level": 3,
                          "level_until": story.at - timedelta(minutes=1) + timedelta(days=90)})  # fmt: skip
    lead, entered, _ = play(lead, same)
    assert entered == []
    unmet = missing(lead, *facts_of(lead, same, RULES), RULES, story.at)["hot"]
    assert unmet.counts_from == lead.held_until
    assert [leaf.name or leaf.condition for leaf in unmet.parts] == [
        "catalogue_requested", "inquiry_made", "total_over", "level_at_least",
    ]  # fmt: skip
    lead, entered, opened = play(lead, story.record("inquiry_made"))
    assert entered == ["hot"]
    assert opened is not None


def test_after_a_rejection_totals_count_again_when_the_hold_is_over() -> None:
    story = Story("l")
    lead = rejected(story, story.record("contact_obtained"), story.record("inquiry_made"))
    short = timedelta(milliseconds=1)
    assert play(lead, story.record(total=150.0, later=timedelta(days=30) - short))[1] == []
    assert play(lead, story.record(total=150.0, later=short))[1] == ["hot"]


def test_a_customer_stays_one_when_a_handoff_is_rejected() -> None:
    story = Story("l")
    lead, _, opened = play(fresh(), story.record("contact_obtained"), story.record("deal_won"))
    assert opened is not None
    decision = reject(lead, opened, Refusal("other", "x"), story.case(lead, RULES))
    assert (decision.lead.stage, decision.stages) == ("onboarding", [])


def test_repeated_and_older_records_are_stale() -> None:
    story = Story("l")
    first, second = story.record("contact_obtained"), story.record("mail_clicked")
    lead = play(fresh(), first, second)[0]
    assert lifecycle.is_stale(lead, first)
    assert lifecycle.is_stale(lead, second)
    assert not lifecycle.is_stale(lead, story.record())


def test_a_record_is_not_stale_because_a_recycled_member_has_left() -> None:
    story = Story("l")
    recycled = replace(story.record("contact_obtained"), epoch=1_770_000_000_000)
    lead = play(fresh(), recycled)[0]
    assert not lifecycle.is_stale(lead, story.record())
