"""What leads a recycled lead back, and on again: the same however its events were cut into records."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources
from typing import Any

import yaml
from msgspec.structs import replace

from services.router.lifecycle.rules import Rules
from shared.events import Kind
from shared.playbook.loader import parse_playbook
from shared.scores import ScoreRecord
from tests.lives import Life

DAY, MS = timedelta(days=1), timedelta(milliseconds=1)
HOLD = 30 * DAY
MUCH = {"total": 500.0, "half_life": 1000 * DAY}


def shown_before(record: ScoreRecord, signal: str, by: timedelta) -> ScoreRecord:
    """The record, as if it told late of what was shown so much earlier."""
    early = replace(record.signals[signal], first=record.time - by, last=record.time - by)
    return replace(record, signals=record.signals | {signal: early})


def rejected() -> Life:
    """A lead that is recycled, and whose behaviour score has begun anew."""
    return Life().shows("contact_obtained").shows("inquiry_made").rejects()


def with_hot(condition: dict[str, Any]) -> Rules:
    """The default playbook, in which leads become hot by this as well."""
    raw = yaml.safe_load(resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8"))
    next(stage for stage in raw["stages"] if stage["id"] == "hot")["when"]["any"].append(condition)
    return Rules(parse_playbook(yaml.safe_dump(raw, allow_unicode=True), "custom.yaml"))


def test_a_deal_that_is_told_of_when_it_is_lost_already_is_lost_at_once() -> None:
    life = Life().shows("contact_obtained").shows("deal_lost")
    life.hears(shown_before(life.story.record("deal_registered", later=DAY), "deal_registered", 2 * DAY))
    assert life.way == ["acquired", "opportunity", "lost"]
    assert life.told == [("field-sales", "offered"), ("field-sales", "withdrawn")]
    assert [event.kind for event in life.decided[-1].decision.events] == [Kind.RECYCLE]


def test_a_deal_lost_before_says_nothing_against_whoever_makes_an_inquiry_now() -> None:
    life = Life().shows("contact_obtained").shows("deal_lost").shows("inquiry_made", later=DAY).shows("mail_clicked")
    assert life.lead.stage == "hot"
    assert life.shows("deal_lost").lead.stage == "lost"


def test_usage_that_is_told_after_a_customer_has_churned_does_not_keep_it() -> None:
    life = Life().shows("contact_obtained").shows("deal_won").shows("onboarding_completed")
    life.shows("usage_high", later=DAY)
    life.hears(shown_before(life.story.record("churned"), "churned", timedelta(hours=1)))
    assert life.lead.stage == "lost"


def test_its_total_counts_again_at_the_very_moment_at_which_the_waiting_time_is_over() -> None:
    by_timer, by_record = rejected(), rejected()
    over = by_timer.story.at + HOLD
    by_timer.shows(later=DAY, **MUCH).waits_until(over - MS)
    assert by_timer.lead.stage == "recycled"
    by_timer.waits_until(over)
    by_record.shows(later=DAY, **MUCH).shows(later=50 * DAY, **MUCH)
    for life in (by_timer, by_record):
        (change,) = [change for item in life.decided for change in item.decision.stages if change.target == "hot"][1:]
        assert (change.at, [leaf.condition for leaf in change.reason]) == (over, ["waited", "total_over"])
        assert life.told[-1] == ("inside-sales", "offered")


def test_what_a_lead_is_does_not_bring_it_back_while_it_waits() -> None:
    life = Life(with_hot({"field": "title", "is": "CEO"}))
    life.shows("contact_obtained", attributes={"title": "CEO"}).rejects()
    over = life.story.at + HOLD
    assert life.shows().lead.stage == "recycled"
    assert life.waits_until(over).lead.stage == "hot"


def test_a_total_that_does_not_count_is_not_even_over_a_negative_limit() -> None:
    life = Life(with_hot({"total_over": -5}))
    life.shows("contact_obtained").rejects()
    assert life.shows().lead.stage == "recycled"


def test_it_falls_back_no_further_than_to_where_it_was_recycled() -> None:
    life = rejected().shows(level=3)
    assert life.lead.stage == "hot"
    assert life.waits_until(life.story.at + 90 * DAY).lead.stage == "recycled"


def test_freed_from_an_exclusion_it_returns_to_where_it_was_recycled() -> None:
    life = rejected().shows(attributes={"occupation": "学生"})
    assert life.lead.stage == "excluded"
    assert life.shows(attributes={"occupation": "会社員"}).lead.stage == "recycled"


def test_whoever_has_left_the_company_meanwhile_is_excluded_as_soon_as_it_is_recycled() -> None:
    life = Life().shows("contact_obtained").shows("appointment_made").accepts().shows("retired")
    assert life.lead.stage == "appointment"
    silent = life.story.at - timedelta(minutes=1) + 30 * DAY
    life.waits_until(silent)
    assert life.way[-2:] == ["recycled", "excluded"]
    assert [change.at for change in life.decided[-1].decision.stages] == [silent, silent]
    assert life.lead.department == "marketing"


def test_what_a_record_takes_away_ends_a_silence_not_before_the_record() -> None:
    life = Life().shows("contact_obtained").shows("appointment_made").accepts().shows("responded", later=20 * DAY)
    life.hears(shown_before(life.story.record(later=20 * DAY), "responded", 40 * DAY))
    assert life.decided[-1].decision.stages[-1].at == life.story.at
    assert life.lead.stage == "recycled"
