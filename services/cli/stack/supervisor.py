"""Keeps service processes running: starts each again when it ends, later each time, until told to stop."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
HEALTHY_AFTER = 30.0  # whoever ran so long begins again with the first pause
TERM_PATIENCE = 40.0  # longer than the longest transaction that the scorer waits for
TAIL_LINES = 15

Say = Callable[[str], None]


class Supervised:
    """One service process and its successors. `exits` counts how often it ended by itself."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path, say: Say) -> None:
        self.name, self.log, self.exits = name, log, 0
        self._command, self._environment, self._say = command, dict(environment), say
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._keep_running, name=f"supervise-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the present process; None between two."""
        with self._turn:
            running = self._process is not None and self._process.poll() is None
            return self._process.pid if running and self._process else None

    def tell_to_stop(self) -> None:
        """SIGTERM now; `wait_until_gone` waits."""
        with self._turn:
            self._stopping.set()
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()

    def wait_until_gone(self) -> None:
        """SIGKILL where SIGTERM did not help."""
        self._thread.join(TERM_PATIENCE)
        with self._turn:
            if self._process is not None and self._process.poll() is None:
                self._say(f"{self.name} does not end by itself: killed")
                self._process.kill()
        self._thread.join()

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-TAIL_LINES:])

    def _keep_running(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            code = self._run_once()
            if self._stopping.is_set():
                return
            self.exits += 1
            if time.monotonic() - began > HEALTHY_AFTER:
                pause = FIRST_PAUSE
            self._say(f"{self.name} ended (exit code {code}); started again in {pause:g} s. Log: {self.log}")
            self._stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _run_once(self) -> int:
        with self.log.open("ab") as log:
            with self._turn:
                if self._stopping.is_set():
                    return 0
                self._process = process = self._spawn(log)
            code = process.wait()
            assert process.stdin is not None
            process.stdin.close()
            return code

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C in the terminal reaches the supervisor only, which ends the services in order.
        # The pipe to its standard input closes when we end, however we end (lifeline.py).
        return subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def service_command(service: str) -> list[str]:
    """`tasuki serve SERVICE` with this very Python, bound to our life."""
    return [sys.executable, "-m", "services.cli.main", "serve", service, "--while-stdin-open"]
