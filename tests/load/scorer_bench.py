"""The scorer beside stock Faust, Quix Streams, Kafka Streams and the ceiling: one job, one machine, one run.

    python -m tests.load.scorer_bench [--events 1000000] [--leads 100000] [--engines tasuki,kafka_streams,...]

Prints a table and, as the last line, one JSON object. An engine whose scores are wrong has no figure, and the command
ends with 1. `--kill` measures nothing: it kills each engine with SIGKILL in the middle, takes its local state away,
starts it again and checks the scores. The job and the method: tests/load/job/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rich.console import Console
from rich.table import Table

from shared.kafka import create_topics
from shared.parts import PartsKind, start_parts
from shared.topics import Topics, TopicSpec
from tests.load.bench.build import BuildError, Built, build
from tests.load.bench.engines import ENGINES, PLAYBOOK, Engine, Run
from tests.load.bench.observe import Offsets, Sample, Watch, published
from tests.load.bench.worker import EngineError, Worker, guarded
from tests.load.job.events import Size, backlog
from tests.load.job.reference import Reference, Result

PARTITIONS = 4
TOLERANCE_MICRO = 1000
"""A thousandth of a point: engines may round to micro-points at other places. An event lost or counted twice is 50,000
micro-points at least, a quarter of the cheapest, unless a cap or the total's bound hides it."""
MOST_UNSEEN = 0.2
"""More than this share committed before the first sample: the backlog was too small to measure."""
USUAL = [key for key in ENGINES if key not in {"stock_faust_rocksdb", "kafka_streams_1s", "counting"}]
"""The first takes many times as long as all others together, the second tells what ours costs without scoring."""
APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}


