"""`tasuki demo --once`, small: nothing lost, hand-offs at every department, one JSON object at the end."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_whole_sample_goes_through(stack_environment: dict[str, str]) -> None:
    result = subprocess.run(
        [
            *(sys.executable, "-m", "services.cli.main", "demo", "--once", "--leads", "150", "--seed", "7"),
            *("--seconds", "2", "--partitions", "2"),
        ],
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    summary = json.loads(result.stdout.splitlines()[-1])
    assert summary["problems"] == []
    assert summary["lost"] == 0
    assert summary["events"] == summary["accepted"] > 1000
    assert sum(summary["stages"].values()) == summary["leads"] > 200
    assert summary["merged"]["ids"] > 50
    assert summary["leads"] + summary["merged"]["ids"] == summary["ids"]
    assert 0.005 < summary["unclassified"]["share"] < 0.05
    assert 0.005 < summary["ignored"]["crawler"]["share"] < 0.05
    assert {"inside-sales", "field-sales"} <= set(summary["handoffs"])
    assert summary["latency_ms"]["p50"] is None or 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert "【引き継ぎ】" in result.stdout
