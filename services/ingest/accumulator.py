"""Puts the records of many requests together: one Kafka batch per partition, and one future for each batch.

`AIOKafkaProducer.send` makes a future, a metadata object and a task switch for each record, and lets each partition
linger for itself, so that at a low rate nearly every record is a request of its own. See docs/benchmarks.md.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from aiokafka import AIOKafkaProducer

from services.ingest.publishing import Record

Place = tuple[str, int]  # topic and partition


class Batch:
    """Records of one partition that Kafka takes or refuses together; `done` is when it has, or its exception why not.

    `done` is waited for by many: by `asyncio.wait`, since to cancel it would be to leave the others waiting."""

    __slots__ = ("_builder", "done", "due", "place")

    def __init__(self, place: Place, builder: Any, due: float) -> None:
        """`due`: when it has lingered for long enough, by the loop's clock."""
        self.place, self.due, self._builder = place, due, builder
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def append(self, record: Record) -> bool:
        """Whether there was room; the first record always has it."""
        taken = self._builder.append(timestamp=None, key=record.key, value=record.value, headers=record.headers)
        return taken is not None

    def close(self) -> None:
        """Nothing more goes with it."""
        self._builder.close()

    async def deliver(self, producer: AIOKafkaProducer) -> None:
        try:
            await (await producer.send_batch(self._builder, self.place[0], partition=self.place[1]))
        except Exception as error:  # noqa: BLE001 - `done` takes it to each who waits, and they raise it
            self.done.set_exception(error)
        else:
            self.done.set_result(None)


class Accumulator:
    """Records on their way to `producer`. A batch waits for `linger_seconds`, all partitions together, and until the
    batch before it in its partition is done: so records of a partition keep their order, and batches grow under load.
    """

    def __init__(self, producer: AIOKafkaProducer, linger_seconds: float) -> None:
        self._producer, self._linger = producer, linger_seconds
        self._waiting: dict[Place, deque[Batch]] = {}
        self._under_way: dict[Place, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, place: Place, record: Record) -> Batch:
        """The batch that the record goes with."""
        waiting = self._waiting.get(place)
        if waiting and waiting[-1].append(record):
            return waiting[-1]
        return self._enqueue(place, record)

    def add_alone(self, place: Place, record: Record) -> Batch:
        """As `add`, in a batch of its own."""
        batch = self._enqueue(place, record)
        batch.close()
        return batch

    def _enqueue(self, place: Place, record: Record) -> Batch:
        due = asyncio.get_running_loop().time() + self._linger
        batch = Batch(place, self._producer.create_batch(), due)
        batch.append(record)
        self._waiting.setdefault(place, deque()).append(batch)
        self._send_at(due)
        return batch

    def _send_at(self, due: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(due, self._send)

    def _send(self) -> None:
        """Whatever waits, also what may linger still: partitions share a request, which costs more than records do."""
        self._timer = None
        for place in self._waiting.keys() - self._under_way.keys():
            waiting = self._waiting[place]
            self._under_way[place] = asyncio.create_task(self._deliver(waiting.popleft()))
            if not waiting:
                del self._waiting[place]

    async def _deliver(self, batch: Batch) -> None:
        try:
            await batch.deliver(self._producer)
        finally:
            del self._under_way[batch.place]
            if waiting := self._waiting.get(batch.place):
                self._send_at(waiting[0].due)

    async def drain(self) -> None:
        """Returns when Kafka has answered for all that was added."""
        while batches := [
            *self._under_way.values(),
            *(one.done for waiting in self._waiting.values() for one in waiting),
        ]:
            await asyncio.wait(batches)