def say(text: str) -> None:
    """Progress; the table and the JSON alone go to standard output."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


@dataclass(frozen=True)
class Backlog:
    """What lies in `events`, and what must come out of it. `own`: the same for the engine that writes there itself."""

    topics: Topics
    own: Topics
    ends: Offsets
    events: int
    event_bytes: int
    copies: int
    merged: int
    results: dict[str, Result]
    events_of: dict[str, Result]


async def fill(bootstrap: str, size: Size) -> Backlog:
    """Make the topics of Tasuki twice and fill `events`, by the default partitioner."""
    both = [Topics(f"bench-{uuid.uuid4().hex[:8]}.") for _ in range(2)]
    for topics in both:
        specs = [
            replace(spec, config=spec.config | APPEND_TIME) if spec.name == topics.scores else spec
            for spec in topics.specs([], PARTITIONS)
        ]
        await create_topics({"bootstrap_servers": bootstrap}, specs)
    reference, bytes_sent, events_of = Reference(PLAYBOOK), 0, Counter[str]()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=1 << 19, enable_idempotence=True
    )
    await producer.start()
    try:
        for key, value in backlog(size):
            for topics in both:
                await producer.send(topics.events, value, key=key)
            reference.add(value)
            events_of[key.decode()] += 1
            bytes_sent += len(value)
    finally:
        await producer.stop()
    counted = {lead: Result(events, 0) for lead, events in events_of.items()}
    mean_bytes = round(bytes_sent / size.events)
    return Backlog(
        topics=both[0],
        own=both[1],
        ends=await _ends(bootstrap, [topics.events for topics in both]),
        events=size.events,
        event_bytes=mean_bytes,
        copies=reference.copies,
        merged=reference.merged,
        results=reference.results(),
        events_of=counted,
    )


async def _ends(bootstrap: str, topics: Sequence[str]) -> Offsets:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        found: Offsets = await consumer.end_offsets(partitions)
        return found
    finally:
        await consumer.stop()


async def measure(engine: Engine, bootstrap: str, work: Backlog, built: Built, kill: bool) -> dict[str, Any]:
    """One engine at the whole backlog. Raises `EngineError`, also when what it published is wrong."""
    with guarded(engine.key) as guard:
        topics = work.own if engine.writes_events else work.topics
        run = Run(bootstrap, topics, engine.key, guard.directory / "state", built)
        specs = [TopicSpec(run.scores, PARTITIONS, APPEND_TIME)]
        specs += [TopicSpec(run.between, PARTITIONS, {})] if run.has_between else []
        await create_topics({"bootstrap_servers": bootstrap}, specs)
        run.state_dir.mkdir()
        worker = Worker(guard, engine.command(run))
        worker.start()
        watch = Watch(run, worker, {tp: end for tp, end in work.ends.items() if tp.topic == topics.events})
        if kill:
            await killed_in_the_middle(watch, worker)
        await watch.to_the_end()
        expected, tolerance = (work.events_of, 0) if engine.counts_events else (work.results, TOLERANCE_MICRO)
        found = await published(run, engine, PARTITIONS, lambda seen: not differences(expected, seen, tolerance))
        if wrong := differences(expected, found.by_lead, tolerance):
            some = ", ".join(wrong[:3])
            raise EngineError(f"{len(wrong)} of {len(expected)} leads are wrong: {some}\n{worker.last_words()}")
        peak = worker.peak_megabytes()
        worker.stop()
    return {
        "engine": engine.key,
        "guarantee": engine.guarantee,
        **({} if kill else rates(watch.samples, found.last)),
        "told_itself": watch.told,
        "published": found.records,
        "published_bytes": round(found.bytes / found.records),
        "peak_mb": round(peak),
        "leads_verified": len(expected),
        "worst_off": max(abs(found.by_lead[lead].total - result.total) for lead, result in expected.items()),
    }


async def killed_in_the_middle(watch: Watch, worker: Worker) -> None:
    """SIGKILL when half is committed; nothing of what the engine keeps on this machine is left to its successor."""
    events, state_dir = sum(watch.backlog.values()), watch.run.state_dir
    await watch.until(events // 2)
    worker.kill()
    if watch.samples[-1].committed == events:
        raise EngineError("everything was committed before it could be killed: give more --events")
    shutil.rmtree(state_dir)
    state_dir.mkdir()
    say(f"  killed after {watch.samples[-1].committed} events")
    worker.start()


def differences(expected: dict[str, Result], found: dict[str, Result], tolerance: int) -> list[str]:
    """Leads whose result is not the reference's, in words."""
    strange = [f"{lead}, which does not exist" for lead in found.keys() - expected.keys()]
    missing = [f"{lead}, of which nothing came" for lead in expected.keys() - found.keys()]
    both = [(lead, found[lead], result) for lead, result in expected.items() if lead in found]
    off = [(lead, seen.total - result.total) for lead, seen, result in both]
    others = [f"{lead}, of level {seen.level} and not {r.level}" for lead, seen, r in both if seen.level != r.level]
    others += [
        f"{lead}, merged into {seen.merged_into or 'none'} and not {r.merged_into or 'none'}"
        for lead, seen, r in both
        if seen.merged_into != r.merged_into
    ]
    return strange + missing + [f"{lead} by {by}" for lead, by in off if abs(by) > tolerance] + others


def rates(samples: Sequence[Sample], last_published: float) -> dict[str, Any]:
    """Events per second, and per second of processor, from the first commit seen to the last commit or record,
    whichever is later. What was committed before the first sample is not counted: it holds the start.

    The second half alone tells of an engine that runs for months: by then a JVM has compiled what it runs."""
    first, last = samples[0], samples[-1]
    if first.committed > MOST_UNSEEN * last.committed:
        return {"eps": None, "note": f"too small to measure: {first.committed} events were done at the first look"}
    end = max(last.time, last_published)
    middle = next(sample for sample in samples if sample.committed >= last.committed / 2)
    return {
        "eps": round((last.committed - first.committed) / (end - first.time)),
        "second_half_eps": round((last.committed - middle.committed) / (end - middle.time)) if middle != last else None,
        "seconds": round(end - first.time, 2),
        "cpu_eps": round((last.committed - first.committed) / max(last.cpu - first.cpu, 0.01)),
    }


