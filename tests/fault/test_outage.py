"""Kafka away under load, and ingest killed while it drains: shorter than `make outage`, and the same promises."""

from __future__ import annotations

import pytest

from tests.fault.outage import measure


@pytest.mark.timeout(240)
def test_nobody_notices_an_outage_and_nothing_is_lost_by_a_kill(capsys: pytest.CaptureFixture[str]) -> None:
    def say(text: str) -> None:
        with capsys.disabled():
            print(text)  # noqa: T201 - a minute is long enough to wonder

    outcome = measure(events=20_000, away=15.0, rate=600.0, kill=True, say=say)
    assert outcome.broken(killed=True) == []
    assert outcome.accepted == 20_000
    assert outcome.arrived
    assert outcome.arrived.delivered == 20_000
    assert outcome.arrived.copies > 1000, "requests were not repeated"
