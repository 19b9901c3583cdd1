"""The launcher's side of a guard: a process that cannot outlive us, with verbs to kill it and start it again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shared.parts.errors import PartsError
from shared.parts.readiness import POLL_S, await_ready, tail

GUARD = Path(__file__).with_name("guard.py")
CLEAN_UP_S = 30.0


@dataclass(frozen=True)
class Command:
    """How a part's process is started."""

    argv: Sequence[str]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    user: int | None = None
    """uid and gid to run as; None: the launcher's own."""


class Guard:
    """A guard process and the directory it watches over: `keep`, or a temporary one that is removed at the end."""

    def __init__(self, name: str, keep: Path | None) -> None:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            # -I -S: nothing of the environment or of site-packages, so that it starts fast and always.
            [sys.executable, "-I", "-S", str(GUARD), "keep" if keep else f"tasuki-{name}-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        made = self._read()["directory"]
        self.directory = keep.resolve() if keep else Path(made)

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Send one request and wait for its answer. Raises `PartsError` when the guard refuses or is gone."""
        assert self._process.stdin is not None
        with self._turn:
            try:
                self._process.stdin.write(json.dumps({"verb": verb, **arguments}) + "\n")
                self._process.stdin.flush()
            except (BrokenPipeError, ValueError) as error:
                raise PartsError("the parts have been stopped: nothing can be done with them any more") from error
            reply = self._read()
        if "error" in reply:
            raise PartsError(f"cannot {verb} {arguments.get('argv', [''])[0]}: {reply['error']}")
        return reply

    def start(self, command: Command) -> None:
        self.ask(
            "start",
            argv=list(command.argv),
            log=str(command.log),
            stop_signal=command.stop_signal,
            user=command.user,
        )

    def run(self, command: Command, watch: Callable[[], None] = lambda: None) -> None:
        """Run a program to its end, calling `watch` meanwhile. Raises `PartsError` with the end of its log."""
        self.start(command)
        while (code := self.ask("state")["exit"]) is None:
            watch()
            time.sleep(POLL_S)
        if code:
            raise PartsError(f"{Path(command.argv[0]).name} failed (exit {code}){tail(command.log)}")

    def close(self) -> None:
        """Let the guard end its process and remove the directory; returns when both are gone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.close()
        self._process.wait(CLEAN_UP_S)
        self._process.stdout.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PartsError(f"the guard of a part ended unexpectedly (exit {self._process.wait()})")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


@dataclass
class GuardedProcess:
    """A part's process: start, kill (SIGKILL), stop (orderly), start again on the same data and port."""

    name: str
    guard: Guard
    command: Command
    probe: Callable[[], None]
    """Returns when the part answers, else raises `NotReadyError`."""
    patience_s: float = 120.0
    _started: bool = field(default=False, init=False)

    def start(self) -> None:
        """Start it and wait until it answers. Does nothing while it runs.

        Raises `PartsError` with the end of its log when it exits or does not answer in time.
        """
        if self.running():
            return
        self.guard.start(self.command)
        self._started = True
        await_ready(self.name, self.probe, self.running, self.command.log, self.patience_s)

    def kill(self) -> None:
        """SIGKILL, as a crash would; the data stays."""
        self.guard.ask("end", graceful=False)
        self._started = False

    def stop(self) -> None:
        """End it in its own orderly way; the data stays."""
        self.guard.ask("end", graceful=True)
        self._started = False

    def running(self) -> bool:
        return self._started and self.guard.ask("state")["exit"] is None
