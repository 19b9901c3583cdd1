"""What a flood of one key does to the requests of another, and to the memory of ingest.

    TASUKI_PARTS=apache python -m tests.load.flood [--seconds 10]

One key sends requests of the kinds that cost most, over many connections and as fast as it is answered; another sends
fifty a second, as a website does. Every one of these must be answered with 200. Prints one JSON object; progress goes
to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import multiprocessing
import threading
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import uvloop

from services.ingest.bodies import MAX_BODY_BYTES
from services.ingest.schemas import MAX_BATCH_EVENTS
from shared.kafka import create_topics
from shared.parts import Parts, start_parts
from shared.topics import Topics
from tests.load.bench.senders import Answers, at_a_rate, message_length, request_bytes
from tests.load.bench.service import Service, quantile, report, say, serving
from tests.load.ingest_rate import one_event

POLITE, FLOOD = "polite-key", "flood-key"
RATE, CONNECTIONS = 50.0, 8
SETTLE_SECONDS = 1.0
MIB = 1024 * 1024


@dataclass(frozen=True)
class Flood:
    """`connections` that each send `request` again as soon as it is answered."""

    request: bytes
    connections: int


def floods() -> dict[str, Flood]:
    """By kind: what is most for the processor, for the memory, and for whoever takes it apart."""
    event = one_event(1)
    large = event | {"properties": {"text": "x" * (MAX_BODY_BYTES // MAX_BATCH_EVENTS - 500)}}
    names = event | {"properties": {f"n{number:x}": 1 for number in range(3000)}}
    nested = event | {"properties": msgspec.json.decode(b'{"a":' * 60 + b"1" + b"}" * 60)}
    batches = {
        "batches of 5 MiB": [large] * (MAX_BATCH_EVENTS - 1),
        "nothing but names": [names] * 150,
        "nested": [nested] * 4000,
    }
    made = {kind: Flood(request_bytes("/v1/batch", {"batch": batch}, FLOOD), 32) for kind, batch in batches.items()}
    bomb = gzip.compress(msgspec.json.encode({"batch": batches["batches of 5 MiB"], "writeKey": FLOOD}))
    head = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    return {
        "single requests": Flood(request_bytes("/v1/track", event, FLOOD), 200),
        **made,
        "gzip of 5 MiB": Flood(head + bomb, 64),
    }


def measure(parts: Parts, seconds: float, kinds: Collection[str] = ()) -> dict[str, Any]:
    """By kind of flood (of `kinds`, if some are named): how the polite key fared, what the flood was answered, and the
    most memory that ingest had."""
    topics = Topics(f"flood-{uuid.uuid4().hex[:8]}.")
    asyncio.run(create_topics({"bootstrap_servers": parts.kafka_bootstrap}, topics.specs([], 6)))
    environment = {
        "TASUKI_KAFKA_BOOTSTRAP": parts.kafka_bootstrap,
        "TASUKI_TOPIC_PREFIX": topics.prefix,
        "TASUKI_WRITE_KEYS": f"{POLITE}=polite,{FLOOD}=flood",
    }
    with serving("ingest", environment) as ingest:
        ingest.await_ready()
        found = {"no flood": _beside(ingest, None, seconds)}
        chosen = {kind: flood for kind, flood in floods().items() if kind in kinds or not kinds}
        for kind, flood in chosen.items():
            time.sleep(SETTLE_SECONDS)
            found[kind] = _beside(ingest, flood, seconds)
            say(f"  {kind}: {found[kind]}")
    return found


def _beside(ingest: Service, flood: Flood | None, seconds: float) -> dict[str, Any]:
    requests = [request_bytes("/v1/track", one_event(number), POLITE) for number in range(500)]
    context = multiprocessing.get_context("spawn")
    with _memory(ingest) as most, ProcessPoolExecutor(1, mp_context=context) as pool:
        answers = pool.submit(run_flood, ingest.port, flood, seconds + SETTLE_SECONDS) if flood else None
        time.sleep(SETTLE_SECONDS)
        polite: Answers = uvloop.run(at_a_rate(ingest.port, requests, CONNECTIONS, RATE, seconds))
        flooded = answers.result() if answers else {}
    return {
        "polite_p50_ms": round(quantile(polite.latencies, 0.5) * 1000, 1),
        "polite_p99_ms": round(quantile(polite.latencies, 0.99) * 1000, 1),
        "flood_answers": flooded,
        "most_memory_mib": round(most[0] / MIB),
    }


@contextmanager
def _memory(ingest: Service) -> Iterator[list[int]]:
    """One number, which grows: the most that was seen, in bytes."""
    most, done = [ingest.resident_bytes()], threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], ingest.resident_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def run_flood(port: int, flood: Flood, seconds: float) -> dict[str, int]:
    """How often each status was answered."""
    return uvloop.run(_flood(port, flood, seconds))


async def _flood(port: int, flood: Flood, seconds: float) -> dict[str, int]:
    statuses: Counter[str] = Counter()
    until = time.monotonic() + seconds
    await asyncio.gather(*(_send(port, flood.request, until, statuses) for _ in range(flood.connections)))
    return dict(statuses)


async def _send(port: int, request: bytes, until: float, statuses: Counter[str]) -> None:
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while time.monotonic() < until:
                writer.write(request)
                answer = b""
                while (length := message_length(answer)) is None or len(answer) < length:
                    if not (chunk := await reader.read(65536)):
                        raise ConnectionError
                    answer += chunk
                statuses[answer[9:12].decode()] += 1
        except ConnectionError:
            statuses["ended"] += 1
        finally:
            writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each kind")
    given = parser.parse_args()
    with start_parts(say=say) as parts:
        report(measure(parts, given.seconds))


if __name__ == "__main__":
    main()
