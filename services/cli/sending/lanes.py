"""Several batches in flight, and yet each lead's calls in their order.

A lead always goes by the same lane, and a lane has one batch on the way at a time.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass

import msgspec

from services.cli.errors import CommandError
from services.cli.sending.client import IngestClient, Rejection

LANES = 8
BATCH_EVENTS = 200
BATCH_BYTES = 400_000  # clients of the Segment API may count on 500 kB


@dataclass(frozen=True)
class Entry:
    """A JSON-encoded call, whose it is, and where it came from (a row number, say)."""

    call: bytes
    identity: str
    origin: int


Answered = Callable[[Sequence[Entry], Sequence[Rejection]], None]


async def send_in_lanes(
    client: IngestClient,
    entries: AsyncIterable[Entry],
    answered: Answered,
    *,
    lanes: int = LANES,
    batch_events: int = BATCH_EVENTS,
) -> None:
    """Send everything; `answered` is told of each acknowledged batch. Raises what `IngestClient.send` raises."""
    try:
        async with asyncio.TaskGroup() as tasks:
            started = [_Lane(client, answered, batch_events) for _ in range(lanes)]
            workers = [tasks.create_task(lane.work()) for lane in started]
            async for entry in entries:
                await started[zlib.crc32(entry.identity.encode()) % lanes].add(entry)
            for lane in started:
                await lane.finish()
            await asyncio.gather(*workers)
    except* CommandError as group:
        raise _first(group) from None


def _first(group: BaseExceptionGroup[CommandError]) -> CommandError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, CommandError)
    return error


class _Lane:
    def __init__(self, client: IngestClient, answered: Answered, batch_events: int) -> None:
        self._client, self._answered, self._batch_events = client, answered, batch_events
        # One batch waiting beside the one in flight: the source is read no faster than ingest takes.
        self._queue: asyncio.Queue[list[Entry] | None] = asyncio.Queue(maxsize=1)
        self._batch: list[Entry] = []
        self._bytes = 0

    async def add(self, entry: Entry) -> None:
        if self._batch and self._bytes + len(entry.call) > BATCH_BYTES:
            await self._flush()
        self._batch.append(entry)
        self._bytes += len(entry.call) + 1
        if len(self._batch) >= self._batch_events:
            await self._flush()

    async def finish(self) -> None:
        if self._batch:
            await self._flush()
        await self._queue.put(None)

    async def work(self) -> None:
        while (batch := await self._queue.get()) is not None:
            rejections = await self._client.send([entry.call for entry in batch])
            self._answered(batch, rejections)

    async def _flush(self) -> None:
        batch, self._batch, self._bytes = self._batch, [], 0
        await self._queue.put(batch)


def encode(call: object) -> bytes:
    """A call as the bytes of an `Entry`."""
    return msgspec.json.encode(call)