async def measure_all(bootstrap: str, size: Size, keys: Sequence[str], built: Built, kill: bool) -> dict[str, Any]:
    """Every engine, one after the other, at one backlog: details by engine, and `scorer.<key>_eps`."""
    work = await fill(bootstrap, size)
    say(f"{work.events} events of {work.event_bytes} bytes for {len(work.results)} leads, {work.copies} of them copies")
    say(f"{work.merged} visitors become known")
    details: dict[str, Any] = {}
    for key in keys:
        say(f"{key} …")
        try:
            details[key] = await measure(ENGINES[key], bootstrap, work, built, kill)
        except EngineError as error:
            details[key] = {"engine": key, "guarantee": ENGINES[key].guarantee, "eps": None, "error": str(error)}
        say(f"  {json.dumps(details[key])}")
    return {
        "events": work.events,
        "event_bytes": work.event_bytes,
        "leads": len(work.results),
        "copies": work.copies,
        "merged": work.merged,
        "skew": size.skew,
        "seed": size.seed,
        "scorer": {f"{key}_eps": found.get("eps") for key, found in details.items()},
        "details": details,
    }


def table(result: dict[str, Any]) -> Table:
    """Absolute figures, and ours as a multiple of each."""
    ours = result["scorer"].get("tasuki_eps")
    shown = Table(title=f"{result['events']:,} events, {result['leads']:,} leads")
    for name in ("engine", "guarantee", "events/s", "Tasuki is", "2nd half/s", "events/cpu s", "peak MB", "scores"):
        shown.add_column(name, justify="left" if name in {"engine", "guarantee", "scores"} else "right")
    for key, found in result["details"].items():
        eps = found.get("eps")
        shown.add_row(
            ENGINES[key].title,
            found["guarantee"],
            _figure(eps),
            f"{ours / eps:.2f} ×" if ours and eps else "–",
            _figure(found.get("second_half_eps")),
            _figure(found.get("cpu_eps")),
            _figure(found.get("peak_mb")),
            "WRONG or none" if "error" in found else found.get("note", f"{found['leads_verified']:,} right"),
        )
    return shown


def _figure(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def bench(
    size: Size,
    keys: Sequence[str],
    kind: PartsKind | None = PartsKind.APACHE,
    kill: bool = False,
    interpreted: bool = False,
) -> dict[str, Any]:
    """Build what is measured, start a Kafka, measure. Raises `BuildError` or `PartsError`."""
    peers = {ENGINES[key].peer for key in keys}
    built = build("python" in peers, "java" in peers, interpreted)
    with start_parts(kind, say=say) as parts:
        result = asyncio.run(measure_all(parts.kafka_bootstrap, size, keys, built, kill))
        return {"broker": parts.kafka.description, **result}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=Size.events)
    parser.add_argument("--leads", type=int, default=Size.leads)
    parser.add_argument("--skew", type=float, default=Size.skew, help="exponent of Zipf's law")
    parser.add_argument("--visitors", type=float, default=Size.visitors, help="share of leads who begin as visitors")
    parser.add_argument("--seed", type=int, default=Size.seed)
    parser.add_argument("--engines", default=",".join(USUAL), help=f"some of {', '.join(ENGINES)}")
    parser.add_argument("--parts", type=PartsKind, default=PartsKind.APACHE, help="which Kafka (default: apache)")
    parser.add_argument("--interpreted", action="store_true", help="ours as it stands here, and not compiled")
    parser.add_argument("--kill", action="store_true", help="no figures: SIGKILL in the middle, then check the scores")
    given = parser.parse_args()
    keys = given.engines.split(",")
    if unknown := sorted(set(keys) - ENGINES.keys()):
        parser.error(f"unknown engines {', '.join(unknown)}; choose among {', '.join(ENGINES)}")
    try:
        result = bench(
            Size(given.events, given.leads, given.skew, given.seed, given.visitors),
            keys,
            given.parts,
            given.kill,
            given.interpreted,
        )
    except BuildError as error:
        say(f"error: {error}")
        return 2
    Console(width=130).print(table(result))
    sys.stdout.write(json.dumps(result) + "\n")
    return int(any("error" in found for found in result["details"].values()))


if __name__ == "__main__":
    sys.exit(main())
