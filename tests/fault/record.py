"""Everything that the installation has left behind: its topics and its ledger, as plain data."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.playbook import load_playbook
from tests.fault.cluster import PARTITIONS, Cluster

READ_SECONDS = 180.0
TABLES = {
    "leads": "SELECT lead_id, stage, department, team, seq, total, score_at, merged_into FROM leads",
    "stages": "SELECT lead_id, seq, source, target, at, historical FROM stage_changes ORDER BY lead_id, seq",
    "changes": "SELECT c.lead_id, c.seq, c.handoff_id, c.status, h.giver, h.giver_team, h.receiver, h.team, "
    "h.stage, h.company FROM handoff_changes c JOIN handoffs h USING (handoff_id) ORDER BY c.lead_id, c.seq",
    "open": "SELECT lead_id FROM handoffs WHERE status IN ('waiting', 'offered', 'accepted')",
    "ownerless": "SELECT lead_id FROM leads WHERE acquired_at IS NOT NULL AND department IS NULL",
    "outbox": "SELECT id FROM outbox",
    "moved_back": "SELECT topic, partition, before, after FROM moved_back",
}


@dataclass(frozen=True)
class Written:
    """A committed record. `timestamp`: when Kafka took it, ms since 1970."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, str]
    timestamp: int = 0


@dataclass(frozen=True)
class Left:
    """`topics`: name without prefix → records, in order within each partition. `rows`: by table, see `TABLES`."""

    topics: dict[str, list[Written]]
    rows: dict[str, list[dict[str, Any]]]


async def what_is_left(cluster: Cluster) -> Left:
    """Read all of it, as a subscriber does (read_committed)."""
    departments = load_playbook().departments
    counts = dict.fromkeys(("events", "scores", "stages", "alerts"), PARTITIONS) | {"dead-letters": 1}
    counts |= {f"handoffs.{department}": PARTITIONS for department in departments}
    topics = {name: await _read(cluster, name, count) for name, count in counts.items()}
    connection = await asyncpg.connect(cluster.database_url.replace("+asyncpg", "", 1))
    try:
        rows = {name: [dict(row) for row in await connection.fetch(query)] for name, query in TABLES.items()}
    finally:
        await connection.close()
    return Left(topics, rows)


async def _read(cluster: Cluster, name: str, partitions: int) -> list[Written]:
    reader = AIOKafkaConsumer(
        bootstrap_servers=cluster.bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
    )
    found: list[Written] = []
    await reader.start()
    try:
        parts = [TopicPartition(cluster.topics.prefix + name, number) for number in range(partitions)]
        reader.assign(parts)
        ends = await reader.end_offsets(parts)
        async with asyncio.timeout(READ_SECONDS):
            for part in parts:
                while await reader.position(part) < ends[part]:
                    fetched = await reader.getmany(timeout_ms=200, max_records=20_000)
                    found += [_plain(record) for records in fetched.values() for record in records]
    finally:
        await reader.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))


def _plain(record: Any) -> Written:
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    return Written(record.topic, record.partition, record.offset, record.key, record.value, headers, record.timestamp)
