"""The engines: how each is started, and what of its records is checked."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from shared.points import to_micro
from shared.scores import decode_score
from shared.topics import Topics
from tests.load.bench.build import ROOT, Built
from tests.load.job.reference import Result

HERE = Path(__file__).parents[1]
PEERS = HERE / "peers"
PLAYBOOK = HERE / "job" / "playbook.yaml"


@dataclass(frozen=True)
class Run:
    """One engine at its backlog: names that no other run has. `topics` are ours, with the `events` that all read."""

    bootstrap: str
    topics: Topics
    engine: str
    state_dir: Path
    built: Built

    @property
    def group(self) -> str:
        return f"{self.topics.prefix}{self.engine}"

    @property
    def has_between(self) -> bool:
        """Whether what it tells itself has a topic of its own; ours writes that into `events`."""
        return ENGINES[self.engine].peer is not None

    @property
    def between(self) -> str:
        return f"{self.group}.between"

    @property
    def scores(self) -> str:
        return f"{self.group}.scores" if ENGINES[self.engine].peer else self.topics.scores

    def options(self) -> list[str]:
        """The command line that all peers have."""
        return [
            *("--bootstrap", self.bootstrap),
            *("--events", self.topics.events),
            *("--between", self.between),
            *("--scores", self.scores),
            *("--group", self.group),
            *("--playbook", str(PLAYBOOK)),
            *("--state-dir", str(self.state_dir)),
        ]


Read = Callable[[dict[str, Result], bytes], None]
"""Adds a published record to what is known by lead: its latest score, or in place of the total its events."""


@dataclass(frozen=True)
class Engine:
    """`key` is the engine's name in the result: `<key>_eps`."""

    key: str
    title: str
    guarantee: str
    command: Callable[[Run], list[str]]
    read: Read
    peer: Literal["python", "java"] | None = None
    """What must be built for it beside ours."""
    counts_events: bool = False
    """It has no scores, so the events that it has seen are counted."""
    writes_events: bool = False
    """What it tells itself goes into `events`, so it has a topic of that of its own."""


class _Published(msgspec.Struct):
    lead: str
    total: int = 0
    level: int = 0
    merged_into: str = ""


class _Touched(msgspec.Struct):
    lead: str
    events: int


_published = msgspec.json.Decoder(_Published).decode
_touched = msgspec.json.Decoder(_Touched).decode


def _read_ours(known: dict[str, Result], value: bytes) -> None:
    score = decode_score(value)
    if score.merged_into is not None:
        known[score.lead_id] = Result(0, 0, score.merged_into)
    else:
        known[score.lead_id] = Result(to_micro(score.total), score.level)


def _read_score(known: dict[str, Result], value: bytes) -> None:
    score = _published(value)
    known[score.lead] = Result(score.total, score.level, score.merged_into)


def _read_touched(known: dict[str, Result], value: bytes) -> None:
    touched = _touched(value)
    before = known[touched.lead].total if touched.lead in known else 0
    known[touched.lead] = Result(before + touched.events, 0)


def _read_counted(known: dict[str, Result], value: bytes) -> None:
    counted = decode_score(value)
    known[counted.lead_id] = Result(round(counted.total), 0)


def _tasuki(run: Run) -> list[str]:
    """The process that is delivered; further TASUKI_SCORER_* variables reach it from the caller's environment."""
    return _scorer(run, "services.cli.main", "serve", "scorer")


def _counting(run: Run) -> list[str]:
    """The same with `tests/load/counting.py` for its scoring: what is left is the stream."""
    return _scorer(run, "tests.load.counting")


def _scorer(run: Run, *module: str) -> list[str]:
    variables = {
        "TASUKI_KAFKA_BOOTSTRAP": run.bootstrap,
        "TASUKI_TOPIC_PREFIX": run.topics.prefix,
        "TASUKI_SCORER_GROUP": run.group,
        "TASUKI_SCORER_PORT": "0",
        "TASUKI_PLAYBOOK": str(PLAYBOOK),
        "TASUKI_LOG_LEVEL": "WARNING",
        "PYTHONPATH": f"{run.built.services}{os.pathsep}{ROOT}",
    }
    assignments = [f"{name}={value}" for name, value in variables.items()]
    return ["/usr/bin/env", *assignments, sys.executable, "-m", *module]


def _python(script: str, *more: str) -> Callable[[Run], list[str]]:
    return lambda run: [str(run.built.python), str(PEERS / script), *run.options(), *more]


def _kafka_streams(guarantee: str, commit_ms: int = 100) -> Callable[[Run], list[str]]:
    return lambda run: [
        *("java", "-Xms512m", "-Xmx2g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
        *(
            "-cp",
            run.built.classpath,
            "tasuki.peer.Peer",
            *run.options(),
            "--guarantee",
            guarantee,
            "--commit-ms",
            str(commit_ms),
        ),
    ]


ENGINES = {
    engine.key: engine
    for engine in (
        Engine("tasuki", "Tasuki", "exactly-once", _tasuki, _read_ours, writes_events=True),
        Engine(
            "stock_faust",
            "Faust, table in memory",
            "at-least-once",
            _python("stock_faust.py", "--store", "memory://"),
            _read_score,
            "python",
        ),
        Engine(
            "stock_faust_rocksdb",
            "Faust, table in RocksDB",
            "at-least-once",
            _python("stock_faust.py", "--store", "rocksdb://"),
            _read_score,
            "python",
        ),
        Engine(
            "quix",
            "Quix Streams",
            "at-least-once",
            _python("quix.py", "--guarantee", "at-least-once"),
            _read_score,
            "python",
        ),
        Engine(
            "quix_eos",
            "Quix Streams",
            "exactly-once",
            _python("quix.py", "--guarantee", "exactly-once"),
            _read_score,
            "python",
        ),
        Engine(
            "kafka_streams", "Kafka Streams", "exactly_once_v2", _kafka_streams("exactly_once_v2"), _read_score, "java"
        ),
        Engine(
            "kafka_streams_alo", "Kafka Streams", "at_least_once", _kafka_streams("at_least_once"), _read_score, "java"
        ),
        Engine(
            "kafka_streams_1s",
            "Kafka Streams, commits every second",
            "exactly_once_v2",
            _kafka_streams("exactly_once_v2", 1000),
            _read_score,
            "java",
        ),
        Engine("counting", "Tasuki, counting only", "exactly-once", _counting, _read_counted, counts_events=True),
        Engine(
            "ceiling", "Ceiling (aiokafka)", "none", _python("ceiling.py"), _read_touched, "python", counts_events=True
        ),
    )
}
