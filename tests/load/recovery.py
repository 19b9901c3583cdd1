"""How long a worker takes to get back a million leads' state from Kafka, and what a lead costs.

    TASUKI_PARTS=apache python -m tests.load.recovery [--leads 1000000]

The states are real: the demo's sample goes through ingest's parsing and the real scorer, and every lead is given one of
the thousands of states that come out, written by the scorer's own store in its transactions. Then a scorer process is
started, and the clock runs until its `/readyz` says 200; Python's start and joining the group are included, and given
on their own as the start without leads. Prints one JSON object; progress goes to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.cli.sample import generate
from shared.kafka import create_topics
from shared.parts import Parts
from shared.playbook import load_playbook
from shared.topics import Topics
from tests.load.bench.parts import durable_parts, topic_bytes
from tests.load.bench.service import report, say, serving
from tests.load.bench.states import records_of_calls, states_of, write_states
from tests.load.bench.worker import EngineError

PARTITIONS = 4
POOL_LEADS = 4000
"""Leads of the sample, and more visitors who stay anonymous: each gives a distinct state."""


@dataclass(frozen=True)
class Started:
    """A scorer that has become ready: after so long, with so many leads and so much memory."""

    seconds: float
    leads: int
    restore_seconds: float
    bytes: int


def measure(parts: Parts, leads: int) -> dict[str, Any]:
    """`leads`, `seconds`, `bytes_per_lead` (memory of the worker), and more beside them."""
    sample = generate(seed=1, leads=min(POOL_LEADS, leads), end=datetime.now(UTC).replace(microsecond=0))
    pool = states_of(records_of_calls(sample.calls), load_playbook())
    topics = Topics(f"recovery-{uuid.uuid4().hex[:8]}.")
    bootstrap = parts.kafka_bootstrap
    asyncio.run(create_topics({"bootstrap_servers": bootstrap}, topics.specs([], PARTITIONS)))
    empty = _start(bootstrap, topics)
    say(f"  recovery: writing {leads:,} leads' states, made of {len(pool):,}")
    state_bytes = asyncio.run(
        write_states(bootstrap, topics, _group(topics), PARTITIONS, _names(list(pool), leads), list(pool.values()))
    )
    in_kafka = topic_bytes(parts, topics.scorer_state)
    say("  recovery: starting a scorer")
    full = _start(bootstrap, topics)
    if full.leads != leads:
        raise EngineError(f"the scorer restored {full.leads} leads of {leads}")
    return {
        "leads": leads,
        "seconds": round(full.seconds, 2),
        "seconds_without_leads": round(empty.seconds, 2),
        "slowest_partition_seconds": round(full.restore_seconds, 2),
        "bytes_per_lead": round((full.bytes - empty.bytes) / leads),
        "state_bytes_per_lead": round(state_bytes / leads),
        "kafka_bytes_per_lead": None if in_kafka is None else round(in_kafka / leads),
        "disk_bytes_per_lead": 0,  # a worker keeps nothing there
        "distinct_states": len(pool),
        "worker_mb": round(full.bytes / 1e6),
    }


def _names(of_pool: list[str], leads: int) -> Iterator[str]:
    """Ids as long as real ones, each once."""
    for number in range(leads):
        yield f"{of_pool[number % len(of_pool)]}-{number // len(of_pool)}"


def _group(topics: Topics) -> str:
    return f"{topics.prefix}scorer"


def _start(bootstrap: str, topics: Topics) -> Started:
    environment = {
        "TASUKI_KAFKA_BOOTSTRAP": bootstrap,
        "TASUKI_TOPIC_PREFIX": topics.prefix,
        "TASUKI_LOG_LEVEL": "INFO",
    }
    began = time.monotonic()
    with serving("scorer", environment) as scorer:
        scorer.await_ready()
        seconds = time.monotonic() - began
        log = scorer.worker.log.read_text(errors="replace")
        restored = re.findall(r": (\d+) states up to offset -?\d+ restored in ([\d.]+) s", log)
        if len(restored) != PARTITIONS:
            raise EngineError(f"ready, but with {len(restored)} partitions restored of {PARTITIONS}\n{log[-3000:]}")
        leads = sum(int(count) for count, _ in restored)
        return Started(seconds, leads, max(float(took) for _, took in restored), scorer.resident_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=1_000_000)
    given = parser.parse_args()
    with durable_parts() as parts:
        report({"parts": parts.description, **measure(parts, given.leads)})


if __name__ == "__main__":
    main()
