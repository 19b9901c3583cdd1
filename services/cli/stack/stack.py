"""Starts everything in order and takes it down in reverse."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import httpx

from services.cli.errors import CommandError
from services.cli.stack.environment import Access, chosen_ports, make_access, service_environment
from services.cli.stack.erasure_key import erasure_key
from services.cli.stack.supervisor import Supervised, service_command
from services.router.migrate import upgrade
from shared.kafka import client_options, create_topics
from shared.parts import Parts, PartsError, start_parts
from shared.playbook import load_playbook
from shared.settings import CommonSettings

SERVICES = ("ingest", "scorer", "router")
READY_WITHIN = 90.0
HOPELESS_AFTER = 3  # exits before a service was ever ready

Say = Callable[[str], None]


@dataclass(frozen=True)
class StackOptions:
    """`own_names`: topics and tables of this run alone, even on a Kafka and a Postgres that others use as well."""

    data_dir: Path | None = None
    partitions: int = 4
    clock: str = "wall"
    own_names: bool = False


@dataclass(frozen=True)
class Stack:
    """A running stack. `settings` are those of its Kafka, `database_url` is its router's."""

    parts: Parts
    access: Access
    settings: CommonSettings
    database_url: str
    logs: Path
    services: Sequence[Supervised]


@contextmanager
def start_stack(options: StackOptions, say: Say) -> Iterator[Stack]:
    """Start parts, topics, tables and services; gives control when all are ready, takes all down afterwards.

    Raises `CommandError` with the end of the log when a service does not become ready.
    """
    with ExitStack() as stack:
        stack.enter_context(_parts_errors_in_words())
        stack.enter_context(_sigterm_unwinds())
        playbook = load_playbook(CommonSettings(kafka_bootstrap="-").playbook)  # its errors before anything starts
        parts = stack.enter_context(start_parts(data_dir=options.data_dir, say=say))
        settings, database_url = _names(parts, options.own_names)
        specs = settings.topics.specs(playbook.departments, options.partitions)
        asyncio.run(create_topics(client_options(settings), specs))
        upgrade(database_url)
        say(f"topics {settings.topic_prefix}* and tables are there")
        logs = stack.enter_context(_log_directory(options.data_dir))
        ports = stack.enter_context(chosen_ports(os.environ))
        access = make_access(ports, os.environ)
        environment = service_environment(
            os.environ,
            {
                "TASUKI_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
                "TASUKI_DATABASE_URL": database_url,
                "TASUKI_TOPIC_PREFIX": settings.topic_prefix,
                "TASUKI_CLOCK": options.clock,
                "TASUKI_SPOOL_DIR": os.environ.get("TASUKI_SPOOL_DIR") or str((options.data_dir or logs) / "spool"),
                **erasure_key(os.environ, options.data_dir, options.own_names or not _has_given_parts()),
            },
            ports,
            access,
        )
        services = [
            Supervised(name, service_command(name), environment, logs / f"{name}.log", say) for name in SERVICES
        ]
        stack.callback(_stop, services)
        for service in services:
            service.start()
        for service in services:
            _await_ready(service, access.urls[service.name])
        yield Stack(parts, access, settings, database_url, logs, services)


def _has_given_parts() -> bool:
    return "TASUKI_KAFKA_BOOTSTRAP" in os.environ or "TASUKI_DATABASE_URL" in os.environ


@contextmanager
def _parts_errors_in_words() -> Iterator[None]:
    try:
        yield
    except PartsError as error:
        raise CommandError(str(error)) from error


def _names(parts: Parts, own_names: bool) -> tuple[CommonSettings, str]:
    settings = CommonSettings(kafka_bootstrap=parts.kafka_bootstrap)
    if not own_names:
        return settings, parts.database_url
    run = secrets.token_hex(4)
    given = "TASUKI_KAFKA_BOOTSTRAP" in os.environ
    prefix = f"tasuki-demo-{run}." if given else settings.topic_prefix
    database_url = parts.postgres.create_database(f"tasuki_demo_{run}")
    return CommonSettings(kafka_bootstrap=parts.kafka_bootstrap, topic_prefix=prefix), database_url


@contextmanager
def _log_directory(data_dir: Path | None) -> Iterator[Path]:
    """Removed again, unless it is the user's or something went wrong: then somebody will want to read."""
    if data_dir is not None:
        (data_dir / "logs").mkdir(parents=True, exist_ok=True)
        yield data_dir / "logs"
        return
    logs = Path(tempfile.mkdtemp(prefix="tasuki-logs-"))
    try:
        yield logs
    except (KeyboardInterrupt, SystemExit):
        shutil.rmtree(logs)
        raise
    shutil.rmtree(logs)


def _await_ready(service: Supervised, url: str) -> None:
    deadline, trouble = time.monotonic() + READY_WITHIN, "no answer"
    while time.monotonic() < deadline and service.exits < HOPELESS_AFTER:
        try:
            answer = httpx.get(f"{url}/readyz", timeout=5.0)
        except httpx.TransportError as error:
            trouble = f"no answer at {url}: {error}"
        else:
            if answer.is_success:
                return
            trouble = answer.text
        time.sleep(0.1)
    raise CommandError(f"{service.name} is not ready ({trouble}). The end of {service.log}:\n{service.last_words()}")


def _stop(services: Sequence[Supervised]) -> None:
    for service in services:
        service.tell_to_stop()
    for service in services:
        service.wait_until_gone()


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C: through every `finally`."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
