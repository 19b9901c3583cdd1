"""The installation under test: Apache Kafka with data on disk, Postgres, two workers of each service.

Workers are real processes, started again when they end, as production would have it. Each reaches Kafka and Postgres
by a way of its own through the proxy; we ourselves go directly.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from services.cli.stack.supervisor import Supervised, service_command
from services.router.migrate import upgrade
from shared.kafka import create_topics
from shared.parts.apache import ApacheBroker
from shared.parts.guarded import Guard
from shared.parts.handles import Broker, Database
from shared.parts.maven import KAFKA_VERSION
from shared.parts.ports import free_ports
from shared.parts.wheel_postgres import WheelDatabase
from shared.playbook import load_playbook
from shared.topics import Topics
from tests.fault.foreseeable import playbook_text
from tests.fault.moved_back import watch_offsets
from tests.fault.proxy import Proxy

SERVICES = ("ingest", "scorer", "router")
WORKERS, SLOTS = 2, 3  # the third of each is for faults in which somebody joins
PARTITIONS = 6
SOURCE = "chaos"
PREFIX = "chaos."
ROOT = Path(__file__).parents[2]

Say = Callable[[str], None]
Commands = Callable[[str], list[str]]
"""The command line of a service; other than the usual one where a measure is switched off."""


@dataclass
class Worker:
    """A slot for one worker process and its successors. Of its ways, `kafka` and `postgres` are names in the proxy."""

    service: str
    number: int
    port: int
    environment: dict[str, str]
    directory: Path
    command: list[str]
    say: Say
    supervised: Supervised | None = None
    retired: list[Supervised] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.service}-{self.number}"

    @property
    def kafka(self) -> str:
        return f"{self.name}/kafka"

    @property
    def postgres(self) -> str:
        return f"{self.name}/postgres"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        return self.supervised.pid if self.supervised else None

    @property
    def wanted(self) -> bool:
        """Whether it is meant to run."""
        return self.supervised is not None

    @property
    def exits(self) -> int:
        """How often it ended by itself, or was killed."""
        return sum(one.exits for one in [*self.retired, *([self.supervised] if self.supervised else [])])

    def start(self) -> None:
        log = self.directory / f"{self.name}.log"
        self.supervised = Supervised(self.name, self.command, self.environment, log, self.say)
        self.supervised.start()

    def stop(self) -> None:
        """For good, in its orderly way; returns when it is gone."""
        assert self.supervised is not None
        self.supervised.tell_to_stop()
        self.supervised.wait_until_gone()
        self.retired.append(self.supervised)
        self.supervised = None

    def signal(self, number: int) -> None:
        """To the present process. Waits for one where it has just ended."""
        for _ in range(600):
            if (pid := self.pid) is not None:
                os.kill(pid, number)
                return
            threading.Event().wait(0.1)
        raise RuntimeError(f"{self.name} has not been started again for a minute")


@dataclass(frozen=True)
class Cluster:
    kafka: Broker
    postgres: Database
    database_url: str
    topics: Topics
    workers: Sequence[Worker]
    proxy: Proxy
    write_key: str
    token: str
    directory: Path
    kafka_log: Path

    @property
    def bootstrap(self) -> str:
        return self.kafka.bootstrap

    def of(self, service: str) -> list[Worker]:
        """The workers of a service that are meant to run."""
        return [worker for worker in self.workers if worker.service == service and worker.wanted]

    def worker(self, name: str) -> Worker:
        return next(worker for worker in self.workers if worker.name == name)

    @property
    def running(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.wanted]


def usual_command(service: str) -> list[str]:
    return service_command(service)


@contextmanager
def start_cluster(say: Say, commands: Commands = usual_command, workers: int = WORKERS) -> Iterator[Cluster]:
    """Gives control when everything is started (`observe.ready` waits until it works), takes all down afterwards."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tasuki-chaos-")))
        proxy = stack.enter_context(Proxy())
        slots = [(service, number) for service in SERVICES for number in range(SLOTS)]
        http, listening, advertised, postgres = (_reserved(len(slots), stack) for _ in range(4))
        broker_guard = stack.enter_context(Guard("chaos-kafka", None))
        proxied = dict(zip(listening, advertised, strict=True))
        broker = ApacheBroker(broker_guard, os.environ.get("TASUKI_KAFKA_VERSION") or KAFKA_VERSION, say, proxied)
        database = WheelDatabase(stack.enter_context(Guard("chaos-postgres", None)), durable=False)
        broker.start()
        database.start()
        say(f"{broker.description} and {database.description}; logs in {directory}")
        database_url, topics = database.create_database("chaos"), Topics(PREFIX)
        specs = topics.specs(load_playbook().departments, PARTITIONS)
        asyncio.run(create_topics({"bootstrap_servers": broker.bootstrap}, specs))
        upgrade(database_url)
        asyncio.run(watch_offsets(database_url))

        (directory / "playbook.yaml").write_text(playbook_text(), encoding="utf-8")
        write_key, token = "wk_" + secrets.token_hex(8), "tk_" + secrets.token_hex(8)
        made: list[Worker] = []
        ports = zip(slots, http, listening, advertised, postgres, strict=True)
        for (service, number), port, kafka, told, ledger in ports:
            worker = Worker(service, number, port, {}, directory, commands(service), say)
            proxy.open(worker.kafka, told, kafka)
            proxy.open(worker.postgres, ledger, urlsplit(database_url).port or 0)
            (directory / f"tmp-{worker.name}").mkdir()
            worker.environment = _environment(worker, told, _through(database_url, ledger), write_key, token)
            worker.environment |= {
                "TMPDIR": str(directory / f"tmp-{worker.name}"),
                "TASUKI_PLAYBOOK": str(directory / "playbook.yaml"),
                "TASUKI_SPOOL_DIR": str(directory / "spool"),
            }
            made.append(worker)
        cluster = Cluster(
            broker,
            database,
            database_url,
            topics,
            made,
            proxy,
            write_key,
            token,
            directory,
            broker_guard.directory / "kafka.log",
        )
        stack.callback(_stop, cluster)
        for worker in made:
            if worker.number < workers:
                worker.start()
        yield cluster


