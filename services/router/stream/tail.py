"""One reader for all streams of a router; it runs while there is any."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from aiokafka.errors import KafkaError

from services.router.interest import Interest
from services.router.stream.places import Places
from services.router.stream.reading import Sources, Told

log = logging.getLogger(__name__)

MOST_WAITING_BYTES = 4 * 1024 * 1024
FRAME_BYTES = 500
"""What a waiting frame costs beside its data."""
START_SECONDS = 10.0


class TailAway(Exception):
    """Kafka cannot be read now."""


class Client:
    """What waits for one stream. `closed`: no more will come; the reader has ended, or the client is too slow."""

    def __init__(self, interest: Interest) -> None:
        self.interest = interest
        self.closed = self.too_slow = False
        self._frames: deque[bytes] = deque()
        self._bytes, self._something = 0, asyncio.Event()

    def offer(self, frame: bytes) -> None:
        """Keep a frame; a client that is too far behind has to come back with the last id that it has seen."""
        if self.closed:
            return
        self._bytes += len(frame) + FRAME_BYTES
        if self._bytes > MOST_WAITING_BYTES:
            self.too_slow = True
            self.close()
            return
        self._frames.append(frame)
        self._something.set()

    def close(self) -> None:
        self.closed = True
        self._something.set()

    async def next(self, seconds: float) -> bytes:
        """The next frame; empty when none came in time, or none will come."""
        if not self._frames and not self.closed:
            self._something.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._something.wait()
            except TimeoutError:
                return b""
        if not self._frames:
            return b""
        frame = self._frames.popleft()
        self._bytes -= len(frame) + FRAME_BYTES
        return frame

    @property
    def is_empty(self) -> bool:
        return not self._frames


class Tail:
    """`places` is how far the reader is: everything before has been offered to the clients of that time."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._clients: set[Client] = set()
        self._reader: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._users = 0
        self.places = Places({})

    async def enter(self) -> None:
        """See that the reader runs; `leave` once for each time. Raises `TailAway`."""
        self._users += 1
        try:
            if self._reader is None or self._ready is None:
                self._ready = asyncio.get_running_loop().create_future()
                self._reader = asyncio.create_task(self._run(self._ready), name="stream reader")
                self._reader.add_done_callback(_log_defect)
            async with asyncio.timeout(START_SECONDS):
                await asyncio.shield(self._ready)
        except (KafkaError, TimeoutError) as error:
            await self.leave()
            raise TailAway(f"Kafka cannot be read: {type(error).__name__}") from error
        except BaseException:
            await self.leave()
            raise

    def join(self, interest: Interest) -> Client:
        """From `places` as they are now on."""
        client = Client(interest)
        if self._reader is None:
            client.close()
        self._clients.add(client)
        return client

    async def leave(self, client: Client | None = None) -> None:
        self._users -= 1
        if client:
            self._clients.discard(client)
        if self._users == 0 and self._reader:
            reader, self._reader = self._reader, None
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _run(self, ready: asyncio.Future[None]) -> None:
        kafka = self._sources.consumer(fetch_max_wait_ms=100)
        try:
            await kafka.start()
            everything = self._sources.all
            kafka.assign(everything)
            places: dict[str, list[int]] = {topic: [0] * count for topic, count in self._sources.partitions.items()}
            for place, end in (await kafka.end_offsets(everything)).items():
                kafka.seek(place, end)
                places[self._sources.name(place)][place.partition] = end
            self.places = Places(places)
            ready.set_result(None)
            while True:
                for place, records in (await kafka.getmany(timeout_ms=1000)).items():
                    for record in records:
                        self.places.pass_record(self._sources.name(place), place.partition, record.offset)
                        told = self._sources.read(record)
                        if told:
                            self._offer(told)
        except KafkaError as error:
            log.warning("the reader of streams ends: %s; clients have to come back", type(error).__name__)
            if not ready.done():
                ready.set_exception(error)
                ready.exception()  # it may be that nobody waits for it any more
        finally:
            if self._reader is asyncio.current_task():
                self._reader = None
            for client in self._clients:
                client.close()
            await kafka.stop()

    def _offer(self, told: Told) -> None:
        interested = [client for client in self._clients if told.is_wanted(client.interest)]
        frame = told.frame(self.places) if interested else b""
        for client in interested:
            client.offer(frame)


def _log_defect(reader: asyncio.Task[None]) -> None:
    if not reader.cancelled() and reader.exception():
        log.error("the reader of streams failed", exc_info=reader.exception())
