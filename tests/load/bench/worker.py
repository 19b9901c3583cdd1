"""An engine's process: it cannot outlive us, and says what it has cost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.parts.guarded import Guard


class EngineError(Exception):
    """An engine ended, or does not get on; the text has the end of its log."""


@dataclass
class Worker:
    """One engine's process, its log beside its state."""

    guard: Guard
    argv: list[str]
    pid: int = 0

    def start(self) -> None:
        self.pid = self.guard.ask("start", argv=self.argv, log=str(self.log), stop_signal=15, user=None)["pid"]

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.guard.ask("end", graceful=False)

    def stop(self) -> None:
        self.guard.ask("end", graceful=True)

    @property
    def log(self) -> Path:
        return self.guard.directory / "engine.log"

    def check(self) -> None:
        """Raises `EngineError` when it has ended."""
        code = self.guard.ask("state")["exit"]
        if code is not None:
            raise EngineError(f"the engine ended by itself with {code}\n{self.last_words()}")

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def cpu_seconds(self) -> float:
        """Processor time used so far, by all its threads (Linux)."""
        user, system = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self) -> float:
        """The most memory it has had (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024


@contextmanager
def guarded(name: str) -> Iterator[Guard]:
    """A guard whose directory is removed at the end."""
    with Guard(f"bench-{name}", None) as guard:
        yield guard
