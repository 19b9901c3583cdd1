"""Kafka is killed under load and stays away: what was accepted, what arrived, how often, and in which order.

    python -m tests.fault.outage [--events 100000] [--away 60] [--rate 1000] [--kill]

One ingest with its spool, Apache Kafka with its data on disk. Every lead's events are numbered; of each lead one
request is under way, and a fifth of the requests is sent once more although it was answered. Kafka is killed after a
fifth of the events. With `--kill`, ingest is killed as well (SIGKILL), while it drains its spool. Exit code 1 if a
promise breaks.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import httpx
import msgspec

from services.cli.stack.supervisor import Supervised, service_command
from shared.kafka import create_topics
from shared.parts.apache import ApacheBroker
from shared.parts.guarded import Guard
from shared.parts.maven import KAFKA_VERSION
from shared.parts.ports import free_ports
from shared.topics import Topics
from tests.fault.numbered import Arrived, arrived

LANES, LEADS_EACH, BATCH = 32, 32, 10
TWICE = 0.2
PARTITIONS = 6
ANSWER_SECONDS = 5.0
"""Within which senders have to be answered (they give up then)."""
PATIENCE_SECONDS = 180.0
KEY = "wk_outage"

Say = Callable[[str], None]


@dataclass
class Outcome:
    """`accepted` events were answered with 200. `refused`: requests answered with anything else, or not at all, which
    were sent again; `late`: answers after more than `ANSWER_SECONDS`."""

    accepted: int = 0
    repeated_requests: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    late: int = 0
    slowest_seconds: float = 0.0
    most_in_spool: int = 0
    kills: int = 0
    seconds_to_drain: float = 0.0
    seconds: float = 0.0
    arrived: Arrived | None = None

    def broken(self, killed: bool) -> list[str]:
        """Promises that were not kept."""
        found = self.arrived
        assert found is not None
        lines = {
            f"{len(found.missing)} accepted events have not arrived: {found.missing[:5]}": found.missing,
            f"{len(found.out_of_order)} leads' events are out of order: {found.out_of_order[:5]}": found.out_of_order,
            f"{found.unknown} events arrived that nobody sent": found.unknown,
            f"{self.late} answers took longer than {ANSWER_SECONDS:g} s": self.late,
            f"senders noticed: {self.refused}": self.refused and not killed,
            "nothing was in the spool: there was no outage": not self.most_in_spool,
            "ingest was not killed while it drained": killed and not self.kills,
        }
        return [line for line, wrong in lines.items() if wrong]


@dataclass(frozen=True)
class Installation:
    """Kafka, and an ingest at `port` that is started again when it ends."""

    broker: ApacheBroker
    ingest: Supervised
    port: int


class Outage:
    """Of Kafka, under `events` events, `rate` a second."""

    def __init__(self, of: Installation, events: int, rate: float, say: Say) -> None:
        self._broker, self._ingest, self._say = of.broker, of.ingest, say
        self._url, self._rate = f"http://127.0.0.1:{of.port}", rate
        self._per_lane = events // LANES
        self._random = Random(1)
        self.outcome = Outcome()

    async def run(self, away: float, kill: bool) -> Outcome:
        began = time.monotonic()
        async with httpx.AsyncClient(base_url=self._url, auth=(KEY, ""), timeout=30) as http:
            await self._until(http, lambda metrics: True)
            load = [asyncio.create_task(self._lane(http, lane)) for lane in range(LANES)]
            while self.outcome.accepted < self._per_lane * LANES // 5:  # noqa: ASYNC110 - counted elsewhere
                await asyncio.sleep(0.05)
            await asyncio.to_thread(self._broker.kill)
            self._say(f"{self.outcome.accepted} events accepted; Kafka is killed, and away for {away:g} s")
            await asyncio.sleep(away)
            self.outcome.most_in_spool = int((await self._metrics(http))["tasuki_ingest_spool_records"])
            self._say(f"{self.outcome.accepted} events accepted, {self.outcome.most_in_spool} wait; Kafka comes back")
            await asyncio.to_thread(self._broker.start)
            back = time.monotonic()
            if kill:
                await self._kill_while_draining(http)
            await asyncio.gather(*load)
            await self._until(http, lambda metrics: not metrics["tasuki_ingest_spool_records"])
            self.outcome.seconds_to_drain = round(time.monotonic() - back, 1)
        self.outcome.seconds = round(time.monotonic() - began, 1)
        return self.outcome

    async def _kill_while_draining(self, http: httpx.AsyncClient) -> None:
        most = self.outcome.most_in_spool
        await self._until(http, lambda metrics: 0 < metrics["tasuki_ingest_spool_records"] < most * 0.8)
        if (pid := self._ingest.pid) is not None:
            os.kill(pid, signal.SIGKILL)
            self.outcome.kills += 1
            self._say("ingest is killed while it drains")

    async def _lane(self, http: httpx.AsyncClient, lane: int) -> None:
        """Its leads' events in turn, a batch after the other."""
        began = time.monotonic()
        for first in range(0, self._per_lane, BATCH):
            numbers = range(first, min(first + BATCH, self._per_lane))
            if (ahead := first * LANES / self._rate - (time.monotonic() - began)) > 0:
                await asyncio.sleep(ahead)
            body = msgspec.json.encode({"batch": [_event(lane, number) for number in numbers]})
            while not await self._post(http, body):  # noqa: ASYNC110 - asks another process
                await asyncio.sleep(0.2)
            self.outcome.accepted += len(numbers)
            if self._random.random() < TWICE:
                self.outcome.repeated_requests += 1
                await self._post(http, body)

    async def _post(self, http: httpx.AsyncClient, body: bytes) -> bool:
        began = time.monotonic()
        try:
            status = str((await http.post("/v1/batch", content=body)).status_code)
        except httpx.TransportError as error:
            status = type(error).__name__
        took = time.monotonic() - began
        self.outcome.slowest_seconds = round(max(self.outcome.slowest_seconds, took), 2)
        self.outcome.late += took > ANSWER_SECONDS
        if status != "200":
            self.outcome.refused[status] = self.outcome.refused.get(status, 0) + 1
        return status == "200"

    async def _until(self, http: httpx.AsyncClient, holds: Callable[[dict[str, float]], bool]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not ((metrics := await self._metrics(http)) and holds(metrics)):
            if time.monotonic() > until:
                raise RuntimeError(f"nothing of the kind after {PATIENCE_SECONDS:g} s: {metrics}")
            await asyncio.sleep(0.02)

    @staticmethod
    async def _metrics(http: httpx.AsyncClient) -> dict[str, float]:
        """Empty while nobody answers."""
        try:
            text = (await http.get("/metrics")).text
        except httpx.TransportError:
            return {}
        lines = [line.split() for line in text.splitlines() if line.startswith("tasuki_") and "{" not in line]
        return {name: float(value) for name, value in lines}


def _event(lane: int, number: int) -> dict[str, object]:
    lead = lane * LEADS_EACH + number % LEADS_EACH
    id = f"{lead}:{number // LEADS_EACH}"
    return {"type": "track", "event": "x", "userId": f"lead-{lead}", "messageId": id}


@contextmanager
def _started(say: Say) -> Iterator[Installation]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tasuki-outage-")))
        guard = stack.enter_context(Guard("outage-kafka", None))
        broker = ApacheBroker(guard, os.environ.get("TASUKI_KAFKA_VERSION") or KAFKA_VERSION, say)
        broker.start()
        specs = Topics("outage.").specs([], PARTITIONS)
        asyncio.run(create_topics({"bootstrap_servers": broker.bootstrap}, specs))
        (port,) = free_ports(1)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASUKI_")}
        environment = inherited | {
            "TASUKI_KAFKA_BOOTSTRAP": broker.bootstrap,
            "TASUKI_TOPIC_PREFIX": "outage.",
            "TASUKI_INGEST_PORT": str(port),
            "TASUKI_WRITE_KEYS": f"{KEY}=outage",
            "TASUKI_SPOOL_DIR": str(directory / "spool"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        ingest = Supervised("ingest", service_command("ingest"), environment, directory / "ingest.log", say)
        ingest.start()
        try:
            yield Installation(broker, ingest, port)
        finally:
            ingest.tell_to_stop()
            ingest.wait_until_gone()


def measure(events: int, away: float, rate: float, kill: bool, say: Say) -> Outcome:
    """Starts everything, and takes it down again."""
    with _started(say) as installation:
        outcome = asyncio.run(Outage(installation, events, rate, say).run(away, kill))
        sent = {f"lead-{lead}": 0 for lead in range(LANES * LEADS_EACH)}
        for number in range(events // LANES):
            for lane in range(LANES):
                sent[f"lead-{lane * LEADS_EACH + number % LEADS_EACH}"] += 1
        outcome.arrived = asyncio.run(arrived(installation.broker.bootstrap, Topics("outage.").events, sent))
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--away", type=float, default=60.0, help="seconds")
    parser.add_argument("--rate", type=float, default=1000.0, help="events a second")
    parser.add_argument("--kill", action="store_true", help="ingest too, while it drains")
    given = parser.parse_args()

    def say(text: str) -> None:
        sys.stderr.write(text + "\n")

    outcome = measure(given.events, given.away, given.rate, given.kill, say)
    broken = outcome.broken(given.kill)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(asdict(outcome)), indent=2).decode() + "\n")
    sys.stdout.write("".join(f"BROKEN: {line}\n" for line in broken) or "every promise was kept\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
