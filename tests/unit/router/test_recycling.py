"""Leads that go back into consideration (domain C5), and customers that are followed up (domain C8)."""

from __future__ import annotations

from datetime import timedelta

from services.router.lifecycle.model import Alerted
from shared.events import Kind
from tests.lives import Life
from tests.score_records import MONDAY

DAY = timedelta(days=1)


def in_talks() -> Life:
    """A lead with a deal, which field sales works."""
    life = Life().shows("contact_obtained").shows("appointment_made").accepts("鈴木")
    return life.shows("deal_registered").shows("sales_activity")


def test_a_lost_deal_waits_and_then_goes_back_into_consideration() -> None:
    life = in_talks().shows("deal_lost", total=500.0)
    lost_at = life.story.at
    assert (life.lead.stage, life.lead.department, life.lead.person) == ("lost", "inside-sales", None)
    assert life.told[-1] == ("field-sales", "completed")
    (event,) = life.decided[-1].decision.events
    assert (event.kind, event.at, event.properties) == (Kind.RECYCLE, lost_at, {"reason": "lost"})
    life.story.epoch = life.lead.epoch
    life.waits_until(lost_at + 90 * DAY)
    assert (life.lead.stage, life.lead.department, life.way[-2:]) == ("recycled", "marketing", ["lost", "recycled"])
    assert life.shows(total=101.0, later=91 * DAY).lead.stage == "hot"


def test_what_counts_is_what_it_does_afterwards() -> None:
    life = in_talks().shows("deal_lost", total=500.0)
    life.story.epoch = life.lead.epoch
    assert life.shows(total=500.0).lead.stage == "lost"  # its total is held
    assert life.shows("inquiry_made").lead.stage == "hot"  # whoever asks does not wait


def test_a_score_that_has_not_begun_anew_does_not_count() -> None:
    life = in_talks().shows("deal_lost")
    life.shows(total=500.0, later=100 * DAY)  # of the epoch before
    assert life.lead.stage == "recycled"
    life.story.epoch = life.lead.epoch
    assert life.shows(total=500.0).lead.stage == "hot"


def test_a_deal_lost_before_the_latest_one_says_nothing() -> None:
    life = Life().shows("contact_obtained").shows("deal_lost").shows("deal_registered")
    assert life.lead.stage == "opportunity"


def test_a_deal_without_activity_leaves_the_pipeline_at_its_moment() -> None:
    life = in_talks()
    last = life.story.at
    assert life.lead.cools_at == last + 30 * DAY
    life.waits_until(last + 30 * DAY - timedelta(milliseconds=1))
    assert life.lead.stage == "opportunity"
    life.waits_until(last + 30 * DAY)
    assert (life.lead.stage, life.lead.recycling, life.told[-1]) == (
        "recycled",
        "stalled",
        ("field-sales", "completed"),
    )


def test_whether_a_timer_or_the_next_record_notices_makes_no_difference() -> None:
    by_timer, by_record = in_talks(), in_talks()
    by_timer.waits_until(by_timer.story.at + 31 * DAY).shows("product_site_visited", later=32 * DAY)
    by_record.shows("product_site_visited", later=32 * DAY)
    assert by_timer.lead == by_record.lead
    assert by_timer.way == by_record.way


def test_a_lead_that_does_not_respond_goes_back_to_nurturing() -> None:
    life = Life().shows("contact_obtained").shows("inquiry_made").accepts("佐藤").shows("sales_activity")
    life.waits_until(life.story.at + 31 * DAY)
    assert (life.lead.stage, life.lead.department, life.lead.recycling) == ("recycled", "marketing", "unresponsive")


def test_one_that_is_offered_has_a_deadline_instead() -> None:
    life = Life().shows("contact_obtained").shows("inquiry_made")
    assert life.lead.cools_at is None


def test_recycled_leads_are_counted() -> None:
    life = Life().shows("contact_obtained").shows("inquiry_made").rejects()
    life.shows("inquiry_made", later=DAY).rejects()
    assert (life.lead.recycled, life.lead.recycling) == (2, "rejected")


def test_customers_are_followed_up_at_intervals() -> None:
    life = Life().shows("contact_obtained").shows("deal_won").accepts("高橋").shows("sales_activity")
    won_at = life.lead.stage_at
    assert won_at is not None
    for day in range(200):
        life.is_due_until(won_at + day * DAY)
    alerts = [alert for alert in life.alerts if alert.kind is Alerted.FOLLOW_UP]
    assert [(alert.at - won_at).days for alert in alerts] == [14, 30, 90, 180]
    assert {(alert.department, alert.person) for alert in alerts} == {("customer-success", "高橋")}
    assert all(alert.due is not None and alert.due > alert.at for alert in alerts)


def test_follow_ups_missed_while_nobody_looked_are_told_once() -> None:
    life = Life().shows("contact_obtained").shows("deal_won").accepts("高橋").shows("sales_activity")
    life.is_due_until(life.story.at + 100 * DAY)
    assert [alert.kind for alert in life.alerts] == [Alerted.FOLLOW_UP]


def test_an_imported_customer_is_ours_to_follow_up_from_the_import_on() -> None:
    imported = MONDAY + 3000 * DAY
    life = Life().shows("contact_obtained", historical=True, received_at=imported)
    life.shows("deal_won", historical=True, received_at=imported).waits_until(imported + 364 * DAY)
    assert life.lead.stage == "onboarding"
    assert life.waits_until(imported + 365 * DAY).lead.recycling == "not_followed_up"
