"""One client's stream: first what it has missed, then what comes, without a gap between."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec
from aiokafka.errors import KafkaError

from services.router.interest import Interest
from services.router.metrics import RouterMetrics
from services.router.stream.catching_up import CatchingUp
from services.router.stream.frames import GAP, heartbeat_frame, message_frame
from services.router.stream.places import Places, read_places
from services.router.stream.reading import Sources
from services.router.stream.tail import Client, Tail

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
TICK_SECONDS = 0.5


class TooManyStreams(Exception):
    """This router has as many as it may have."""


class Streams:
    """`stopping` tells that the router wants to end: then all streams do."""

    def __init__(
        self, sources: Sources, most_clients: int, metrics: RouterMetrics, stopping: Callable[[], bool]
    ) -> None:
        self.sources, self.tail, self.metrics, self.stopping = sources, Tail(sources), metrics, stopping
        self._most, self._open = most_clients, 0

    async def open(self, interest: Interest, after: str | None) -> Stream:
        """From now on, or from an id on. Close it. Raises `TooManyStreams`, `TailAway`, or `PlacesInvalid`."""
        places = read_places(after, self.sources.partitions) if after else None
        if self._open >= self._most:
            raise TooManyStreams
        await self.tail.enter()
        self._count(1)
        return Stream(self, interest, places)

    async def leave(self, client: Client | None) -> None:
        """A stream is closed."""
        self._count(-1)
        if client and client.too_slow:
            self.metrics.stream_slow.inc()
        await self.tail.leave(client)

    def _count(self, more: int) -> None:
        self._open += more
        self.metrics.stream_clients.set(self._open)


class Stream:
    """What one client gets."""

    def __init__(self, streams: Streams, interest: Interest, places: Places | None) -> None:
        self._streams, self._interest, self._places = streams, interest, places
        self._client: Client | None = None

    async def close(self) -> None:
        await self._streams.leave(self._client)

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """Ends when the router does, when Kafka cannot be read, or when the client is too far behind; who comes back
        with the last id goes on. Empty frames tell that there is nothing, and let the caller look after its client."""
        try:
            if self._places is None:
                client = self._join()
                yield heartbeat_frame(self._streams.tail.places)
            else:
                async with aclosing(self._missed(self._places)) as missed:
                    async for frame in missed:
                        yield frame
                client = self._client or self._join()
            async with aclosing(self._live(client)) as live:
                async for frame in live:
                    yield frame
        except KafkaError as error:
            log.info("a stream ends: %s; its client has to come back", type(error).__name__)

    def _join(self) -> Client:
        self._client = self._streams.tail.join(self._interest)
        return self._client

    async def _missed(self, places: Places) -> AsyncGenerator[bytes, None]:
        """First most of it, unseen by the shared reader; then only what has come meanwhile has to wait there."""
        catching_up = CatchingUp(self._streams.sources, places, self._interest)
        try:
            gaps = await catching_up.start()
            if gaps:
                yield message_frame(places, GAP, msgspec.json.encode({"topics": gaps}))
            for joins in (False, True):
                if joins:
                    self._join()
                async with aclosing(catching_up.until(self._streams.tail.places.copy())) as frames:
                    async for frame in frames:
                        if self._streams.stopping():
                            return
                        yield frame
        finally:
            await catching_up.stop()

    async def _live(self, client: Client) -> AsyncGenerator[bytes, None]:
        told_at = time.monotonic()
        while not self._streams.stopping():
            frame = await client.next(TICK_SECONDS)
            if not frame and client.closed:
                return
            if not frame and time.monotonic() - told_at > HEARTBEAT_SECONDS and client.is_empty:
                # Nothing waits, so the client has seen all that it wanted of what the reader has passed.
                frame = heartbeat_frame(self._streams.tail.places)
            if frame:
                told_at = time.monotonic()
            yield frame
