"""Laws of reports: what is known of a deal does not depend on repetitions, its dates not on the order either."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from services.router.deals import Deal, merged
from services.router.feedback.effects import Reported, deal_of
from shared.feedback import AnyReport, DealReport, Lost, Quote, Won
from tests.score_records import MONDAY

AMOUNTS = st.integers(0, 9).map(float)
NAMES = st.sampled_from([None, "a", "b"])
REPORTS: st.SearchStrategy[AnyReport] = st.one_of(
    st.builds(
        DealReport,
        deal_id=st.just("d"),
        amount=AMOUNTS,
        expected_date=st.dates(),
        status=st.sampled_from(["registered", "quoted", "stalled"]),
        partner=NAMES,
    ),
    st.builds(Quote, deal_id=st.just("d"), amount=st.none() | AMOUNTS),
    st.builds(Won, deal_id=st.just("d"), amount=st.none() | AMOUNTS, field_sales=NAMES, presales=NAMES),
    st.builds(Lost, deal_id=st.just("d"), reason=NAMES),
)


def _deal(report: AnyReport, minute: int) -> Deal:
    at = MONDAY + timedelta(minutes=minute)
    deal = deal_of(Reported(report, f"r{minute}", "l", at, at, "crm"))
    assert deal is not None
    return deal


DEALS = st.lists(REPORTS, min_size=1, max_size=6).map(
    lambda reports: [_deal(report, minute) for minute, report in enumerate(reports)]
)


@given(DEALS, st.data())
def test_a_report_told_once_more_changes_nothing(deals: list[Deal], data: st.DataObject) -> None:
    known = reduce(merged, deals)
    again = data.draw(st.sampled_from(deals))
    dates = (known.registered_at, known.quoted_at, known.won_at, known.lost_at, known.stalled_at)
    after = merged(known, again)
    assert (after.registered_at, after.quoted_at, after.won_at, after.lost_at, after.stalled_at) == dates
    assert merged(known, deals[-1]) == known


@given(DEALS, st.randoms(use_true_random=False))
def test_what_happened_to_a_deal_does_not_depend_on_the_order_of_arrival(deals: list[Deal], random: object) -> None:
    known = reduce(merged, deals)
    other = list(deals)
    random.shuffle(other)  # type: ignore[attr-defined]
    told = reduce(merged, other)
    for name in ("registered_at", "quoted_at", "won_at", "lost_at", "stalled_at"):
        assert getattr(told, name) == getattr(known, name)


@given(DEALS)
def test_what_the_latest_report_names_counts(deals: list[Deal]) -> None:
    known = merged(reduce(merged, deals[:-1]), deals[-1]) if deals[1:] else deals[0]
    for name in ("amount", "expected_at", "partner", "presales", "lost_reason"):
        latest = getattr(deals[-1], name)
        assert latest is None or getattr(known, name) == latest
