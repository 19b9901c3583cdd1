"""From the POST of an event until a subscriber has read the hand-off that it led to, at a steady rate.

    TASUKI_PARTS=apache python -m tests.load.e2e [--rate 1000] [--seconds 300]

One process of each service, a Kafka, a Postgres. The demo's sample is sent in the order in which it happened, one call
a request, as browsers send them; some of the leads become hand-offs. A latency begins at the moment at which the
request was due, so that nothing is hidden when ingest or the sender is late, and ends when a consumer of `handoffs.*`
(read_committed) has the message. In the end every hand-off of the ledger must have been heard, or there is no figure.
Prints one JSON object; progress goes to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import uvloop
from sqlalchemy.ext.asyncio import create_async_engine

from services.cli.demo.drain import Gauge, drained
from services.cli.demo.listener import Listener, Offer
from services.cli.sample import generate
from services.router.migrate import upgrade
from shared.kafka import client_options, create_topics
from shared.parts import Parts
from shared.playbook import load_playbook
from shared.settings import CommonSettings
from tests.load.bench.parts import durable_parts
from tests.load.bench.senders import Connections, request_bytes
from tests.load.bench.service import Service, quantile, report, say, serving

KEY, TOKEN = "e2e-key", "e2e-token"
PARTITIONS = 1
"""One takes many times that rate, and each is a transaction of its own, many times a second, in every service: on two
processors 4 partitions make 1,000 events/s half as slow again."""
CONNECTIONS = 256
"""More than are ever busy on a machine that keeps up: waiting for one of them would count as well."""
WARM_UP_SECONDS = 120
"""At the same rate; not counted. Kafka's JVM compiles for so long: on two processors that takes a quarter of one in the
first minute, and two hundredths after two minutes, when the median hand-off takes 90 ms instead of 225."""
CALLS_PER_LEAD = 16.4
EDGES_MS = (5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250, 500, 1000, 2500, 10_000)
HEARD_WITHIN = 30.0
STORIES = {
    "scorer": "tasuki_scorer_event_to_score_seconds",
    "router": "tasuki_event_to_handoff_seconds",
}
"""What the services themselves say, by the histogram that is a metric of theirs."""


class Incomplete(Exception):
    """Hand-offs are missing at the subscriber, or were never made: the latencies mean nothing."""


@dataclass(frozen=True)
class Sent:
    """Requests in order, and the place of each message id."""

    requests: list[bytes]
    places: dict[str, int]


def make_requests(count: int, seed: int) -> Sent:
    """The sample of an invented company's four months up to now, as single requests."""
    end = datetime.now(UTC).replace(microsecond=0)
    calls = generate(seed=seed, leads=int(count / CALLS_PER_LEAD * 1.1) + 10, end=end).calls[:count]
    if len(calls) < count:
        raise ValueError(f"the sample has only {len(calls)} calls for {count}: lower CALLS_PER_LEAD")
    requests = [request_bytes(f"/v1/{call['type']}", call, KEY) for call in calls]
    return Sent(requests, {call["messageId"]: place for place, call in enumerate(calls)})


def measure(parts: Parts, rate: float, seconds: float, seed: int = 1) -> dict[str, Any]:
    """`rate` (as achieved), `p50_ms`, `p99_ms`, and more beside them."""
    warm_up = min(WARM_UP_SECONDS, seconds)
    sent = make_requests(int(rate * (seconds + warm_up)), seed)
    name = f"e2e{uuid.uuid4().hex[:8]}"
    settings = CommonSettings(kafka_bootstrap=parts.kafka_bootstrap, topic_prefix=f"{name}.")
    database_url = parts.postgres.create_database(name)
    upgrade(database_url)
    playbook = load_playbook()
    asyncio.run(create_topics(client_options(settings), settings.topics.specs(playbook.departments, PARTITIONS)))
    environment = {
        "TASUKI_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "TASUKI_TOPIC_PREFIX": settings.topic_prefix,
        "TASUKI_DATABASE_URL": database_url,
        "TASUKI_WRITE_KEYS": f"{KEY}=e2e",
        "TASUKI_API_TOKENS": f"{TOKEN}=e2e:read",
    }
    with ExitStack() as stack:
        services = {name: stack.enter_context(serving(name, environment)) for name in ("ingest", "scorer", "router")}
        for service in services.values():
            service.await_ready()
        run = Run(settings, database_url, services, sent, rate, int(rate * warm_up))
        return uvloop.run(run.measured(list(playbook.departments)))


