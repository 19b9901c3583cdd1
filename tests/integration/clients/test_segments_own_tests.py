"""The tests that segment-analytics-python brings along, which expect Segment at the other end, with us there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import segment.analytics.test

from tests.integration.clients.conftest import address
from tests.integration.ingest.conftest import Ingest

HERE = Path(__file__).parent
SILENT = "test_client.py::TestClient::test_success_on_invalid_write_key"
"""Segment takes what has an unknown write key, and drops it; we say 401."""


def test_they_pass_as_they_do_against_segment(ingest: Ingest) -> None:
    before = len(ingest.events())
    tests = Path(segment.analytics.test.__file__).parent
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tests), "--deselect", SILENT]
    plugins = ["-p", "redirected", "-p", "no:asyncio", "-p", "no:cacheprovider"]
    environment = os.environ | {"TASUKI_TEST_INGEST": address(ingest), "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [*command, *plugins, str(tests)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    answered = re.search(r"answered by ingest: (\d+) requests with \[200\]", done.stdout)
    assert answered, done.stdout[-500:]
    assert int(answered[1]) > 30
    assert len(ingest.events()) - before > 30
