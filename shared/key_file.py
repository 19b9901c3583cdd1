"""Keys of a running service: the keys file is looked at again while it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from shared.keys import KeyEntry, KeyKind, KeyRing, read_keys
from shared.settings import ConfigurationError

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 1.0


class ReloadingKeyRing:
    """Keys given by variable and by file. A changed file counts within a second, without a restart: a key
    that leaked must stop working at once. A file that cannot be read any more changes nothing and is logged."""

    def __init__(
        self, entries: list[KeyEntry], file: Path | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises `ConfigurationError` when `file` cannot be read now."""
        self._fixed = entries
        self._file = file
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._version = _version(file) if file else None
        self._ring = KeyRing(entries + (read_keys(file) if file else []))

    def find(self, kind: KeyKind, secret: str) -> KeyEntry | None:
        """As `KeyRing.find`: None for a secret that nobody was given, or that nobody has any more."""
        if self._file and self._monotonic() - self._looked_at >= _LOOK_EVERY_SECONDS:
            self._look_again(self._file)
        return self._ring.find(kind, secret)

    def _look_again(self, file: Path) -> None:
        self._looked_at = self._monotonic()
        # Taken before reading: what is written in between is another version, and read the next time.
        version = _version(file)
        if version == self._version:
            return
        self._version = version
        try:
            self._ring = KeyRing(self._fixed + read_keys(file))
            log.info("keys file read again: %d keys", len(self._ring))
        except ConfigurationError as error:
            log.error("the keys known before stay valid: %s", error)


def _version(file: Path) -> tuple[int, int, int] | None:
    """Changes when the file is replaced, edited or removed."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
