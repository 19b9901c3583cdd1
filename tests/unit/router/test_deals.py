"""Deals from score records, in whatever order the reports of sales people arrive."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import permutations
from typing import Any

import pytest

from services.router.deals import Deal, deals_of, merged
from services.scorer.scoring import Scorer
from shared.events import Event, Kind, Logged
from shared.playbook import load_playbook
from shared.scores import decode_score, encode_score

SCORER = Scorer(load_playbook())
MONDAY = datetime(2026, 11, 16, 1, 0, tzinfo=UTC)
RECEIVED = MONDAY + timedelta(days=30)


def report(day: int, name: str = "Deal Won", **facts: Any) -> Event:
    at = MONDAY + timedelta(days=day)
    id = f"{name}-{day}"
    return Event(
        kind=Kind.TRACK, id=id, source="crm", key="lead", time=at, received_at=RECEIVED, name=name, properties=facts
    )


def logged(events: Iterable[Event]) -> list[Logged]:
    return [Logged(offset, 20_000, event) for offset, event in enumerate(events)]


def deals(*arriving: Event) -> dict[str, Deal]:
    """As the ledger holds them in the end."""
    found: dict[str, Deal] = {}
    for record in SCORER.apply(SCORER.new_state(), logged(arriving), 0):
        for deal in deals_of(decode_score(encode_score(record))):
            found[deal.deal_id] = merged(found[deal.deal_id], deal) if deal.deal_id in found else deal
    return found


def test_a_deal_that_arrives_after_a_later_one_is_kept() -> None:
    found = deals(report(9, deal_id="d2", amount=200), report(2, deal_id="d1", amount=100, field_sales="sato"))
    assert {id: (deal.amount, deal.field_sales, deal.won_at) for id, deal in found.items()} == {
        "d1": (100, "sato", MONDAY + timedelta(days=2)),
        "d2": (200, None, MONDAY + timedelta(days=9)),
    }


REPORTS = (
    report(1, "Deal Registered", deal_id="d1", amount=100, expected_date="2026-12-01", inside_sales="ito"),
    report(5, deal_id="d1", amount=120, field_sales="sato"),
    report(7, deal_id="d1", amount=90),
)


@pytest.mark.parametrize("arriving", list(permutations(REPORTS)))
def test_the_latest_report_of_a_deal_counts_whatever_arrives_last(arriving: tuple[Event, ...]) -> None:
    (deal,) = deals(*arriving).values()
    assert (deal.amount, deal.inside_sales, deal.field_sales) == (90, "ito", "sato")
    assert (deal.registered_at, deal.won_at) == (MONDAY + timedelta(days=1), MONDAY + timedelta(days=7))


def test_a_report_from_the_future_counts_as_of_its_arrival() -> None:
    (deal,) = deals(report(4_000, deal_id="d1")).values()
    assert deal.won_at == RECEIVED


def test_events_that_report_no_deal_bring_none() -> None:
    assert len(deals(report(1, deal_id="d1"), report(2, "Inquiry Submitted"))) == 1
    assert deals(report(2, "Inquiry Submitted")) == {}


def test_merging_does_not_depend_on_how_reports_are_grouped() -> None:
    records = SCORER.apply(SCORER.new_state(), logged(REPORTS), 0)
    told = [deal for record in records for deal in deals_of(record)]
    assert merged(told[0], merged(told[1], told[2])) == reduce(merged, told)
