"""The process between a launcher and one part (a broker, a database): it owns the part's process and temporary
directory, and takes both away when its launcher is gone.

Why a process of its own: a launcher that is killed with SIGKILL runs no `finally`, and what it had started would live
on. The guard holds the read end of a pipe whose only write end is in the launcher. However the launcher ends, the
kernel closes that pipe, and the guard cleans up. It runs in its own session, so that a Ctrl-C in the terminal does not
end it first. Run as a script with the standard library alone: it starts in 20 ms and cannot fail on our imports.

Usage: `guard.py keep` or `guard.py PREFIX` (make a temporary directory with this prefix, remove it at the end).
Requests and answers are JSON, one a line, on stdin and stdout; see `guarded.py`.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

LAUNCHER_CHECK_S = 1.0
DEATH_S = 10.0
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Guard:
    """At most one process at a time, and the directory that belongs to it."""

    def __init__(self, directory: str | None) -> None:
        self.directory = directory
        self.process: subprocess.Popen[bytes] | None = None
        self.stop_signal: int = signal.SIGTERM

    def start(self, argv: list[str], log: str, stop_signal: int, user: int | None) -> dict[str, Any]:
        """Start the process in a session of its own, its output appended to `log`; `user` is both uid and gid."""
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                # Without a UTF-8 locale a JVM cannot open a path with Japanese letters.
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        self.stop_signal = stop_signal
        return {"pid": self.process.pid}

    def end(self, graceful: bool) -> dict[str, Any]:
        """End the process and everything it has started; gracefully means its own signal first, with time to obey."""
        if self.process is None or self.process.poll() is not None:
            return self.state()  # its pid may be somebody else's by now
        family = descendants(self.process.pid)
        if graceful:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(DEATH_S)
            except subprocess.TimeoutExpired:
                sys.stderr.write(f"{self.process.args!r} did not stop in {DEATH_S:.0f} s: killing it\n")
        for pid in (self.process.pid, *family):
            # Postgres gives each backend a session of its own: killing the leader's group would miss them.
            send_kill(pid)
        self.process.wait()
        until = time.monotonic() + DEATH_S
        while any(is_running(pid) for pid in family) and time.monotonic() < until:
            time.sleep(0.01)
        return self.state()

    def state(self) -> dict[str, Any]:
        return {"exit": self.process.poll() if self.process else None}

    def leave(self) -> None:
        """What is kept deserves an orderly stop; what is thrown away does not need one."""
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # half a clean-up would be none
        self.end(graceful=self.directory is None)
        until = time.monotonic() + DEATH_S
        while self.directory is not None and os.path.exists(self.directory):
            try:
                shutil.rmtree(self.directory)
            except OSError:  # a dying launcher may still be writing into it
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


def descendants(root: int) -> list[int]:
    """Pids of all processes below `root`, where the system has /proc; elsewhere none."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended between the listing and the reading
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found: list[int] = []
    level = [root]
    while level:
        level = [child for parent in level for child in children.get(parent, [])]
        found += level
    return found


def is_running(pid: int) -> bool:
    """Whether `pid` still runs; a zombie that nobody has collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def send_kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # already gone, which is what was wanted


def requests(launcher: int) -> Iterator[dict[str, Any]]:
    """Requests until the launcher is gone. The parent's pid is looked at as well: a forked child of the launcher
    (multiprocessing) inherits the pipe's write end and would keep it open."""
    buffer = b""
    while os.getppid() == launcher:
        if not select.select([0], [], [], LAUNCHER_CHECK_S)[0]:
            continue
        received = os.read(0, 65536)
        if not received:
            return
        *lines, buffer = (buffer + received).split(b"\n")
        yield from map(json.loads, lines)


def answer(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def on_signal(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    launcher = os.getppid()
    for number in ENDING_SIGNALS:
        signal.signal(number, on_signal)
    guard = Guard(None if sys.argv[1] == "keep" else tempfile.mkdtemp(prefix=sys.argv[1]))
    try:
        answer({"directory": guard.directory})
        for request in requests(launcher):
            try:
                verb = getattr(guard, request.pop("verb"))
                answer(verb(**request))
            except OSError as error:
                answer({"error": str(error)})
    except BrokenPipeError:
        pass  # the launcher died while being answered: the same end as a closed pipe
    finally:
        guard.leave()


if __name__ == "__main__":
    main()
