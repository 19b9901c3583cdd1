"""The store of one source partition: fenced, restored, changed in transactions."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation

from services.scorer.store.errors import StoreFailed, named
from services.scorer.store.records import POSITION_KEY, Output, PositionRecord, encode_position
from services.scorer.store.restore import check, read_marks, read_states
from shared.topics import DEAD_LETTER_BYTES

log = logging.getLogger(__name__)

TELL_SECONDS = 0.25
"""At most so often a transaction tells the group's offset: it costs two of its five requests, and the position, which
is in every transaction, is what counts."""
OPEN_SECONDS = 120.0
CLOSE_SECONDS = 5.0
REASON_SECONDS = 1.0
NEVER = -math.inf
MAX_BATCH_BYTES = 1_000_000  # brokers refuse record batches over 1 MiB by default
MAX_REQUEST_BYTES = DEAD_LETTER_BYTES  # a dead letter is a whole record of `events`, and its headers


class PartitionStore:
    """States by key, as the bytes that the topic holds, and the offset of the last source record that they include.

    Opening fences whoever had the partition open before; Kafka then refuses that one's writes. After any error
    the store is of no use: close it, and open it again to have what the topic holds.
    """

    def __init__(
        self,
        producer: Any,
        source: TopicPartition,
        state: TopicPartition,
        group: str,
        transaction_timeout: float,
    ) -> None:
        self._producer = producer
        self._source = source
        self._state = state
        self._group = group
        self._timeout = transaction_timeout
        self._states: dict[str, bytes] = {}
        self.denied: dict[bytes, bytes] = {}
        """The partition's deny-list when it was opened, as the topic has it (see `services.scorer.denied`)."""
        self._usable = True
        self._told, self._told_at = -1, NEVER
        self.position = -1
        """Offset of the last applied source record, -1 for none."""
        self.playbook = ""
        """Id of the playbook that holds from there on; empty: none was ever activated."""

    @classmethod
    async def open(  # noqa: PLR0913 - each is a name or a limit of its own
        cls,
        partition: int,
        *,
        options: dict[str, Any],
        source_topic: str,
        state_topic: str,
        group: str,
        transaction_timeout: float = 15.0,
    ) -> PartitionStore:
        """Fence the previous owner, then read what it has committed.

        `options` are the connection arguments of aiokafka clients. Raises `StoreFailed`, or `StoreMismatch` when the
        topics and the group do not belong together.
        """
        source, state = TopicPartition(source_topic, partition), TopicPartition(state_topic, partition)
        producer = AIOKafkaProducer(
            **options,
            # One id per partition: TxnOffsetCommit v0 knows no generations, so this fence is the only one
            # (aio-libs/aiokafka#844).
            transactional_id=f"{group}-{partition}",
            transaction_timeout_ms=int(transaction_timeout * 1000),
            # A request that a dying broker has taken along is never answered: there must be time for another one.
            request_timeout_ms=int(min(transaction_timeout / 2, 30) * 1000),
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
            # A produce may meet the coordinator still busy with the same transaction; 100 ms would be its price.
            retry_backoff_ms=10,
        )
        store = cls(producer, source, state, group, transaction_timeout)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await producer.start()
        except BaseException as error:
            await store.close()
            if isinstance(error, Exception):
                raise named(error, f"cannot fence the previous owner of {source_topic}[{partition}]") from error
            raise
        try:
            await store._restore(options)
        except BaseException as error:
            await store.close()
            if isinstance(error, Exception):
                raise named(error, f"cannot restore {state_topic}[{partition}]") from error
            raise
        return store

    def get(self, key: str) -> bytes | None:
        """The state of `key`."""
        return self._states.get(key)

    def keys(self) -> list[str]:
        """All keys, as they are now."""
        return list(self._states)

    def __len__(self) -> int:
        return len(self._states)

    async def commit(
        self,
        changes: Mapping[str, bytes | None],
        outputs: Sequence[Output],
        position: int | None = None,
        playbook: str | None = None,
    ) -> None:
        """States (None deletes), outputs and position in one transaction, now and then with the group's offset; then in
        memory. Without `position` no source record is the reason, and it stays as it is, and so does `playbook`.

        Raises `StoreFenced` or `StoreFailed`; memory is then as before, but what the topic holds is unknown.
        """
        if position is None:
            position = self.position
        elif position <= self.position:
            raise ValueError(f"position {position} is applied already ({self.position})")
        playbook = self.playbook if playbook is None else playbook
        at = PositionRecord(self._source.topic, position, playbook)
        await self._commit([*self._state_records(changes, at), *outputs], position)
        self._remember(changes)
        self.position, self.playbook = position, playbook

    async def tell_group(self) -> None:
        """Bring the group's offset to the position: lag tools go by it, and the next owner reads from there. Raises
        like `commit`."""
        if self._told < self.position and self._usable:
            self._told_at = NEVER
            await self._commit([], self.position)

    async def _commit(self, records: Sequence[Output], position: int) -> None:
        if not self._usable:
            raise StoreFailed("an earlier transaction failed: close this store and open it again")
        self._usable = False
        try:
            async with asyncio.timeout(self._timeout):
                await self._transact(records, position)
        except Exception as error:
            raise named(error, f"cannot commit {self._source.topic}[{self._source.partition}]@{position}") from error
        self._usable = True

    async def close(self) -> None:
        """Give up the connections. An open transaction is aborted by the next owner, or by its timeout.

        Does not wait for Kafka, as a producer's `stop` does for ever (aio-libs/aiokafka#1101)."""
        self._usable = False
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._producer.stop()
        except TimeoutError:
            log.warning("producer of %s[%d] did not stop in time", self._source.topic, self._source.partition)
        except Exception as error:  # noqa: BLE001 - nothing depends on how it ends: the next owner fences it
            log.warning("producer of %s[%d] stopped: %r", self._source.topic, self._source.partition, error)

    async def _restore(self, options: dict[str, Any]) -> None:
        began = time.monotonic()
        marks = await read_marks(options, self._state, self._source, self._group)
        restored = await read_states(options, self._state, marks.state_end)
        self.position = check(restored, marks, self._source, self._group)
        self.playbook = restored.position.playbook if restored.position else ""
        self._states, self.denied = restored.states, restored.denied
        self._told = -1 if marks.committed is None else marks.committed - 1
        log.info(
            "%s[%d]: %d states up to offset %d restored in %.2f s",
            self._source.topic,
            self._source.partition,
            len(self._states),
            self.position,
            time.monotonic() - began,
        )

    async def _transact(self, records: Iterable[Output], position: int) -> None:
        await self._producer.begin_transaction()
        sent: list[Any] = []
        try:
            await self._send(records, sent)
        except IllegalOperation:
            # Fenced while still sending: aiokafka then says only "not in transaction"; what was sent has the reason, or
            # gets it in a moment.
            if sent:
                await asyncio.wait(sent, timeout=REASON_SECONDS)
            for future in sent:
                if future.done():
                    future.result()
            raise
        # Every produce is awaited before the commit: aiokafka commits a transaction even if some of its batches
        # were refused, which would keep the offset and lose the states.
        await asyncio.gather(*sent)
        # After the produces: while the coordinator adds the group to the transaction, brokers refuse them
        # (aio-libs/aiokafka#1172).
        telling = time.monotonic() - self._told_at >= TELL_SECONDS
        if telling:
            await self._producer.send_offsets_to_transaction({self._source: position + 1}, self._group)
        await self._producer.commit_transaction()
        if telling:
            self._told, self._told_at = position, time.monotonic()

    async def _send(self, records: Iterable[Output], futures: list[Any]) -> None:
        """Record batches are built here, one future each (appended): one per record costs three times as much."""
        by_partition: dict[tuple[str, int], list[Output]] = {}
        for record in records:
            if record.partition is None:
                futures.append(
                    await self._producer.send(record.topic, key=record.key, value=record.value, headers=record.headers)
                )
            else:
                by_partition.setdefault((record.topic, record.partition), []).append(record)
        for (topic, partition), its_records in by_partition.items():
            batch = self._producer.create_batch()
            for record in its_records:
                if _append(batch, record) is None:
                    futures.append(await self._producer.send_batch(batch, topic, partition=partition))
                    batch = self._producer.create_batch()
                    _append(batch, record)
            futures.append(await self._producer.send_batch(batch, topic, partition=partition))

    def _state_records(self, changes: Mapping[str, bytes | None], at: PositionRecord) -> Iterable[Output]:
        topic, partition = self._state.topic, self._state.partition
        for key, state in changes.items():
            yield Output(topic, key.encode(), state, [], partition)
        yield Output(topic, POSITION_KEY, encode_position(at), [], partition)

    def _remember(self, changes: Mapping[str, bytes | None]) -> None:
        for key, state in changes.items():
            if state is None:
                self._states.pop(key, None)
            else:
                self._states[key] = state


def _append(batch: Any, record: Output) -> Any:
    """None when the batch is full."""
    return batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
