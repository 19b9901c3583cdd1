"""Half a year of business, with a month in which everybody comes at once: every invariant is asked at every step. The
whole of it: `python -m tests.simulation.run`"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.simulation.run import audit, simulate

MUST_BE_EMPTY = ("without_owner", "with_two_handoffs", "with_two_owners", "overdue")


@pytest.mark.parametrize("seed", [1, 2])
def test_nobody_is_dropped_nobody_run_by_two_and_nobody_waits_for_ever(seed: int) -> None:
    story = simulate(leads=250, days=180, seed=seed)
    assert {name: audit(story)[name] for name in MUST_BE_EMPTY} == dict.fromkeys(MUST_BE_EMPTY, 0)
    changes = story.business.memory.changes
    seen = Counter(change.handoff.status.value for change in changes)
    assert {"offered", "accepted", "rejected", "expired", "returned", "completed", "withdrawn"} <= seen.keys()
    assert story.longest_wait <= timedelta(days=30)
    reached = {stage for lead in story.business.memory.leads.values() for stage in lead.reached}
    assert {"nurturing", "excluded", "recycled", "hot", "appointment", "opportunity", "onboarding"} <= reached
