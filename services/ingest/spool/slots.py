"""A directory may serve several processes, and those that come after them: each locks a folder of its own in it, a
slot, and takes over what it finds in slots that nobody holds."""

from __future__ import annotations

import fcntl
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from shared.settings import ConfigurationError

log = logging.getLogger(__name__)

MAX_SLOTS = 256


@dataclass(frozen=True)
class Slot:
    """A folder that is ours as long as its lock is held: until `release`, or the end of the process."""

    directory: Path
    lock: int

    def release(self) -> None:
        os.close(self.lock)


def take_slot(directory: Path) -> Slot:
    """The first one that is free, with what other free ones have left in front of it. Raises `ConfigurationError`."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        slot = next((slot for number in range(MAX_SLOTS) if (slot := _lock(directory / str(number)))), None)
        if slot is None:
            raise ConfigurationError(f"{directory} is in use by {MAX_SLOTS} processes: set TASUKI_SPOOL_DIR")
        _take_over(directory, slot)
    except OSError as error:
        raise ConfigurationError(
            f"the spool's directory {directory} cannot be used ({error.strerror or error}): set TASUKI_SPOOL_DIR to "
            "one on a local disk that outlives the process, or to nothing; without a spool senders get 429 while Kafka "
            "is away"
        ) from error
    return slot


def _lock(directory: Path) -> Slot | None:
    """None where another process has it."""
    directory.mkdir(exist_ok=True, mode=0o700)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return Slot(directory, descriptor)


def _take_over(directory: Path, ours: Slot) -> None:
    """Order is kept per lead within a process, so it does not matter what of another's comes first."""
    for other in sorted(directory.iterdir()):
        left = sorted(other.glob("*.spool")) if other.is_dir() and other != ours.directory else []
        if not left or not (theirs := _lock(other)):
            continue
        log.warning("%s: taking over %d files that a process has left", other, len(left))
        number = next_number(ours.directory)
        for path in left:
            target = ours.directory / f"{number:020d}.spool"
            number += 1
            # First how far it was sent: without that it would only be sent twice.
            if (position := path.with_suffix(".position")).exists():
                position.rename(target.with_suffix(".position"))
            path.rename(target)
        theirs.release()


def next_number(directory: Path) -> int:
    """Of the next segment: greater than that of any which is or was there."""
    numbers = [int(path.stem) for path in directory.iterdir() if path.stem.isdigit()]
    return max(numbers, default=0) + 1
