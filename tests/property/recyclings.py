"""Leads that begin anew, at any moment and any place in the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import strategies as st

from shared.events import Event
from shared.recycling import recycle_event
from tests.fault.oracle import Recycled, Told
from tests.fault.oracle.calls import EPOCH

MS = timedelta(milliseconds=1)


@st.composite
def among(
    draw: st.DrawFn, log: Sequence[Told], leads: Sequence[str], moments: st.SearchStrategy[datetime]
) -> list[Told]:
    """The log with up to three more records, by which one of the leads is recycled; some told twice."""
    found = list(log)
    told = draw(st.lists(st.builds(_recycled, st.integers(0, 9), st.sampled_from(leads), moments), max_size=3))
    for one in told:
        for _ in range(draw(st.sampled_from([1, 1, 2]))):
            found.insert(draw(st.integers(0, len(found))), one)
    return found


def _recycled(number: int, lead_id: str, at: datetime) -> Recycled:
    # The same id has always the same moment.
    return Recycled(lead_id, f"recycled:{lead_id}:{at.isoformat()}:{number}", (at - EPOCH) // MS)


def event_of(told: Recycled) -> Event:
    return recycle_event(told.lead_id, told.id, "unresponsive", EPOCH + told.time * MS)
