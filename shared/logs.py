"""Logging of a service: one format, no storms from the libraries below us, and nobody's e-mail address.

While a broker is away, aiokafka writes some hundred lines a second, all alike, and so does uvicorn of a flood that is
no HTTP; whoever looks for the reason at night would not find ours among them.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
NOISY = ("aiokafka", "faust", "kafka", "uvicorn")
QUIET_SECONDS = 10.0
MAX_KINDS = 1_000
_EMAIL = re.compile(r"[\w.+*&%-]{1,64}@[\w-]+(\.[\w-]+)+")


def set_up(level: str) -> None:
    """For the process, on standard error. `level` as Python's logging names it."""
    handler = logging.StreamHandler()
    handler.addFilter(Calm())
    handler.setFormatter(Discreet(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
    for name in NOISY:  # at DEBUG aiokafka writes each record, with all that somebody has told of themselves
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))


class Discreet(logging.Formatter):
    """Leaves e-mail addresses out, of tracebacks too: a library's error may quote what it could not read."""

    def format(self, record: logging.LogRecord) -> str:
        return _EMAIL.sub("(e-mail address)", super().format(record))


class Calm(logging.Filter):
    """Lets a kind of line (same logger and template) of the noisy libraries through once in `QUIET_SECONDS`, and says
    how many like it were left out since. Everything else passes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._shown: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in NOISY:
            return True
        kind, now = (record.name, str(record.msg)), self._clock()
        shown, left_out = self._shown.get(kind, (-QUIET_SECONDS, 0))
        if now - shown < QUIET_SECONDS:
            self._shown[kind] = (shown, left_out + 1)
            return False
        if len(self._shown) >= MAX_KINDS:
            self._shown.clear()  # templates that are made up anew each time: nothing to gain by remembering them
        self._shown[kind] = (now, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out} more like it)", ()
        return True
