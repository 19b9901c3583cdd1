"""How many events one ingest process takes: `python tests/load/ingest_rate.py [--seconds 5]`.

Starts (or is given) a real Kafka, one ingest process on a free port, and senders in a process of their own.
Prints a table, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
import uuid

from shared.kafka import create_topics
from shared.parts import start_parts
from shared.topics import Topics

KEY = "load-key"
SERVE = "from services.ingest.bootstrap import serve; serve()"


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


def request_bytes(path: str, body: object) -> bytes:
    """A whole HTTP request: the senders must not be the bottleneck that is measured."""
    payload = json.dumps(body, ensure_ascii=False).encode()
    user = base64.b64encode(f"{KEY}:".encode()).decode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {user}\r\nContent-Length: {len(payload)}\r\n\r\n"
    return head.encode() + payload


async def _connection(port: int, requests: list[bytes], until: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(requests[count % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        latencies.append(time.perf_counter() - started)
        count += 1
    writer.close()


async def _send(port: int, events_per_request: int, connections: int, seconds: float) -> dict[str, float]:
    def request(first: int) -> bytes:
        events = [one_event(first * events_per_request + n) for n in range(events_per_request)]
        return (
            request_bytes("/v1/track", events[0])
            if events_per_request == 1
            else request_bytes("/v1/batch", {"batch": events})
        )

    requests = [request(number) for number in range(50)]
    latencies: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(_connection(port, requests, started + seconds, latencies) for _ in range(connections)))
    elapsed = time.perf_counter() - started
    latencies.sort()
    return {
        "events_per_request": events_per_request,
        "connections": connections,
        "requests_per_second": round(len(latencies) / elapsed),
        "events_per_second": round(len(latencies) * events_per_request / elapsed),
        "p50_ms": round(latencies[len(latencies) // 2] * 1000, 1),
        "p99_ms": round(latencies[len(latencies) * 99 // 100] * 1000, 1),
    }


def _sender(arguments: tuple[int, int, int, float]) -> dict[str, float]:
    return asyncio.run(_send(*arguments))


def measure(kafka: str, seconds: float) -> list[dict[str, float]]:
    """Batches of 100, then single events."""
    prefix = f"load-{uuid.uuid4().hex[:8]}."
    asyncio.run(create_topics({"bootstrap_servers": kafka}, Topics(prefix).specs([], 6)))
    environment = os.environ | {
        "TASUKI_KAFKA_BOOTSTRAP": kafka,
        "TASUKI_TOPIC_PREFIX": prefix,
        "TASUKI_WRITE_KEYS": f"{KEY}=load",
        "TASUKI_INGEST_PORT": "0",
    }
    ingest = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert ingest.stderr
        port = next(
            int(found[1]) for line in ingest.stderr if (found := re.search(r"running on http://.*:(\d+)", line))
        )
        with multiprocessing.get_context("spawn").Pool(1) as senders:
            runs = [(port, 100, 16, 1.0), (port, 100, 16, seconds), (port, 1, 64, seconds)]
            return [senders.apply(_sender, (run,)) for run in runs][1:]  # the first one warms up
    finally:
        ingest.terminate()
        ingest.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    with start_parts() as parts:
        results = measure(parts.kafka_bootstrap, options.seconds)
        print(f"broker: {parts.description}")  # noqa: T201
    for result in results:
        print("  ".join(f"{name} {value:g}" for name, value in result.items()))  # noqa: T201
    print(json.dumps(results))  # noqa: T201


if __name__ == "__main__":
    main()
