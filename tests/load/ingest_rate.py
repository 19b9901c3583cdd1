"""What one ingest process takes: in batches of 100 and in single requests, beside a bare FastAPI route and aiokafka.

    TASUKI_PARTS=apache python -m tests.load.ingest_rate [--seconds 5]

Every answer counted is a 200, which ingest gives when Kafka has the events. Prints one JSON object; progress goes to
standard error. The latency is taken at half of the rate of single requests that was measured just before, from the
moment at which a request was due.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer

from services.ingest.publisher import MAX_BATCH_BYTES
from services.ingest.reading.model import Arrival
from services.ingest.reading.parse import parse
from services.ingest.reading.segment import read_batch
from services.ingest.settings import IngestSettings
from shared.kafka import create_topics
from shared.parts import Parts, start_parts
from shared.parts.ports import free_ports
from shared.topics import Topics
from tests.load.bench.senders import Answers, at_a_rate, at_full_speed, request_bytes
from tests.load.bench.service import Service, quantile, report, running, say, serving

KEY = "load-key"
PARTITIONS = 6
BATCH = 100
BATCH_CONNECTIONS, SINGLE_CONNECTIONS = 16, 64
WARM_UP_SECONDS = 1.0
VARIETY = 5000
"""Distinct events that are sent, again and again."""


def one_event(number: int) -> dict[str, object]:
    """About 400 bytes of JSON, as analytics.js would send it."""
    return {
        "type": "track",
        "event": "Document Downloaded",
        "messageId": str(uuid.uuid4()),
        "anonymousId": f"5f0c8a3e-{number % 5000:04d}-4b1d-9d55-2b7a9c0f1e11",
        "timestamp": "2026-11-21T09:30:00.000Z",
        "sentAt": "2026-11-21T09:30:01.000Z",
        "properties": {"document": "導入ガイド", "pages": 12},
        "context": {"page": {"path": "/download", "url": "https://example.jp/download"}, "locale": "ja-JP"},
    }


@dataclass(frozen=True)
class Requests:
    """The same events as single requests and in batches."""

    events: list[dict[str, object]]
    single: list[bytes]
    batches: list[bytes]


def make_requests() -> Requests:
    events = [one_event(number) for number in range(VARIETY)]
    single = [request_bytes("/v1/track", event, KEY) for event in events]
    slices = [events[first : first + BATCH] for first in range(0, VARIETY, BATCH)]
    return Requests(events, single, [request_bytes("/v1/batch", {"batch": one}, KEY) for one in slices])


def measure(parts: Parts, seconds: float) -> dict[str, Any]:
    """`batch_eps`, `single_rps`, `single_p99_ms` (at half of `single_rps`), `bare_rps`, and more beside them."""
    requests = make_requests()
    topics = Topics(f"load-{uuid.uuid4().hex[:8]}.")
    asyncio.run(create_topics({"bootstrap_servers": parts.kafka_bootstrap}, topics.specs([], PARTITIONS)))
    ours = _ingest(parts.kafka_bootstrap, topics, requests, seconds)
    bare = _compared("bare", requests, seconds)
    senders = _compared("canned", requests, seconds)
    say("  ingest: aiokafka alone")
    produce = uvloop.run(_produce(parts.kafka_bootstrap, topics, requests, seconds))
    return {
        **ours,
        "bare_rps": bare["single"],
        "bare_batch_eps": bare["batch"],
        "senders_rps": senders["single"],
        "senders_batch_eps": senders["batch"],
        "aiokafka_eps": produce,
    }


def _ingest(bootstrap: str, topics: Topics, requests: Requests, seconds: float) -> dict[str, Any]:
    environment = {
        "TASUKI_KAFKA_BOOTSTRAP": bootstrap,
        "TASUKI_TOPIC_PREFIX": topics.prefix,
        "TASUKI_WRITE_KEYS": f"{KEY}=load",
    }
    with serving("ingest", environment) as ingest:
        ingest.await_ready()
        batch, batch_cpu = _full_speed(ingest, requests.batches, BATCH_CONNECTIONS, seconds)
        single, single_cpu = _full_speed(ingest, requests.single, SINGLE_CONNECTIONS, seconds)
        half = single.per_second / 2
        say(f"  ingest: {half:.0f} single requests/s, for the latency")
        calm = uvloop.run(at_a_rate(ingest.port, requests.single, SINGLE_CONNECTIONS, half, seconds))
    return {
        "batch_eps": round(batch.per_second * BATCH),
        "batch_p99_ms": _milliseconds(batch, 0.99),
        "batch_events_per_cpu_second": round(len(batch.latencies) * BATCH / batch_cpu),
        "single_rps": round(single.per_second),
        "single_requests_per_cpu_second": round(len(single.latencies) / single_cpu),
        "half_load_rps": round(calm.per_second),
        "single_p50_ms": _milliseconds(calm, 0.5),
        "single_p99_ms": _milliseconds(calm, 0.99),
        "single_p99_ms_at_full_load": _milliseconds(single, 0.99),
        "senders_busy": {name: round(one.busy, 2) for name, one in (("batch", batch), ("single", single))},
    }


def _full_speed(service: Service, requests: Sequence[bytes], connections: int, seconds: float) -> tuple[Answers, float]:
    """The answers, and the processor time that the service needed for them."""
    say(f"  {service.worker.guard.directory.name}: {connections} connections at full speed")
    uvloop.run(at_full_speed(service.port, requests, connections, min(WARM_UP_SECONDS, seconds)))
    before = service.worker.cpu_seconds()
    answers = uvloop.run(at_full_speed(service.port, requests, connections, seconds))
    return answers, max(service.worker.cpu_seconds() - before, 0.01)


def _compared(kind: str, requests: Requests, seconds: float) -> dict[str, int]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.load.bench.compared", kind, str(port)]
    with running(kind, command, {}, port) as server:
        server.await_ready()
        single, _ = _full_speed(server, requests.single, SINGLE_CONNECTIONS, seconds)
        batch, _ = _full_speed(server, requests.batches, BATCH_CONNECTIONS, seconds)
    return {"single": round(single.per_second), "batch": round(batch.per_second * BATCH)}


async def _produce(bootstrap: str, topics: Topics, requests: Requests, seconds: float) -> int:
    """Records a second that aiokafka's producer has acknowledged by all replicas: the same records as ingest's, a
    hundred awaited together, as many hundreds at a time as there were connections."""
    envelope = read_batch(requests.batches[0].partition(b"\r\n\r\n")[2])
    parsed = parse(envelope, Arrival("load", datetime.now(UTC), "/v1/batch", lambda: str(uuid.uuid4())))
    records = [(event.key.encode(), value) for event, value in zip(parsed.accepted, parsed.values, strict=True)]
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=IngestSettings.model_fields["produce_linger_ms"].default,
        max_batch_size=MAX_BATCH_BYTES,
    )
    await producer.start()
    sent = 0
    until = 0.0

    async def send() -> None:
        nonlocal sent
        while time.perf_counter() < until:
            futures = [await producer.send(topics.events, value, key=key) for key, value in records]
            await asyncio.gather(*futures)
            sent += len(records)

    async def all_lanes(for_seconds: float) -> float:
        nonlocal sent, until
        began = time.perf_counter()
        sent, until = 0, began + for_seconds
        await asyncio.gather(*(send() for _ in range(BATCH_CONNECTIONS)))
        return sent / (time.perf_counter() - began)

    try:
        await all_lanes(min(WARM_UP_SECONDS, seconds))
        return round(await all_lanes(seconds))
    finally:
        await producer.stop()


def _milliseconds(answers: Answers, share: float) -> float:
    return round(quantile(answers.latencies, share) * 1000, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    with start_parts(say=say) as parts:
        report({"parts": parts.description, "seconds": options.seconds, **measure(parts, options.seconds)})


if __name__ == "__main__":
    main()
