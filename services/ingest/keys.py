"""Which source a write key stands for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from shared.keys import KeyEntry, KeyKind, KeyRing, read_keys
from shared.settings import ConfigurationError

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 1.0


class WriteKeys:
    """Keys given by variable and by file. A changed file counts within a second, without a restart: a key
    that leaked must stop working at once. A file that cannot be read any more changes nothing and is logged."""

    def __init__(
        self, entries: list[KeyEntry], file: Path | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._fixed = entries
        self._file = file
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._version = _version(file)
        self._ring = KeyRing(entries + (read_keys(file) if file else []))

    def source_of(self, secret: str) -> str | None:
        """The name of the source; None for a key that is not ours."""
        if self._file and self._monotonic() - self._looked_at >= _LOOK_EVERY_SECONDS:
            self._look_again(self._file)
        entry = self._ring.find(KeyKind.WRITE, secret)
        return entry.name if entry else None

    def _look_again(self, file: Path) -> None:
        self._looked_at = self._monotonic()
        version = _version(file)
        if version == self._version:
            return
        self._version = version
        try:
            self._ring = KeyRing(self._fixed + read_keys(file))
            log.info("keys file read again: %d keys", len(self._ring))
        except ConfigurationError as error:
            log.error("the keys known before stay valid: %s", error)


def _version(file: Path | None) -> tuple[int, int, int] | None:
    """Changes when the file is replaced, edited or removed."""
    if file is None or not file.exists():
        return None
    status = file.stat()
    return status.st_ino, status.st_mtime_ns, status.st_size
