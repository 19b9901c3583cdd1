"""The demo's reckoning: nothing lost may be called lost, nothing found wrong may pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.cli.demo.listener import Offer, Offers
from services.cli.demo.summary import Facts, Phase, as_json, percentile

FINE = Facts(
    parts="parts",
    events=100,
    accepted=100,
    rejected=0,
    in_topic=100,
    dead_letters=0,
    leads_expected=7,
    stages={"awareness": 4, "hot": 3},
    handoffs={"inside-sales": 2},
    handoffs_unheard={},
    handoffs_unknown={},
    repeated_deliveries=0,
    audit={"without_owner": 0, "with_two_handoffs": 0},
    restarts={},
    bulk=Phase("bulk", 80, 1.0, 2.0, [0.1, 0.2]),
    steady=Phase("steady", 20, 1.0, 1.1, [0.01]),
)


def test_all_is_well() -> None:
    assert FINE.problems() == []
    assert as_json(FINE)["lost"] == 0
    assert as_json(FINE)["latency_ms"] == {"p50": 10.0, "p99": 10.0, "handoffs": 1}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (replace(FINE, accepted=99), "99 accepted"),
        (replace(FINE, in_topic=99), "99 are in the topic"),
        (replace(FINE, in_topic=101), "101 are in the topic"),
        (replace(FINE, stages={"hot": 6}), "the router has 6"),
        (replace(FINE, dead_letters=1), "1 dead letters"),
        (replace(FINE, handoffs={}), "not a single hand-off"),
        (replace(FINE, handoffs_unheard={"inside-sales": 3}), "3 hand-offs to inside-sales were never heard"),
        (replace(FINE, handoffs_unknown={"marketing": 1}), "1 hand-offs to marketing are not in the ledger"),
        (replace(FINE, restarts={"router": 1}), "router ended 1 times"),
        (replace(FINE, audit={"without_owner": 2, "with_two_handoffs": 0}), "2 leads without owner"),
    ],
)
def test_whatever_is_wrong_is_named(facts: Facts, message: str) -> None:
    assert any(message in problem for problem in facts.problems())


def test_lost_counts_events_leads_and_handoffs() -> None:
    assert replace(FINE, in_topic=90, stages={"hot": 5}).lost == 12
    assert replace(FINE, handoffs_unheard={"a": 2}, handoffs_unknown={"b": 1}).lost == 3


def test_a_lost_and_a_foreign_handoff_do_not_make_up_for_each_other() -> None:
    now = datetime.now(UTC)
    heard = {id: Offer({"to": {"department": "sales"}}, now, 0.1) for id in ("h1", "foreign")}
    unheard, unknown = Offers(heard).compared({"h1": "sales", "h2": "sales", "h3": "marketing"})
    assert (unheard, unknown) == ({"marketing": 1, "sales": 1}, {"sales": 1})


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_values_that_occurred(share: float, expected: int) -> None:
    assert percentile(list(range(1, 101)), share) == expected


def test_no_values_have_no_percentile() -> None:
    assert percentile([], 0.5) is None
