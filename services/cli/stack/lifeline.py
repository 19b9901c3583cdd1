"""A service that was started by `tasuki up` must not outlive it, not even when that was killed.

The parent holds the other end of the child's standard input; however the parent ends, the system closes it.
"""

from __future__ import annotations

import os
import signal
import threading

GRACE_SECONDS = 45.0
STDIN = 0


def end_with_parent() -> None:
    """From now on the end of standard input is a SIGTERM; after `GRACE_SECONDS` the process ends in any case."""
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    while os.read(STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE_SECONDS)
    os._exit(1)
