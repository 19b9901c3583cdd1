"""The owner of a lead is told at once that it is on the website (domain B5)."""

from __future__ import annotations

from datetime import timedelta

from services.router.lifecycle.decide import decide
from services.router.lifecycle.model import Alerted
from tests.lives import Life


def worked() -> Life:
    return Life().shows("contact_obtained").shows("inquiry_made").accepts("佐藤")


def visits(life: Life, later: timedelta = timedelta(minutes=1), **given: bool) -> list[str]:
    before = len(life.alerts)
    life.shows("on_site", later=later, **given)
    return [alert.kind for alert in life.alerts[before:]]


def test_the_owner_is_told_with_a_seq_of_its_own() -> None:
    life = worked()
    seq = life.lead.seq
    assert visits(life) == [Alerted.VISIT]
    (alert,) = life.alerts
    assert (alert.department, alert.person, alert.at, alert.seq) == ("inside-sales", "佐藤", life.story.at, seq + 1)
    assert life.lead.seq == seq + 1


def test_not_so_often_that_it_annoys() -> None:
    life = worked()
    minutes = timedelta(minutes=1)
    assert [visits(life), visits(life, 29 * minutes), visits(life, 2 * minutes)] == [["visit"], [], ["visit"]]


def test_nobody_is_told_of_a_lead_that_nobody_works_or_of_history() -> None:
    assert visits(Life().shows("contact_obtained").shows("inquiry_made")) == []
    assert visits(worked(), historical=True) == []


def test_what_is_long_ago_is_no_news() -> None:
    life = worked()
    record = life.story.record("on_site")
    for late, kinds in ((timedelta(minutes=10), ["visit"]), (timedelta(minutes=10, milliseconds=1), [])):
        decision = decide(life.lead, life.opened, record, life.rules, record.time + late, life.known.around)
        assert [alert.kind for alert in decision.alerts] == kinds
