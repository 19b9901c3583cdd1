"""A progress bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich import progress
from rich.console import Console

LINE_EVERY_SECONDS = 5.0


class Progress:
    """A context manager; `start` may be called again for a next phase."""

    def __init__(self, console: Console, noun: str) -> None:
        self._console, self._noun = console, noun
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn(noun),
            progress.TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: progress.TaskID | None = None
        self._what, self._total, self._done, self._last_line = "", 0, 0, 0.0

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, what: str, total: int, *, done: int = 0) -> None:
        self._what, self._total, self._done, self._last_line = what, total, done, time.monotonic()
        self._task = self._bar.add_task(what, total=total, completed=done)

    def advance(self, count: int) -> None:
        assert self._task is not None, "start() comes first"
        self._done += count
        self._bar.update(self._task, advance=count)
        now = time.monotonic()
        if not self._console.is_terminal and (now - self._last_line > LINE_EVERY_SECONDS or self._done == self._total):
            self._last_line = now
            self._console.print(f"{self._what}: {self._done:,} of {self._total:,} {self._noun}", highlight=False)
