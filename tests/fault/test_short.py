"""The short schedule, for continuous integration: a kill of each kind, a zombie, poison, and both parts restarted."""

from __future__ import annotations

import pytest

from tests.fault import report
from tests.fault.run import SHORT_EVENTS, run_campaign
from tests.fault.schedule import SHORT


@pytest.mark.timeout(420)
def test_after_the_short_schedule_everything_is_as_without_faults(capsys: pytest.CaptureFixture[str]) -> None:
    def say(text: str) -> None:
        with capsys.disabled():
            print(text)  # noqa: T201 - four minutes are long enough to wonder

    verdict = run_campaign(seed=7, events=SHORT_EVENTS, faults=SHORT, rate=300.0, say=say)
    assert verdict.holds, report.table(verdict)
    assert [one.fault for one in verdict.happened] == list(SHORT)
    assert verdict.handoffs > 60  # of leads of one id, whose way the oracle knows
    assert verdict.copies > 1000, "requests were not repeated: nothing was deduplicated"