@dataclass
class Run:
    """One measurement; the first `uncounted` requests are the warm-up."""

    settings: CommonSettings
    database_url: str
    services: Mapping[str, Service]
    sent: Sent
    rate: float
    uncounted: int
    began: float = 0.0
    """Of the load, in seconds since 1970."""

    async def measured(self, departments: Sequence[str]) -> dict[str, Any]:
        engine = create_async_engine(self.database_url)
        async with Listener(self.settings, departments) as listener:
            async with Gauge(self.settings, PARTITIONS, engine) as gauge:
                gc.freeze()  # half a million objects that stay: walking over them would be our own pauses
                load = await self._send()
                await drained(gauge, len(self.sent.requests))
                offered = await gauge.offered()
                await _heard(listener, offered)
                dead = await gauge.dead_letters()
            await engine.dispose()
        if unheard := offered.keys() - listener.offers.by_id.keys():
            raise Incomplete(f"{len(unheard)} of {len(offered)} hand-offs never reached the subscriber")
        latencies = self._latencies(list(listener.offers.by_id.values()))
        if not latencies:
            raise Incomplete("nothing was handed off: give more --seconds")
        return {
            **load,
            "p50_ms": _milliseconds(quantile(latencies, 0.5)),
            "p99_ms": _milliseconds(quantile(latencies, 0.99)),
            "max_ms": _milliseconds(latencies[-1]),
            "handoffs": len(latencies),
            "handoffs_with_warm_up": len(offered),
            "dead_letters": dead,
            "repeated_deliveries": listener.offers.repeated,
            "histogram": _histogram([latency * 1000 for latency in latencies]),
            "as_the_services_say": {name: _cumulated(self.services[name], STORIES[name]) for name in STORIES},
        }

    async def _send(self) -> dict[str, Any]:
        answers: list[float] = []

        def answered(number: int, seconds: float) -> None:
            if number >= self.uncounted:
                answers.append(seconds)

        pool = Connections(answered)
        await pool.open(self.services["ingest"].port, CONNECTIONS)
        # Two clocks that go alike: latencies of answers by one, arrivals of hand-offs by the other.
        self.began, began = time.time(), time.perf_counter()
        counted_from, cpu = began, self._cpu()
        say(f"  e2e: {len(self.sent.requests):,} requests at {self.rate:g}/s")
        for number, request in enumerate(self.sent.requests):
            due = began + number / self.rate
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            if pool.failed.done():
                break
            if number == self.uncounted:
                counted_from, cpu = time.perf_counter(), self._cpu()
            pool.send(request, number, due)
        while pool.under_way and not pool.failed.done():
            await asyncio.wait([pool.failed], timeout=0.01)
        seconds = time.perf_counter() - counted_from
        busy = {name: round((used - cpu[name]) / seconds, 2) for name, used in self._cpu().items()}
        if pool.failed.done():
            pool.failed.result()
        pool.close()
        answers.sort()
        return {
            "rate": round(len(answers) / seconds),
            "seconds": round(seconds, 1),
            "busy": busy,
            "post_p50_ms": _milliseconds(quantile(answers, 0.5)),
            "post_p99_ms": _milliseconds(quantile(answers, 0.99)),
        }

    def _cpu(self) -> dict[str, float]:
        """Processor seconds used so far, by service."""
        used = {name: service.worker.cpu_seconds() for name, service in self.services.items()}
        return used | {"sender_and_subscriber": time.process_time()}

    def _latencies(self, offers: Sequence[Offer]) -> list[float]:
        """Seconds from when the request of its trigger was due, ascending; the warm-up is left out.

        Where that is a message between partitions, it has the id of none of the requests: then from when the event
        that led to it was received, which is the latency of an answer later."""
        found = []
        for offer in offers:
            place = self.sent.places.get(offer.message["trigger"]["event_id"])
            due = offer.received_at.timestamp() if place is None else self.began + place / self.rate
            if due >= self.began + self.uncounted / self.rate:
                arrived = offer.received_at + timedelta(seconds=offer.latency)
                found.append(arrived.timestamp() - due)
        return sorted(found)


async def _heard(listener: Listener, offered: Mapping[str, str]) -> None:
    """Give the subscriber time for what the ledger has."""
    until = time.monotonic() + HEARD_WITHIN
    while offered.keys() - listener.offers.by_id.keys() and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.1)  # the listener tells nobody when it has something


def _histogram(latencies_ms: Sequence[float]) -> dict[str, int]:
    """How many were at most so many milliseconds, and above the edge before."""
    edges = [0, *EDGES_MS]
    counts = {
        str(edge): sum(below < latency <= edge for latency in latencies_ms)
        for below, edge in zip(edges, EDGES_MS, strict=False)
    }
    return {edge: count for edge, count in counts.items() if count} | {
        "more": sum(latency > EDGES_MS[-1] for latency in latencies_ms)
    }


def _cumulated(service: Service, name: str) -> dict[str, int]:
    """A histogram of a service's own metrics, warm-up included: how many were at most so many milliseconds."""
    lines = re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\S+)', service.metrics(), re.MULTILINE)
    return {edge if edge == "+Inf" else f"{float(edge) * 1000:g}": int(float(count)) for edge, count in lines}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000)
    parser.add_argument("--seconds", type=float, default=300)
    given = parser.parse_args()
    with durable_parts() as parts:
        report({"parts": parts.description, **measure(parts, given.rate, given.seconds)})


if __name__ == "__main__":
    main()
