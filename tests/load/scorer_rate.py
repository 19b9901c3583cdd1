"""How many events per second one scorer process handles, with the default playbook and with scoring that only counts.

    python tests/load/scorer_rate.py [--events 400000] [--leads 5000] [--partitions 4] [--bootstrap HOST:PORT]

Fills `events`, starts a worker on that backlog, and takes the rate from its own metrics between the first events
scored and the last. Then single events at a steady pace, for the latency from event to committed score. Prints a line
for each, and one JSON object at the end. Without --bootstrap it starts a Kafka for itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.events import Event, Kind, encode_event
from shared.kafka import create_topics
from shared.scores import decode_score
from shared.topics import Topics

WORKERS = {
    "counting": [sys.executable, "-m", "tests.load.counting"],
    "default playbook": [sys.executable, "-c", "from services.scorer.bootstrap import serve; serve()"],
}
NAMES = ["Content Downloaded", "Mail Clicked", "Webinar Attended", "Something Else"]
PACE_SECONDS = 0.02


def event(number: int, leads: int) -> tuple[bytes, bytes]:
    lead = f"lead-{random.randrange(leads)}"
    page = number % 2 == 0
    now = datetime.now(UTC)
    made = Event(
        kind=Kind.PAGE if page else Kind.TRACK,
        id=f"message-{number}",
        source="web",
        key=lead,
        time=now,
        received_at=now,
        user_id=lead,
        name="Product" if page else NAMES[number % len(NAMES)],
        properties={"points": 1, "path": "/product/pricing", "title": "Pricing"},
    )
    return lead.encode(), encode_event(made)


async def fill(bootstrap: str, topic: str, count: int, leads: int) -> int:
    """Produce `count` events; the average size of one."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=1 << 19, enable_idempotence=True
    )
    await producer.start()
    size = 0
    try:
        for number in range(count):
            key, value = event(number, leads)
            size += len(value)
            await producer.send(topic, value, key=key)
    finally:
        await producer.stop()
    return size // count


@contextmanager
def worker(kind: str, bootstrap: str, prefix: str) -> Iterator[tuple[int, int]]:
    """A scorer process: its metrics port and its id."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    variables = {
        "TASUKI_KAFKA_BOOTSTRAP": bootstrap,
        "TASUKI_TOPIC_PREFIX": prefix,
        "TASUKI_SCORER_PORT": str(port),
        "TASUKI_LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen(WORKERS[kind], env=os.environ | variables)
    try:
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def metric(port: int, name: str) -> float:
    """0 while the worker does not listen yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            found = re.search(rf"^{name} (\S+)", answer.read().decode(), re.MULTILINE)
    except OSError:
        return 0.0
    return float(found[1]) if found else 0.0


def cpu_seconds(pid: int) -> float:
    """Processor time used so far, by all threads of a process (Linux)."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def drain(port: int, pid: int, count: int) -> tuple[float, float]:
    """Events per second of time and per second of processor, from the first sample with events to the last."""
    samples: list[tuple[float, float, float]] = []
    while not samples or samples[-1][2] < count:
        await asyncio.sleep(0.05)
        done = await asyncio.to_thread(metric, port, "tasuki_scorer_events_total")
        if done:
            samples.append((time.monotonic(), cpu_seconds(pid), done))
    (began, cpu_began, first), (ended, cpu_ended, last) = samples[0], samples[-1]
    return (last - first) / (ended - began), (last - first) / (cpu_ended - cpu_began)


async def latencies(bootstrap: str, topics: Topics, partitions: int, count: int, leads: int) -> list[float]:
    """Milliseconds from producing an event to reading its committed score, at 50 events/s."""
    reader = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed", enable_auto_commit=False)
    await reader.start()
    reader.assign([TopicPartition(topics.scores, number) for number in range(partitions)])
    await reader.seek_to_end()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    measured: list[float] = []

    async def read() -> None:
        async for record in reader:
            trigger = decode_score(record.value).trigger
            measured.append((datetime.now(UTC) - trigger.received_at).total_seconds() * 1000)
            if len(measured) == count:
                return

    reading = asyncio.create_task(read())
    for number in range(count):
        key, value = event(10_000_000 + number, leads)
        await producer.send(topics.events, value, key=key)
        await asyncio.sleep(PACE_SECONDS)
    await asyncio.wait([reading], timeout=10)
    await producer.stop()
    await reader.stop()
    reading.cancel()
    return sorted(measured)


async def measure(kind: str, bootstrap: str, arguments: argparse.Namespace) -> dict[str, Any]:
    topics = Topics(f"rate-{uuid.uuid4().hex[:8]}.")
    await create_topics({"bootstrap_servers": bootstrap}, topics.specs([], arguments.partitions))
    size = await fill(bootstrap, topics.events, arguments.events, arguments.leads)
    with worker(kind, bootstrap, topics.prefix) as (port, pid):
        rate, cpu_rate = await drain(port, pid, arguments.events)
        transactions = metric(port, "tasuki_scorer_batch_events_count")
        seconds = metric(port, "tasuki_scorer_transaction_seconds_sum")
        waits = await latencies(bootstrap, topics, arguments.partitions, arguments.single, arguments.leads)
    result = {
        "scoring": kind,
        "events_per_second": round(rate),
        "events_per_cpu_second": round(cpu_rate),
        "event_bytes": size,
        "events_per_transaction": round(arguments.events / transactions),
        "transaction_ms": round(seconds / transactions * 1000, 1),
        "latency_ms_p50": round(waits[len(waits) // 2], 1),
        "latency_ms_p99": round(waits[int(len(waits) * 0.99)], 1),
    }
    print(", ".join(f"{name} {value}" for name, value in result.items()), flush=True)  # noqa: T201 - the result
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--single", type=int, default=300, help="events for the latency")
    parser.add_argument("--leads", type=int, default=5_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--bootstrap")
    parser.add_argument("--scoring", choices=WORKERS, action="append")
    arguments = parser.parse_args()

    async def all_kinds(bootstrap: str) -> None:
        results = [await measure(kind, bootstrap, arguments) for kind in arguments.scoring or WORKERS]
        print(json.dumps(results))  # noqa: T201 - the result

    if arguments.bootstrap:
        asyncio.run(all_kinds(arguments.bootstrap))
        return
    from shared.parts import start_parts  # noqa: PLC0415 - not needed on a broker that is given

    with start_parts() as parts:
        asyncio.run(all_kinds(parts.kafka_bootstrap))


if __name__ == "__main__":
    main()
