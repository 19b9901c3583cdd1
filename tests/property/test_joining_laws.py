"""Laws of joining, for any sequence of records, answers, deadlines and merges (domain A5, D2, N10): the hand-offs of
one department of a company."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.offices import COLLEAGUES, Office

SIGNALS = [None, "inquiry_made", "inquiry_made", "appointment_made", "deal_registered", "deal_won", "deal_lost"]
EXCLUDED: list[dict[str, Any]] = [{}, {}, {"occupation": "学生"}, {"occupation": ""}]

lead_ids = st.sampled_from([*COLLEAGUES, *COLLEAGUES, *COLLEAGUES, "e", "f"])
records = st.fixed_dictionaries({
    "lead": lead_ids,
    "signal": st.sampled_from(SIGNALS),
    "total": st.sampled_from([0.0, 120.0, 150.0]),
    "level": st.sampled_from([0, 0, 2, 4]),
    "attributes": st.sampled_from(EXCLUDED),
})  # fmt: skip
answers = st.fixed_dictionaries(
    {"lead": lead_ids, "answer": st.sampled_from(["accept", "reject", "reassign", "complete"])}
)
waits = st.fixed_dictionaries({"hours": st.sampled_from([1, 1, 5, 30, 800])})
merges = st.fixed_dictionaries({"lead": lead_ids, "into": lead_ids})
steps = st.lists(st.one_of(records, records, answers, waits, merges), max_size=30)


@given(steps)
def test_one_hand_off_for_all_and_one_owner(given_steps: list[dict[str, Any]]) -> None:
    office = Office()
    for step in given_steps:
        office.does(step)
        office.check()


@given(steps)
def test_messages_about_each_lead_are_numbered_without_gaps(given_steps: list[dict[str, Any]]) -> None:
    office, seqs = Office(), Counter[str]()
    for step in given_steps:
        office.does(step)
    for item in office.decided:
        decision, id = item.decision, item.decision.lead.lead_id
        for seq in sorted(change.seq for change in (*decision.stages, *decision.handoffs, *decision.alerts)):
            assert seq == seqs[id] + 1
            seqs[id] = seq
