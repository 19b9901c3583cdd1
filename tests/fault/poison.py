"""Records that no service can process, written into `events` and `scores` behind ingest's back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random

from aiokafka import AIOKafkaProducer

from tests.fault.cluster import PARTITIONS, Cluster

NOW = "2025-06-01T00:00:00Z"
TRAITS = {"phone": "1", "employees": 10**30}


@dataclass
class Poisoner:
    """`origins`: topic/partition/offset of each record written → its value."""

    cluster: Cluster
    seed: int
    origins: dict[str, bytes] = field(default_factory=dict)

    async def write(self, count: int) -> None:
        """`count` records into each of both topics."""
        random = Random(f"poison:{self.seed}:{len(self.origins)}")
        topics = self.cluster.topics
        producer = AIOKafkaProducer(bootstrap_servers=self.cluster.bootstrap, enable_idempotence=True)
        await producer.start()
        try:
            for number in range(count):
                name = f"poison-{len(self.origins)}-{number}"
                for topic, (key, value) in (
                    (topics.events, _event(random, name)),
                    (topics.scores, _score(random, name)),
                ):
                    partition = random.randrange(PARTITIONS)
                    written = await producer.send_and_wait(topic, value, key=key, partition=partition)
                    self.origins[f"{topic}/{partition}/{written.offset}"] = value
        finally:
            await producer.stop()


def _event(random: Random, name: str) -> tuple[bytes | None, bytes]:
    event = {"kind": "track", "id": name, "source": "nobody", "key": name, "time": NOW, "received_at": NOW}
    return random.choice(
        [
            (name.encode(), b"{oops"),
            (None, b"\x00\xff" + name.encode()),
            (name.encode(), b"[1, 2, 3]"),
            (name.encode(), json.dumps(event | {"time": "tomorrow"}).encode()),
            (b"somebody else", json.dumps(event).encode()),
            (name.encode(), json.dumps(event | {"kind": "hug"}).encode()),
            (name.encode(), json.dumps(event | {"time": "2025-06-01T00:00:00"}).encode()),
            (name.encode(), json.dumps(event | {"received_at": "9999-06-01T00:00:00Z", "traits": TRAITS}).encode()),
            (long := (name * 200).encode(), json.dumps(event | {"key": long.decode(), "traits": TRAITS}).encode()),
            # An event like any other, but its score record would be larger than Kafka takes.
            (name.encode(), json.dumps(event | {"name": "x" * 1_000_000}).encode()),
        ]
    )


def _score(random: Random, name: str) -> tuple[bytes, bytes]:
    """`scores` is compacted: each has a key of its own, or one might be gone before it is read."""
    record = {"lead_id": name, "seq": 1, "epoch": 0, "time": NOW, "attribute": 0.0, "behaviour": 0.0, "total": 0.0}
    return name.encode(), random.choice(
        [b"{oops", b"\xfe\xff", json.dumps(record).encode(), json.dumps(record | {"lead_id": 7}).encode()]
    )
