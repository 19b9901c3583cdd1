"""A launcher in a process of its own, to be ended in every way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@dataclass
class Launcher:
    """`python -m shared.parts` and the directory in which its parts keep their data."""

    process: subprocess.Popen[str]
    directory: Path

    def addresses(self) -> dict[str, str]:
        """What it prints when its parts answer; empty when it ended without."""
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(2)]
        return dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line)

    def complaint(self) -> str:
        """What it says when it cannot do it."""
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 1, said
        return said

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(30)

    def leftovers(self) -> list[str]:
        """Files it left, and command lines of processes that have to do with its directory."""
        files = [str(path) for path in self.directory.iterdir()]
        return files + [line for line in command_lines().values() if str(self.directory) in line]

    def leaves_nothing(self, patience_s: float = 20.0) -> bool:
        until = time.monotonic() + patience_s
        while self.leftovers() and time.monotonic() < until:
            time.sleep(0.05)
        return not self.leftovers()


def command_lines() -> dict[int, str]:
    """Of every process, by pid."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[int(entry.parent.name)] = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return found


@pytest.fixture
def directory() -> Iterator[Path]:
    """A place for temporary files that every user can reach, with a name that takes care to handle."""
    made = Path(tempfile.mkdtemp(prefix="two words 襷 "))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def launch(directory: Path) -> Iterator[Callable[..., Launcher]]:
    """Starts launchers; `before` are the words of a command that starts them in its own way."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, before: tuple[str, ...] = (), **environment: str) -> Launcher:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASUKI_")}
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "shared.parts", *arguments],
            cwd=ROOT,
            env=inherited | {"TMPDIR": str(directory)} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return Launcher(process, directory)

    yield start
    for process in started:
        with _closing(process):
            process.kill()


@contextmanager
def _closing(process: subprocess.Popen[str]) -> Iterator[None]:
    yield
    process.communicate()
