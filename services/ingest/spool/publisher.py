"""Kafka when it acknowledges, the spool when it does not: in either case the sender is answered, and the order of what
has one key is kept.

While anything waits in the spool everything goes there, so that nothing overtakes it. What was on its way to Kafka when
the spool took over is appended first, in the order in which it came, and may arrive twice, with the same messageId;
whatever part of it Kafka still takes comes in that order as well, so the *first* copies of a key's events are always in
order, and only first copies count.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from services.ingest.publisher import KafkaPublisher
from services.ingest.publishing import Busy, NotStored, Record, TopicTooNarrow
from services.ingest.spool.segments import Read
from services.ingest.spool.spool import READ_BYTES, Spool, SpoolFull, Synced
from shared import dead_letters

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 0.5
DRAIN_PATIENCE_SECONDS = 60.0
"""A portion that is sent again is stored twice: better to wait for a slow broker."""
ENDING_PATIENCE_SECONDS = 2.0
"""Requests wait for the last portions."""
TELL_EVERY_SECONDS = 10.0


class _Request:
    """Records on their way to Kafka, and their place in the spool once that has taken over."""

    __slots__ = ("records", "synced")

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.synced: Synced | SpoolFull | None = None


class SpooledPublisher:
    """The `Publisher` of a service that has a spool."""

    def __init__(self, kafka: KafkaPublisher, spool: Spool, dead_letters_topic: str) -> None:
        self._kafka, self._spool, self._dead_letters = kafka, spool, dead_letters_topic
        self._under_way: dict[_Request, None] = {}
        self._draining: asyncio.Task[None] | None = None
        self._ending: asyncio.Future[None] | None = None
        if not spool.is_empty:
            log.info("%d records of an earlier run wait in %s", spool.records, spool.directory)
            self._draining = asyncio.create_task(self._drain())

    async def publish(self, records: Sequence[Record]) -> list[int]:
        """See `Publisher`. Raises `Busy` where the spool takes no more."""
        if not records:
            return []
        while self._ending:  # the last of the spool is being sent: a moment
            await asyncio.shield(self._ending)
        if self._draining:
            await _until_synced(self._append(records))
            return []
        request = _Request(records)
        self._under_way[request] = None
        try:
            return await self._kafka.publish(records)
        except TopicTooNarrow:
            raise
        except NotStored as error:
            if request.synced is None:
                self._take_over(error)
            assert request.synced is not None
            await _until_synced(request.synced)
            return []
        finally:
            del self._under_way[request]

    def _take_over(self, reason: NotStored) -> None:
        """From now on everything goes to the spool, and first what is under way."""
        log.warning("%s: events go to the spool in %s", reason, self._spool.directory)
        for request in self._under_way:
            request.synced = self._append(request.records)
        self._draining = asyncio.create_task(self._drain())
        self._kafka.give_up()

    def _append(self, records: Sequence[Record]) -> Synced | SpoolFull:
        try:
            return self._spool.append(records)
        except SpoolFull as error:
            return error

    async def _drain(self) -> None:
        """Until the spool is empty. That it is, and the return to Kafka, are one step: nobody comes between."""
        progress = _Progress(self._spool)
        is_there = False  # Kafka
        while not self._spool.is_empty:
            try:
                if not is_there and (trouble := await self._kafka.trouble()):
                    raise NotStored(trouble)
                is_there = True
                if read := await self._spool.read():
                    await self._send(read)
                    await self._spool.sent(read)
                    progress.sent(len(read.records))
                    self._end_soon()
            except (NotStored, OSError) as error:
                is_there = False
                self._let_on()
                progress.waits(error)
                await asyncio.sleep(LOOK_EVERY_SECONDS)
        self._draining = None
        self._let_on()
        progress.ended()

    def _end_soon(self) -> None:
        """With so little left nobody else may append, or it would never end while events keep coming."""
        if self._ending is None and self._spool.bytes < READ_BYTES:
            self._ending = asyncio.get_running_loop().create_future()

    def _let_on(self) -> None:
        if self._ending:
            self._ending.set_result(None)
            self._ending = None

    async def _send(self, read: Read) -> None:
        """Raises `NotStored`, and `OSError`."""
        patience = ENDING_PATIENCE_SECONDS if self._ending else DRAIN_PATIENCE_SECONDS
        too_large = await self._kafka.publish(read.records, patience)
        if not too_large:
            return
        aside = [self._aside(read.records[number], read.first_ms) for number in too_large]
        if refused := await self._kafka.publish(aside, patience):
            log.error("%d records are too large for Kafka and for %s", len(refused), self._dead_letters)
            await self._spool.keep_aside([aside[number] for number in refused])

    def _aside(self, record: Record, at_ms: int) -> Record:
        """A dead letter of a record that was acknowledged and that its topic does not take."""
        headers = dead_letters.headers(
            reason=f"event_too_large: {record.topic} takes no record of {len(record.value)} bytes",
            service="ingest",
            origin=f"{record.topic}/-1/-1",  # it never had a place there
            at=datetime.fromtimestamp(at_ms / 1000, UTC),
            received=record.headers,
        )
        return Record(self._dead_letters, record.key, record.value, headers)

    async def trouble(self) -> str | None:
        """See `Publisher`: with room in the spool there is none."""
        if self._spool.trouble and (trouble := await self._kafka.trouble()):
            return f"{trouble}, and {self._spool.trouble}"
        return None

    async def close(self) -> None:
        """Sends what is queued, and leaves the rest in the spool for whoever comes next."""
        if self._draining:
            self._draining.cancel()
            await asyncio.wait([self._draining])
            self._let_on()
        await self._kafka.close()
        await self._spool.close()
        if self._spool.records:
            log.warning("%d records stay in %s until the next start", self._spool.records, self._spool.directory)


async def _until_synced(synced: Synced | SpoolFull) -> None:
    """Raises `Busy`."""
    try:
        if isinstance(synced, SpoolFull):
            raise synced
        # Shielded: a sender that hangs up takes nothing away from those whose entries share the sync.
        await asyncio.shield(synced)
    except SpoolFull as error:
        raise Busy(f"Kafka is not acknowledging, and {error}") from error


class _Progress:
    """What the log says of a spool that is emptied."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._sent, self._began, self._told = 0, time.monotonic(), -TELL_EVERY_SECONDS

    def sent(self, records: int) -> None:
        self._sent += records
        if self._is_time():
            log.info("spool: %d records are in Kafka, %d wait", self._sent, self._spool.records)

    def waits(self, reason: Exception) -> None:
        if self._is_time():
            log.warning("spool: %d records wait: %s", self._spool.records, reason)

    def ended(self) -> None:
        seconds = time.monotonic() - self._began
        log.info("the spool is empty after %.1f s: its %d records are in Kafka", seconds, self._sent)

    def _is_time(self) -> bool:
        now = time.monotonic()
        if is_time := now - self._told >= TELL_EVERY_SECONDS:
            self._told = now
        return is_time
