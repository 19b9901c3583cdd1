"""What the broker says of itself. One thing cannot be seen from outside in time, and only an operator can mend it.

Killed and started again under load, Apache Kafka 4.3 may leave a group coordinator FAILED for good: a load for the old
leader's epoch ends after the new one has begun, and is taken for it (see docs/upstream.md). Every member of such a
group is then told NOT_COORDINATOR until the broker is restarted.
"""

from __future__ import annotations

from pathlib import Path

FAILED = b"context is in FAILED state"
OVERLAP = len(FAILED) - 1
"""So much is read again: a line may have been written half. One byte too short to tell anything twice."""


class BrokerLog:
    """Reads on where it has stopped reading."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def coordinator_has_failed(self) -> bool:
        """Whether the broker has said so since this was last asked."""
        with self._path.open("rb") as log:
            log.seek(max(0, self._read - OVERLAP))
            new = log.read()
            self._read = log.tell()
        return FAILED in new
