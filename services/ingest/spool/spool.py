"""The spool as the event loop sees it: appends of many requests share a sync, and what waits is read in their order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from services.ingest.publishing import Record
from services.ingest.spool import segments
from services.ingest.spool.entry import Damaged, encode_entry
from services.ingest.spool.segments import Read, Segment, Writer
from services.ingest.spool.slots import next_number, take_slot
from shared.settings import ConfigurationError

log = logging.getLogger(__name__)

READ_BYTES = 1024 * 1024
MAX_WAITING_BYTES = 64 * 1024 * 1024  # for the disk

T = TypeVar("T")
Synced = asyncio.Future[None]


class SpoolFull(Exception):
    """Nothing was appended; the message says why."""


class Spool:
    """Made by `open`, which reads what an earlier process has left."""

    def __init__(self, directory: Path, max_bytes: int, observe_sync: Callable[[float], None]) -> None:
        self._slot = take_slot(directory)
        self._topics_path = directory / "topics"
        self._max_bytes = max_bytes
        self._observe_sync = observe_sync
        found = segments.find(self._slot.directory)
        self._segments = deque(found.segments)
        self._writer = Writer(self._slot.directory, next_number(self._slot.directory))
        self.records, self._oldest_ms = found.records, found.first_ms
        self.trouble: str | None = None  # why the latest records were not taken
        self._waiting: list[tuple[bytes, int, Synced]] = []
        self._waiting_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._disk = ThreadPoolExecutor(1, "spool")

    @classmethod
    def open(cls, directory: Path, max_bytes: int, observe_sync: Callable[[float], None] = lambda _: None) -> Spool:
        """`max_bytes`: on the disk. `observe_sync` is told the seconds of each sync. Raises `ConfigurationError`."""
        return cls(directory, max_bytes, observe_sync)

    @property
    def directory(self) -> Path:
        return self._slot.directory

    def serves(self, topics: Sequence[str]) -> bool:
        """Whether it is known to be for these, which were there once. Raises `ConfigurationError` where it holds
        records for others."""
        try:
            known = self._topics_path.read_text().split()
        except FileNotFoundError:
            return False
        if known != list(topics) and self.records:
            raise ConfigurationError(
                f"{self.directory} holds {self.records} records for {', '.join(known)}, and this ingest writes to "
                f"{', '.join(topics)}: set TASUKI_SPOOL_DIR to another directory, or TASUKI_TOPIC_PREFIX to that one's"
            )
        return known == list(topics)

    def serve(self, topics: Sequence[str]) -> None:
        """These are there. Raises `ConfigurationError`, see `serves`."""
        if not self.serves(topics):
            self._topics_path.write_text("\n".join(topics))

    @property
    def is_empty(self) -> bool:
        """Nothing waits for Kafka, and nothing for the disk."""
        return not self.records and not self._waiting and self._writing is None

    @property
    def bytes(self) -> int:
        """Not yet sent."""
        return sum(segment.size - segment.sent for segment in self._segments)

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest record has been waiting."""
        return max(0.0, time.time() - self._oldest_ms / 1000) if self._oldest_ms is not None else 0.0

    def append(self, records: Sequence[Record]) -> Synced:
        """Done as soon as `records` are on the disk, behind all that was appended before. Raises `SpoolFull`, as the
        future does."""
        data = encode_entry(records, round(time.time() * 1000))
        on_disk = sum(segment.size for segment in self._segments)
        if on_disk + self._waiting_bytes + len(data) > self._max_bytes:
            self.trouble = f"the spool is full ({self._max_bytes} bytes)"
            raise SpoolFull(self.trouble)
        if self._waiting_bytes + len(data) > MAX_WAITING_BYTES:
            raise SpoolFull("too many events are waiting for the disk")
        synced: Synced = asyncio.get_running_loop().create_future()
        self._waiting.append((data, len(records), synced))
        self._waiting_bytes += len(data)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return synced

    async def _write(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting, []
            data = b"".join(entry for entry, _, _ in together)
            started = time.perf_counter()
            try:
                segment = await self._on_disk(partial(self._writer.append, data))
            except OSError as error:
                self._waiting_bytes -= len(data)
                log.error("nothing can be written to %s: %r", self.directory, error)
                self.trouble = f"the spool's disk takes no more ({error.strerror or error})"
                _settle(together, SpoolFull(self.trouble))
                continue
            self.trouble = None
            self._observe_sync(time.perf_counter() - started)
            self._waiting_bytes -= len(data)
            if not self._segments or self._segments[-1] is not segment:
                self._segments.append(segment)
            self.records += sum(count for _, count, _ in together)
            if self._oldest_ms is None:
                self._oldest_ms = round(time.time() * 1000)
            _settle(together, None)
        self._writing = None

    async def read(self) -> Read | None:
        """The oldest records, which stay until `sent`; None where there are none."""
        while self._segments:
            segment = self._segments[0]
            if segment.sent >= segment.size:
                if self._writing and len(self._segments) == 1:  # it may be growing
                    await asyncio.shield(self._writing)
                    continue
                await self._drop(segment)
                continue
            try:
                found = await self._on_disk(partial(segments.read, segment, segment.size, READ_BYTES))
            except Damaged as error:
                log.error("%s: %s; it is kept as a .damaged file", segment.path, error)
                segment.damaged = True
                await self._drop(segment)
                continue
            self._oldest_ms = found.first_ms
            return found
        if self._writing:
            await asyncio.shield(self._writing)
            return await self.read() if self._segments else None
        self.records, self._oldest_ms = 0, None  # also where something could not be read
        return None

    async def sent(self, read: Read) -> None:
        """What was read is in Kafka."""
        read.segment.sent = read.end
        self.records -= len(read.records)
        self._oldest_ms = read.last_ms
        await self._on_disk(read.segment.save_position)
        if read.end >= read.segment.size and not self._writing:
            await self._drop(read.segment)

    async def keep_aside(self, records: Sequence[Record]) -> None:
        """Kafka will never take these: they are kept in the file `refused`. Raises `OSError`."""
        data = encode_entry(records, round(time.time() * 1000))
        await self._on_disk(lambda: segments.append_synced(self.directory / "refused", data))

    async def close(self) -> None:
        """Returns when all that was appended is on the disk."""
        if self._writing:
            await self._writing
        await self._on_disk(self._writer.close)
        self._disk.shutdown()
        self._slot.release()

    async def _drop(self, segment: Segment) -> None:
        self._segments.popleft()

        def forget() -> None:
            self._writer.leave(segment)
            segment.forget()

        await self._on_disk(forget)

    async def _on_disk(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)


def _settle(together: Sequence[tuple[bytes, int, Synced]], error: SpoolFull | None) -> None:
    for _, _, synced in together:
        if synced.done():  # its sender has gone
            continue
        if error:
            synced.set_exception(error)
            synced.exception()  # Kafka may have taken it after all, and then nobody asks
        else:
            synced.set_result(None)
