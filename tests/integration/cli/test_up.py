"""`tasuki up`: everything comes up, what dies comes back, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from services.cli.stack import Stack

COMMAND = [sys.executable, "-m", "services.cli.main", "up"]
MARK = "TASUKI_TEST_MARK"
needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are counted in /proc")


def await_(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def marked(mark: str) -> list[int]:
    """Every living process that inherited the mark: services, broker, database, guards."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended while we looked
    return found


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`tasuki up` with parts of its own, running, and the mark of its processes."""
    mark = uuid.uuid4().hex
    with (tmp_path / "output").open("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            COMMAND,
            env={**os.environ, MARK: mark, "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:

            def running() -> bool:
                assert process.poll() is None, (tmp_path / "output").read_text()
                return "Ctrl-C ends everything" in (tmp_path / "output").read_text()

            await_(running, 120)
            yield process, mark
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


@needs_proc
def test_everything_is_gone_after_control_c(up: tuple[subprocess.Popen[str], str]) -> None:
    process, mark = up
    assert len(marked(mark)) >= 6  # at least the command, three services, broker and database
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    await_(lambda: marked(mark) == [], 10)


@needs_proc
def test_everything_is_gone_after_a_crash(up: tuple[subprocess.Popen[str], str]) -> None:
    process, mark = up
    process.kill()
    await_(lambda: marked(mark) == [], 60)


def test_a_service_that_dies_comes_back(stack: Stack) -> None:
    for service in stack.services:
        before = service.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        await_(lambda service=service, before=before: service.pid not in (None, before))  # type: ignore[misc]
        await_(lambda service=service: ready(stack.access.urls[service.name]))  # type: ignore[misc]
        assert service.exits == 1


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).is_success
    except httpx.TransportError:
        return False
