"""The demo's reckoning: nothing lost may be called lost, nothing found wrong may pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client import generate_latest

from services.cli.demo.arrived import leadless
from services.cli.demo.listener import Offer, Offers
from services.cli.demo.remarks import Remarks, read_remarks
from services.cli.demo.summary import MUST_BE_EMPTY, Facts, Phase, as_json, as_table, percentile
from services.cli.errors import CommandError
from services.scorer.apply import Applied
from services.scorer.metrics import ScorerMetrics

FINE = Facts(
    parts="parts",
    events=100,
    accepted=100,
    rejected=0,
    in_log=100,
    events_lost=0,
    dead_letters=0,
    ids=10,
    ids_lost=0,
    ids_unknown=0,
    ids_merged=3,
    stages={"awareness": 4, "hot": 3},
    remarks=Remarks(2, {"crawler": 5}),
    handoffs={"inside-sales": 2},
    handoffs_unheard={},
    handoffs_unknown={},
    repeated_deliveries=0,
    audit=dict.fromkeys(MUST_BE_EMPTY, 0),
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
        (replace(FINE, in_log=99), "99 are in the log"),
        (replace(FINE, in_log=101), "101 are in the log"),
        (replace(FINE, events_lost=1), "1 events were sent and are not in the log"),
        (replace(FINE, ids_lost=1), "1 ids were sent for which the router has no lead"),
        (replace(FINE, ids_unknown=1), "1 ids of which no event speaks"),
        (replace(FINE, stages={"hot": 6}), "of 10 ids 6 are leads at some stage and 3 members"),
        (replace(FINE, ids_merged=2), "of 10 ids 7 are leads at some stage and 2 members"),
        (replace(FINE, dead_letters=1), "1 dead letters"),
        (replace(FINE, handoffs={}), "not a single hand-off"),
        (replace(FINE, handoffs_unheard={"inside-sales": 3}), "3 hand-offs to inside-sales were never heard"),
        (replace(FINE, handoffs_unknown={"marketing": 1}), "1 hand-offs to marketing are not in the ledger"),
        (replace(FINE, restarts={"router": 1}), "router ended 1 times"),
        (replace(FINE, audit=dict.fromkeys(MUST_BE_EMPTY, 0) | {"without_owner": 2}), "2 leads without owner"),
    ],
)
def test_whatever_is_wrong_is_named(facts: Facts, message: str) -> None:
    assert any(message in problem for problem in facts.problems())


def test_lost_counts_events_ids_and_handoffs() -> None:
    assert replace(FINE, events_lost=10, ids_lost=2).lost == 12
    assert replace(FINE, handoffs_unheard={"a": 2}, handoffs_unknown={"b": 1}).lost == 3


def test_a_lost_event_and_a_repeated_one_do_not_make_up_for_each_other() -> None:
    facts = replace(FINE, in_log=100, events_lost=1)
    assert facts.lost == 1
    assert facts.problems() == ["1 events were sent and are not in the log"]


@pytest.mark.parametrize(
    ("ledger", "without_lead"),
    [
        ({"lead": None, "anon:a": "lead", "email:b": "anon:a"}, set()),
        ({"lead": None, "anon:a": "lead"}, {"email:b"}),
        ({"anon:a": "lead", "email:b": None}, {"lead", "anon:a"}),  # member of a lead that the router does not have
        ({"lead": None, "anon:a": "email:b", "email:b": "anon:a"}, {"anon:a", "email:b"}),
    ],
)
def test_every_id_is_a_lead_or_leads_to_one(ledger: dict[str, str | None], without_lead: set[str]) -> None:
    assert leadless(["lead", "anon:a", "email:b"], ledger) == without_lead


def test_events_that_count_for_nothing_are_told_with_their_shares() -> None:
    told = as_json(FINE)
    assert told["unclassified"] == {"events": 2, "share": 0.02}
    assert told["ignored"] == {"crawler": {"events": 5, "share": 0.05}}
    assert told["merged"] == {"ids": 3, "share": 0.3}
    shown = [str(cell) for column in as_table(FINE).columns for cell in column.cells]
    assert "crawler 5 (5.0%)" in shown
    assert any(cell.startswith("2 (2.0%)") for cell in shown)
    assert any("3 (30.0%)" in cell for cell in shown)


def test_the_scorers_metrics_are_understood() -> None:
    metrics = ScorerMetrics()
    applied = Applied(events=9, remarks=Counter(unclassified=4, crawler=3, internal=1, link=7))
    metrics.committed(applied, 0.1, datetime.now(UTC))
    found = read_remarks(generate_latest(metrics.registry).decode())
    assert found == Remarks(4, {"crawler": 3, "internal": 1})


def test_other_metrics_are_refused() -> None:
    with pytest.raises(CommandError, match="expected those of a scorer"):
        read_remarks("# TYPE other counter\nother_total 1.0\n")


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
