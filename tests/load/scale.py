"""The scorer with one worker and with two on the same topic; and what an event costs as the leads grow.

    TASUKI_PARTS=apache python -m tests.load.scale [--events 1000000] [--leads 100000] [--workers 1,2]
    TASUKI_PARTS=apache python -m tests.load.scale --flat 10000,100000,1000000 [--events 300000]

The job of the scorer benchmark (tests/load/job/README.md), seen by the same observer. The workers join and share the
partitions before there is anything to do, and are halted (SIGSTOP) while the backlog is written; the clock begins when
they go on. In the end the scores must be the reference's. With `--flat` every lead has a state before the first event,
as in an installation that has run for months. Once the events are of as many leads at every size (the smallest of them,
all equally busy): what differs is only how many states there are. And once they are of all leads: then hardly two
events of a lead meet in a batch where there are many. Prints one JSON object; progress goes to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.events import decode_event, encode_event
from shared.kafka import create_topics
from shared.parts import Parts
from shared.playbook import load_playbook
from shared.topics import Topics
from tests.load.bench.build import Built
from tests.load.bench.engines import ENGINES, PLAYBOOK, Run
from tests.load.bench.observe import Offsets, Sample, Watch, published
from tests.load.bench.parts import durable_parts
from tests.load.bench.service import Service, report, say, serving
from tests.load.bench.states import states_of, write_states
from tests.load.bench.worker import EngineError
from tests.load.job.events import DAYS, Size, backlog
from tests.load.job.reference import Reference, Result
from tests.load.scorer_bench import PARTITIONS, TOLERANCE_MICRO, differences

LOOK_SECONDS = 0.05
SHARED_WITHIN = 60.0
POOL_LEADS, POOL_EVENTS_PER_LEAD = 3000, 10

Record = tuple[bytes, bytes]
"""Key and value."""


@dataclass
class Crew:
    """Workers of one group, for the observer like one."""

    services: Sequence[Service]

    def check(self) -> None:
        for service in self.services:
            service.worker.check()

    def cpu_seconds(self) -> float:
        return sum(service.worker.cpu_seconds() for service in self.services)

    def last_words(self) -> str:
        return "\n".join(service.worker.last_words() for service in self.services)

    def signal(self, number: int) -> None:
        for service in self.services:
            os.kill(service.worker.pid, number)

    async def shared(self) -> None:
        """Until all are ready and have their share of the partitions."""
        for service in self.services:
            await asyncio.to_thread(service.await_ready)
        share = PARTITIONS // len(self.services)
        async with asyncio.timeout(SHARED_WITHIN):
            for service in self.services:
                while await asyncio.to_thread(_figure, service, "tasuki_scorer_partitions") != share:  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_SECONDS)
        for service in self.services:
            await asyncio.to_thread(service.await_ready)

    def verify(self, events: int) -> None:
        """Raises `EngineError` unless each event was scored once, what they tell each other included, and all have
        worked."""
        names = ("tasuki_scorer_events_total", "tasuki_scorer_identity_messages_total")
        scored = [sum(map(service.metric, names)) for service in self.services]
        if sum(scored) != events or not all(scored):
            raise EngineError(f"the workers scored {scored} of {events} events\n{self.last_words()}")


def measure(parts: Parts, size: Size, workers: Sequence[int] = (1, 2)) -> dict[str, Any]:
    """`one_eps`, `two_eps`, and for each how many events a second of processor time scores."""
    found: dict[str, Any] = {}
    records, reference = list(backlog(size)), Reference(PLAYBOOK)
    for _, value in records:
        reference.add(value)
    expected = reference.results()
    for count in workers:
        say(f"  scale: {count} of {max(workers)} workers, {size.events:,} events")
        run = _run(parts, Topics(f"scale-{uuid.uuid4().hex[:8]}."))
        _make_topics(run)
        samples = _shared(run, count, records)
        _verify(run, expected)
        name = {1: "one", 2: "two"}.get(count, str(count))
        found |= {f"{name}_{key}": value for key, value in _rates(samples).items()}
    if {"one_eps", "two_eps"} <= found.keys():
        found["ratio"] = round(found["two_eps"] / found["one_eps"], 2)
    return found


def flat(parts: Parts, events: int, leads: Sequence[int]) -> dict[str, Any]:
    """By number of leads: events per second, and microseconds of processor time per event."""
    pool = list(_pool().values())
    few = {count: _cost(parts, events, count, min(leads), pool) for count in leads}
    return {
        "by_leads": few,
        "last_over_first": round(few[leads[-1]]["cpu_us_per_event"] / few[leads[0]]["cpu_us_per_event"], 2),
        "by_leads_all_active": {
            count: few[count] if count == min(leads) else _cost(parts, events, count, count, pool) for count in leads
        },
    }


def _cost(parts: Parts, events: int, leads: int, active: int, pool: Sequence[bytes]) -> dict[str, float]:
    say(f"  scale: one worker with the states of {leads:,} leads, {active:,} of them active")
    run = _run(parts, Topics(f"flat-{uuid.uuid4().hex[:8]}."))
    size = Size(events, active, skew=0.0, visitors=0.0)  # whom a state was given before is known
    _make_topics(run)
    names = [f"lead-{number:06d}" for number in range(leads)]  # as the backlog names them
    Random(size.seed).shuffle(names)  # the active ones do not lie side by side in memory
    asyncio.run(write_states(run.bootstrap, run.topics, run.group, PARTITIONS, names, pool))
    rates = _rates(_shared(run, 1, list(backlog(size))))
    return {"eps": rates["eps"], "cpu_us_per_event": round(1e6 / rates["cpu_eps"], 2)}


def _figure(service: Service, name: str) -> float:
    """Of its metrics; 0 as long as it does not listen."""
    try:
        return service.metric(name)
    except OSError:
        return 0.0


def _run(parts: Parts, topics: Topics) -> Run:
    """What the observer must know; ours needs nothing that is built, and keeps nothing on disk."""
    return Run(parts.kafka_bootstrap, topics, "tasuki", Path(), Built(Path(), Path(), ""))


def _shared(run: Run, workers: int, records: Sequence[Record]) -> list[Sample]:
    """Samples while so many workers, who have shared the partitions already, work through `records`."""
    with _workers(run, workers) as crew:
        asyncio.run(crew.shared())
        before = sum(asyncio.run(_ends(run)).values())
        crew.signal(signal.SIGSTOP)
        try:
            asyncio.run(_send(run, records))
            ends = asyncio.run(_ends(run))
        finally:
            crew.signal(signal.SIGCONT)  # whoever is halted cannot end either
        start = Sample(time.time(), before, crew.cpu_seconds(), {})
        watch = Watch(run, crew, ends)
        asyncio.run(watch.to_the_end())
        crew.verify(len(records) + watch.told)
        return [start, *watch.samples]


async def _ends(run: Run) -> Offsets:
    """How many records each partition of `events` has, before any worker has written there."""
    consumer = AIOKafkaConsumer(bootstrap_servers=run.bootstrap)
    await consumer.start()
    try:
        parts = [TopicPartition(run.topics.events, number) for number in range(PARTITIONS)]
        found: Offsets = await consumer.end_offsets(parts)
        return found
    finally:
        await consumer.stop()


@contextmanager
def _workers(run: Run, count: int) -> Iterator[Crew]:
    environment = {
        "TASUKI_KAFKA_BOOTSTRAP": run.bootstrap,
        "TASUKI_TOPIC_PREFIX": run.topics.prefix,
        "TASUKI_SCORER_GROUP": run.group,
        "TASUKI_PLAYBOOK": str(PLAYBOOK),
        "TASUKI_LOG_LEVEL": "WARNING",
        # Whoever is halted is no more dead than stalled.
        "TASUKI_SCORER_SESSION_TIMEOUT_SECONDS": "300",
        "TASUKI_SCORER_STALL_SECONDS": "600",
    }
    with ExitStack() as stack:
        yield Crew([stack.enter_context(serving("scorer", environment)) for _ in range(count)])


def _rates(samples: Sequence[Sample]) -> dict[str, int]:
    first, last = samples[0], samples[-1]
    done = last.committed - first.committed
    return {
        "eps": round(done / (last.time - first.time)),
        "cpu_eps": round(done / max(last.cpu - first.cpu, 0.01)),
    }


def _verify(run: Run, expected: dict[str, Result]) -> None:
    def right(known: dict[str, Result]) -> bool:
        return not differences(expected, known, TOLERANCE_MICRO)

    found = asyncio.run(published(run, ENGINES["tasuki"], PARTITIONS, right))
    if wrong := differences(expected, found.by_lead, TOLERANCE_MICRO):
        raise EngineError(f"{len(wrong)} of {len(expected)} leads are wrong: {', '.join(wrong[:3])}")


def _pool() -> dict[str, bytes]:
    """States after a handful of events in the weeks before the backlog begins."""
    size = Size(POOL_LEADS * POOL_EVENTS_PER_LEAD, POOL_LEADS, skew=0.0, seed=2, visitors=0.0)
    earlier = timedelta(days=DAYS)
    records = []
    for key, value in backlog(size):
        event = decode_event(value)
        received = event.received_at - earlier
        moved = msgspec.structs.replace(event, received_at=received, time=event.time - earlier)
        records.append((key, encode_event(moved), received))
    return states_of(records, load_playbook(PLAYBOOK))


def _make_topics(run: Run) -> None:
    asyncio.run(create_topics({"bootstrap_servers": run.bootstrap}, run.topics.specs([], PARTITIONS)))


async def _send(run: Run, records: Iterable[Record]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=run.bootstrap, linger_ms=5, max_batch_size=1 << 19, enable_idempotence=True
    )
    await producer.start()
    try:
        for key, value in records:
            await producer.send(run.topics.events, value, key=key)
    finally:
        await producer.stop()


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--leads", type=int, default=100_000)
    parser.add_argument("--workers", type=_numbers, default=[1, 2])
    parser.add_argument("--flat", type=_numbers, help="numbers of leads: measure the cost of an event instead")
    given = parser.parse_args()
    with durable_parts() as parts:
        result = (
            flat(parts, given.events, given.flat)
            if given.flat
            else measure(parts, Size(given.events, given.leads), given.workers)
        )
        report({"parts": parts.description, **result})


if __name__ == "__main__":
    main()
