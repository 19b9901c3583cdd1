"""A witness of what the router goes by: whenever the ledger is beyond what Kafka has committed, it writes that down.

A score record of an aborted transaction mostly leaves no other trace, as its batch is redone with the same result: the
ledger would be right by luck.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.fault.cluster import PARTITIONS, Cluster

LOOK_SECONDS = 0.05
ANSWER_SECONDS = 5.0
APPLIED = "SELECT partition, next_offset FROM offsets WHERE topic = $1"


class AheadOfKafka:
    """`run` looks until it is cancelled. `looks`: how often both could be asked; `found`: a line for each partition and
    offset of the ledger that nobody had committed yet."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._parts = [TopicPartition(cluster.topics.scores, number) for number in range(PARTITIONS)]
        self._committed = dict.fromkeys(self._parts, 0)
        self.looks = 0
        self._ahead: dict[tuple[int, int], int] = {}

    @property
    def found(self) -> Sequence[str]:
        return [
            f"{self._cluster.topics.scores}[{number}] was applied up to {applied}, and committed up to {committed}"
            for (number, applied), committed in self._ahead.items()
        ]

    async def run(self) -> None:
        while True:
            # Kafka and Postgres are killed on purpose: then there is nothing to see, and we connect again.
            with suppress(Exception):
                await self._watch()
            await asyncio.sleep(1.0)

    async def _watch(self) -> None:
        ledger = await asyncpg.connect(self._cluster.database_url.replace("+asyncpg", "", 1), timeout=ANSWER_SECONDS)
        kafka = AIOKafkaConsumer(bootstrap_servers=self._cluster.bootstrap, isolation_level="read_committed")
        try:
            await kafka.start()
            while True:
                await asyncio.wait_for(self._look(ledger, kafka), ANSWER_SECONDS)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await kafka.stop()
            ledger.terminate()

    async def _look(self, ledger: asyncpg.Connection, kafka: AIOKafkaConsumer) -> None:
        """The ledger is asked first: what Kafka has committed only grows until it is asked."""
        applied = {
            row["partition"]: row["next_offset"] for row in await ledger.fetch(APPLIED, self._cluster.topics.scores)
        }
        committed = await kafka.end_offsets(self._parts)
        self.looks += 1
        for part in self._parts:
            if committed[part] < self._committed[part]:
                continue  # a broker that has just started knows less for a moment
            self._committed[part] = committed[part]
            if applied.get(part.partition, 0) > committed[part]:
                self._ahead[part.partition, applied[part.partition]] = committed[part]
