"""The files of one spool. Everything here blocks, and is called by one thread at a time."""

from __future__ import annotations

import logging
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from services.ingest.publishing import Record
from services.ingest.spool.entry import Damaged, Entry, entries_in, size_of

log = logging.getLogger(__name__)

SEGMENT_BYTES = 32 * 1024 * 1024
_POSITION = struct.Struct(">Q")


@dataclass
class Segment:
    """One file. `sent` bytes of it are in Kafka, `size` bytes are whole entries, `damaged` where it cannot be read to
    its end."""

    path: Path
    sent: int = 0
    size: int = 0
    damaged: bool = False

    @property
    def position_path(self) -> Path:
        return self.path.with_suffix(".position")

    def forget(self) -> None:
        """All of it is sent. What cannot be read is kept under another name: somebody may want to look at it."""
        if self.damaged:
            self.path.rename(self.path.with_suffix(".damaged"))
        else:
            self.path.unlink(missing_ok=True)
        self.position_path.unlink(missing_ok=True)

    def save_position(self) -> None:
        """Unsynced: after a loss of power a part is sent again, with the same messageIds."""
        self.position_path.write_bytes(_POSITION.pack(self.sent))


@dataclass(frozen=True)
class Read:
    """Records in their order; in `segment` they end at `end`. The last of their requests came at `last_ms`."""

    records: list[Record]
    segment: Segment
    end: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True)
class Found:
    """What an earlier process has left: how many records, and when the first of them came."""

    segments: list[Segment]
    records: int
    first_ms: int | None


def find(directory: Path) -> Found:
    """Reads all that is left, to know what is whole."""
    segments, records, first_ms = [], 0, None
    for path in sorted(directory.glob("*.spool")):
        segment = Segment(path)
        try:
            segment.sent = segment.size = _POSITION.unpack(segment.position_path.read_bytes())[0]
        except (OSError, struct.error):  # nothing was sent, or the machine stopped while this was written
            segment.sent = segment.size = 0
        data = path.read_bytes()
        try:
            for entry in entries_in(data[segment.sent :], segment.sent):
                records += len(entry.records)
                first_ms = entry.at_ms if first_ms is None else first_ms
                segment.size = entry.end
        except Damaged as error:
            segment.damaged = True
            log.error("%s: %s; %d bytes of it are kept in a .damaged file", path, error, len(data) - segment.size)
        segments.append(segment)
    return Found(segments, records, first_ms)


def read(segment: Segment, size: int, max_bytes: int) -> Read:
    """The next records of a segment of `size` synced bytes: about `max_bytes`, but one entry at least. Raises `Damaged`
    where there is none that can be read, and `OSError`."""
    with segment.path.open("rb") as file:
        file.seek(segment.sent)
        data = file.read(min(max_bytes, size - segment.sent))
        if (needed := size_of(data)) > len(data):
            data += file.read(needed - len(data))
    found: list[Entry] = []
    try:
        found.extend(entries_in(data, segment.sent))
    except Damaged:
        if not found:
            raise
    if not found:
        raise Damaged(f"no whole entry at byte {segment.sent}")
    records = [record for entry in found for record in entry.records]
    return Read(records, segment, found[-1].end, found[0].at_ms, found[-1].at_ms)


class Writer:
    """Appends to the newest segment, and begins another one when it is full or has failed."""

    def __init__(self, directory: Path, number: int) -> None:
        """`number`: of the first segment that it begins."""
        self._directory, self._next = directory, number
        self._file: int | None = None
        self._segment: Segment | None = None

    def append(self, data: bytes) -> Segment:
        """Returns when `data` is on the disk: the segment it is in, which has grown. Raises `OSError`, and then nothing
        was appended."""
        segment = self._segment
        if self._file is None or segment is None or segment.size >= SEGMENT_BYTES:
            segment = self._begin()
        assert self._file is not None
        try:
            _write(self._file, data)
            os.fdatasync(self._file)
        except OSError:
            # After a failed sync nobody knows what is on the disk: what follows goes to another file.
            self._abandon(segment)
            raise
        segment.size += len(data)
        return segment

    def leave(self, segment: Segment) -> None:
        """Nothing more is appended to this one."""
        if segment is self._segment:
            self.close()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = self._segment = None

    def _begin(self) -> Segment:
        self.close()
        path = self._directory / f"{self._next:020d}.spool"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._next += 1
        self._segment = Segment(path)
        sync_directory(self._directory)
        return self._segment

    def _abandon(self, segment: Segment) -> None:
        assert self._file is not None
        try:
            os.ftruncate(self._file, segment.size)
        except OSError as error:
            log.error("%s cannot be cut back to its %d whole bytes: %r", segment.path, segment.size, error)
        self.close()
        if not segment.size:
            segment.path.unlink(missing_ok=True)


def append_synced(path: Path, data: bytes) -> None:
    """To a file which nobody reads but people. Raises `OSError`."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        _write(file, data)
        os.fsync(file)
    finally:
        os.close(file)


def sync_directory(directory: Path) -> None:
    """Without it a new file's name is not on the disk, however often its content is synced."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
