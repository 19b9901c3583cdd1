"""The broker's log is read on, and what it says is told once."""

from __future__ import annotations

from pathlib import Path

from tests.fault.broker_log import FAILED, BrokerLog


def test_it_is_told_once_also_when_it_comes_in_two_parts(tmp_path: Path) -> None:
    path = tmp_path / "kafka.log"
    path.write_bytes(b"starting\nIgnored load completion because context is in FAI")
    log = BrokerLog(path)
    assert not log.coordinator_has_failed()
    with path.open("ab") as more:
        more.write(b"LED state.\n")
    assert log.coordinator_has_failed()
    assert not log.coordinator_has_failed()
    with path.open("ab") as more:
        more.write(b"..." + FAILED)
    assert log.coordinator_has_failed()
