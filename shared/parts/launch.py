"""Gives a Kafka and a Postgres: to the demo, the tests and the benchmarks alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from shared.kafka import client_options
from shared.parts.apache import ApacheBroker
from shared.parts.choice import PartsKind, Surroundings, choose
from shared.parts.embedded import EmbeddedBroker
from shared.parts.errors import PartsError
from shared.parts.given import GivenBroker, GivenDatabase
from shared.parts.guarded import Guard
from shared.parts.handles import Broker, Database
from shared.parts.maven import KAFKA_VERSION, Say
from shared.parts.surroundings import look_around
from shared.parts.wheel_postgres import WheelDatabase
from shared.settings import CommonSettings

__all__ = ["Parts", "PartsError", "PartsKind", "start_parts"]

P = TypeVar("P", bound=Broker | Database)


@dataclass(frozen=True)
class Parts:
    """A Kafka and a Postgres that answer."""

    kafka: Broker
    postgres: Database

    @property
    def kafka_bootstrap(self) -> str:
        """host:port, for TASUKI_KAFKA_BOOTSTRAP"""
        return self.kafka.bootstrap

    @property
    def database_url(self) -> str:
        """postgresql+asyncpg://…, over TCP, for TASUKI_DATABASE_URL"""
        return self.postgres.url

    @property
    def description(self) -> str:
        """Which broker and which database, with versions."""
        return f"{self.kafka.description} and {self.postgres.description}"


@contextmanager
def start_parts(kind: PartsKind | None = None, *, data_dir: Path | None = None, say: Say = print) -> Iterator[Parts]:
    """Start a Kafka and a Postgres, or find those given by their addresses; end them and remove their data at the end.

    `kind` wins over TASUKI_PARTS; see `choice.py` for the order when neither is there. With `data_dir` the data is
    kept there. `say` is told what was chosen and why. TASUKI_KAFKA_VERSION asks for another version of Apache Kafka.
    However this process ends, even by SIGKILL, nothing stays behind: see `guard.py`.

    Raises `PartsError` when something cannot be had, or does not answer in time.
    """
    found = look_around(os.environ)
    choice = choose(found, kind, keeps_data=data_dir is not None)
    say(f"Kafka: {choice.kafka}, Postgres: {choice.postgres} ({choice.reason})")
    # The stack is left before the threads are waited for: whoever still waits for a part then sees it gone, and ends.
    with ThreadPoolExecutor(2) as threads, ExitStack() as stack:
        make_broker = _broker(choice.kafka, found, data_dir, say, stack)
        make_database = _database(choice.postgres, found, data_dir, stack)
        broker, database = threads.submit(_started, make_broker), threads.submit(_started, make_database)
        _raise_failures([broker, database])
        parts = Parts(broker.result(), database.result())
        say(parts.description)
        yield parts


def _raise_failures(starts: list[Future[Any]]) -> None:
    """Wait for all to succeed. A failure does not wait for another's long download, yet two at about the same time
    are told together: whoever forgot to start one has often forgotten both."""
    if not any(start.exception() for start in wait(starts, return_when=FIRST_EXCEPTION).done):
        return
    failures = [failure for start in wait(starts, timeout=1.0).done if (failure := start.exception())]
    if any(not isinstance(failure, PartsError) for failure in failures):
        raise failures[0]
    raise PartsError("\n".join(sorted(str(failure) for failure in failures)))


def _started(make: Callable[[], P]) -> P:
    part = make()
    part.start()
    return part


def _broker(
    kind: PartsKind, found: Surroundings, data_dir: Path | None, say: Say, stack: ExitStack
) -> Callable[[], Broker]:
    """What prepares the broker; `stack` takes it away again."""
    version = found.kafka_version or KAFKA_VERSION
    if kind is PartsKind.GIVEN:
        assert found.kafka_bootstrap is not None
        return partial(GivenBroker, client_options(CommonSettings(kafka_bootstrap=found.kafka_bootstrap)))
    if kind is PartsKind.DOCKER:
        from shared.parts.containers import ContainerBroker  # noqa: PLC0415 - needs testcontainers, an extra

        container = ContainerBroker(version)
        stack.callback(container.remove)
        return lambda: container
    guard = stack.enter_context(Guard("kafka", data_dir and data_dir / "kafka"))
    if kind is PartsKind.APACHE:
        return partial(ApacheBroker, guard, version, say)
    return partial(EmbeddedBroker, guard)


def _database(kind: PartsKind, found: Surroundings, data_dir: Path | None, stack: ExitStack) -> Callable[[], Database]:
    """What prepares the database; `stack` takes it away again."""
    if kind is PartsKind.GIVEN:
        assert found.database_url is not None
        return partial(GivenDatabase, found.database_url)
    if kind is PartsKind.DOCKER:
        from shared.parts.containers import ContainerDatabase  # noqa: PLC0415 - needs testcontainers, an extra

        container = ContainerDatabase()
        stack.callback(container.remove)
        return lambda: container
    guard = stack.enter_context(Guard("postgres", data_dir and data_dir / "postgres"))
    return partial(WheelDatabase, guard, durable=data_dir is not None)
