"""A process with an HTTP port for a benchmark: one of our services, or something to compare it with."""

from __future__ import annotations

import json
import math
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.parts.ports import free_ports
from tests.load.bench.build import compiled
from tests.load.bench.worker import EngineError, Worker, guarded

ROOT = Path(__file__).parents[3]
READY_WITHIN = 300.0
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Service:
    """A process that listens at `port`."""

    worker: Worker
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def await_ready(self, within: float = READY_WITHIN) -> None:
        """Return when `/readyz` says 200. Raises `EngineError` with the end of the log when it never does."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=10):
                    return
            except OSError:  # not listening yet, or 503
                self.worker.check()
                time.sleep(POLL_SECONDS)
        raise EngineError(f"not ready after {within:.0f} s\n{self.worker.last_words()}")

    def metrics(self) -> str:
        """In Prometheus' words."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def metric(self, name: str) -> float:
        """A metric, of all labels together; 0 where there is none yet."""
        return sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)", self.metrics(), re.MULTILINE)))

    def resident_bytes(self) -> int:
        """Memory that it has now (Linux)."""
        status = Path(f"/proc/{self.worker.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


@contextmanager
def running(name: str, command: Sequence[str], environment: Mapping[str, str], port: int) -> Iterator[Service]:
    """A process that cannot outlive us and is not started again when it ends; not ready yet."""
    path = f"{compiled()}:{ROOT}"
    with guarded(name) as guard:
        # The guard's processes start in /, and have the environment of ours: addresses given there stay outside.
        unset = [part for name in ("TASUKI_KAFKA_BOOTSTRAP", "TASUKI_DATABASE_URL") for part in ("-u", name)]
        assignments = [f"{name}={value}" for name, value in {"PYTHONPATH": path, **environment}.items()]
        worker = Worker(guard, ["/usr/bin/env", *unset, *assignments, *command])
        worker.start()
        try:
            yield Service(worker, port)
        finally:
            worker.stop()


@contextmanager
def serving(service: str, environment: Mapping[str, str]) -> Iterator[Service]:
    """`tasuki serve SERVICE` with a port of its own; not ready yet."""
    (port,) = free_ports(1)
    variables = {f"TASUKI_{service.upper()}_PORT": str(port), "TASUKI_HOST": "127.0.0.1", **environment}
    command = [sys.executable, "-m", "services.cli.main", "serve", service]
    with (
        tempfile.TemporaryDirectory(prefix="tasuki-spool-") as spool,
        running(service, command, {"TASUKI_SPOOL_DIR": spool, **variables}, port) as started,
    ):
        yield started


def quantile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed; `ascending` must not be empty."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]


def report(result: Mapping[str, object]) -> None:
    """The result of a benchmark that runs alone: JSON on standard output."""
    sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Progress: standard output is for results."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