def _reserved(count: int, until: ExitStack) -> list[int]:
    """Free ports that no other cluster takes: half a minute passes until they are opened. The UDP port of the same
    number, which nobody uses, tells; the system releases it however we end."""
    found: list[int] = []
    while len(found) < count:
        (port,) = free_ports(1)
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            mark.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            continue
        until.enter_context(mark)
        found.append(port)
    return found


def _environment(worker: Worker, kafka_port: int, database_url: str, write_key: str, token: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASUKI_")}
    return inherited | {
        "TASUKI_KAFKA_BOOTSTRAP": f"127.0.0.1:{kafka_port}",
        "TASUKI_DATABASE_URL": database_url,
        "TASUKI_TOPIC_PREFIX": PREFIX,
        "TASUKI_HOST": "127.0.0.1",
        f"TASUKI_{worker.service.upper()}_PORT": str(worker.port),
        "TASUKI_WRITE_KEYS": f"{write_key}={SOURCE}",
        "TASUKI_API_TOKENS": f"{token}={SOURCE}:read+write",
        # Many transactions, so that faults find some to interrupt.
        "TASUKI_SCORER_BATCH_EVENTS": "500",
        "TASUKI_ROUTER_BATCH_RECORDS": "500",
        # What is told happened long ago: by the wall clock all leads would have cooled before the rest of their story
        # is told. So time passes with the events only, and the oracle knows when.
        "TASUKI_ROUTER_COOLING_GRACE_SECONDS": "1e9",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
    }


def _through(database_url: str, port: int) -> str:
    parts = urlsplit(database_url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))


def _stop(cluster: Cluster) -> None:
    supervised = [worker.supervised for worker in cluster.running if worker.supervised]
    for one in supervised:
        one.tell_to_stop()
    for one in supervised:
        one.wait_until_gone()


def python_module(module: str, *arguments: str) -> list[str]:
    """A command line with this very Python."""
    return [sys.executable, "-m", module, *arguments]
