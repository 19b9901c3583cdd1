"""Deadlines of hand-offs: what happens when nobody answers, or nobody gets in touch (domain N7)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.router.lifecycle.answers import complete
from services.router.lifecycle.model import Alerted, NotPossible
from tests.lives import Life

MS = timedelta(milliseconds=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def inquirer() -> Life:
    """10:02 on a Monday in Tokyo: an answer is due within one working hour."""
    return Life().shows("contact_obtained").shows("inquiry_made")


def test_an_offer_nobody_answers_expires_at_its_moment_and_not_before() -> None:
    life = inquirer()
    due = life.story.at + HOUR
    life.is_due_until(due - MS)
    assert life.told == [("inside-sales", "offered")]
    life.is_due_until(due)
    assert life.told == [("inside-sales", "offered"), ("inside-sales", "expired"), ("inside-sales", "offered")]
    assert (life.opened.attempt, life.lead.department) == (2, "marketing")
    assert life.opened.respond_by == due + HOUR
    expired = life.decided[-1].decision.handoffs[0]
    assert (expired.reason[0].name, expired.reason[0].at) == ("respond_by", due)
    assert life.opened.previous == expired.handoff.handoff_id


def test_after_the_last_step_it_goes_back_and_begins_anew() -> None:
    life = inquirer()
    for _ in range(3):
        assert life.opened.respond_by is not None
        life.is_due_until(life.opened.respond_by)
    assert [status for _, status in life.told] == ["offered", "expired", "offered", "expired", "offered", "returned"]
    assert (life.lead.stage, life.lead.department, life.lead.due_at) == ("recycled", "marketing", None)
    assert (life.lead.recycled, life.lead.recycling) == (1, "returned")
    assert "l" not in life.known.opened
    (event,) = life.decided[-1].decision.events
    assert (event.kind, event.properties) == ("recycle", {"reason": "returned"})
    life.story.epoch = life.lead.epoch
    assert life.shows("inquiry_made", later=DAY).opened.attempt == 1


def test_whoever_has_asked_to_be_left_alone_meanwhile_is_offered_to_nobody_else() -> None:
    life = inquirer().shows("suppressed")
    assert life.opened.respond_by is not None
    life.is_due_until(life.opened.respond_by)
    assert life.told == [("inside-sales", "offered"), ("inside-sales", "returned")]
    assert (life.lead.stage, life.lead.department) == ("recycled", "marketing")
    (returned,) = life.decided[-1].decision.handoffs
    assert [leaf.name for leaf in returned.reason] == ["respond_by", "suppressed"]


def test_a_wrong_territory_is_no_reason_to_offer_on_whoever_has_asked_to_be_left_alone() -> None:
    life = inquirer().shows("suppressed").rejects("wrong_territory")
    assert life.told == [("inside-sales", "offered"), ("inside-sales", "rejected")]
    assert (life.lead.stage, life.lead.department) == ("recycled", "marketing")


def test_the_last_offer_but_the_return_is_urgent() -> None:
    life = Life().shows("contact_obtained").shows("catalogue_requested")
    priorities = [life.opened.priority]
    for _ in range(2):
        assert life.opened.respond_by is not None
        life.is_due_until(life.opened.respond_by)
        priorities.append(life.opened.priority)
    assert priorities == ["normal", "normal", "high"]


def test_what_was_missed_during_downtime_expires_once_and_the_next_one_has_its_time() -> None:
    life = inquirer()
    back_at = life.story.at + 2 * DAY
    life.is_due_until(back_at)
    assert [status for _, status in life.told] == ["offered", "expired", "offered"]
    assert life.opened.offered_at == back_at
    assert life.opened.respond_by == back_at + HOUR


def test_its_receiver_is_reminded_once_before_the_deadline() -> None:
    life = inquirer()
    moment = life.story.at + timedelta(minutes=30)
    life.is_due_until(moment - MS)
    assert life.alerts == []
    life.is_due_until(moment).is_due_until(moment + timedelta(minutes=10))
    (alert,) = life.alerts
    assert (alert.kind, alert.department, alert.due) == (Alerted.RESPOND_SOON, "inside-sales", life.opened.respond_by)


def test_whoever_accepts_must_get_in_touch_or_the_next_one_is_asked() -> None:
    life = inquirer().accepts("佐藤")
    due = life.story.at + DAY
    assert (life.opened.contact_by, life.lead.due_at) == (due, due - timedelta(minutes=30))
    life.is_due_until(due)
    assert [status for _, status in life.told] == ["offered", "accepted", "expired", "offered"]
    assert (life.lead.department, life.lead.person, life.lead.taken) == ("marketing", None, False)
    assert life.opened.tried == ("佐藤",)


def test_a_call_meets_the_deadline() -> None:
    life = inquirer().accepts("佐藤").shows("sales_activity", later=HOUR)
    assert life.lead.due_at is None
    life.is_due_until(life.story.at + 10 * DAY)
    assert (life.lead.person, life.told[-1]) == ("佐藤", ("inside-sales", "accepted"))


def test_a_call_from_before_the_offer_was_accepted_does_not() -> None:
    life = inquirer().shows("sales_activity").shows(later=HOUR / 4).accepts("佐藤")
    assert life.lead.due_at is not None


def test_an_answer_that_comes_too_late_is_told_so() -> None:
    life = inquirer()
    expired = life.opened
    life.is_due_until(life.story.at + HOUR)
    closed = life.decided[-1].decision.handoffs[0].handoff
    assert closed.handoff_id == expired.handoff_id
    with pytest.raises(NotPossible, match="expired"):
        complete(life.lead, closed, "tool", life.story.case(life.lead, life.rules))


def test_history_has_no_deadlines() -> None:
    life = Life().shows("contact_obtained", historical=True).shows("deal_won", historical=True)
    assert (life.lead.stage, life.told, life.alerts) == ("onboarding", [], [])
    life.is_due_until(life.story.at + DAY)
    assert life.alerts == []


def test_a_reassigned_lead_is_offered_again_until_the_steps_are_used_up() -> None:
    life = inquirer().rejects("wrong_territory").rejects("wrong_territory").rejects("wrong_territory")
    assert [status for _, status in life.told] == ["offered", "rejected", "offered", "rejected", "offered", "rejected"]
    assert (life.lead.stage, life.lead.recycling) == ("recycled", "rejected")


def test_two_things_may_be_due_at_the_same_moment() -> None:
    """Three times three working days after a deal was won it is two weeks later, when the customer is followed up."""
    life = Life().shows("contact_obtained").shows("deal_won")
    won_at = life.story.at
    for _ in range(2):
        life.is_due_until(life.opened.respond_by or won_at)
    assert life.opened.respond_by == won_at + 14 * DAY  # the 23rd of November is a holiday
    life.is_due_until(won_at + 14 * DAY)
    assert life.told[-1] == ("customer-success", "returned")
    assert life.alerts[-1].kind is Alerted.FOLLOW_UP


def test_a_customer_whom_nobody_takes_stays_a_customer_with_the_giver() -> None:
    life = Life().shows("contact_obtained").shows("deal_won")
    for _ in range(3):
        life.is_due_until(life.opened.respond_by or life.story.at)
    assert (life.lead.stage, life.told[-1]) == ("onboarding", ("customer-success", "returned"))
    assert life.lead.department == "marketing"


def test_a_customer_who_was_introduced_before_anybody_answered_does_not_wait_for_ever() -> None:
    life = Life().shows("contact_obtained").shows("onboarding_completed").shows("deal_won")
    assert (life.lead.stage, life.opened.receiver) == ("expansion", "customer-success")
    assert life.opened.respond_by is not None
    life.is_due_until(life.opened.respond_by)
    assert life.opened.attempt == 2
