"""Kafka and Postgres in containers, through testcontainers, whose reaper removes them should we be killed.

The host port is fixed before the start: a container killed and started again must be found where it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from docker.errors import DockerException
from testcontainers.core.container import DockerContainer

from shared.parts.broker_settings import as_environment, container_settings
from shared.parts.errors import PartsError
from shared.parts.handles import create_database, server_version
from shared.parts.ports import free_ports
from shared.parts.readiness import await_ready, kafka_answers, sql

POSTGRES_IMAGE = "postgres:18"
USER = "tasuki"


class ContainerPart:
    """The verbs of a part, on a container."""

    def __init__(self, name: str, container: DockerContainer, probe: Callable[[], None]) -> None:
        self.name = name
        self._container = container
        self._probe = probe
        self._created = False

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers; an image not here yet is pulled first.

        Raises `PartsError` with Docker's words, or with the end of the container's log.
        """
        try:
            if not self._created:
                self._container.start()
                self._created = True
            elif not self._running():
                self._docker.start()
        except DockerException as error:
            raise PartsError(f"Docker could not start {self.name}: {error}") from error
        try:
            await_ready(self.name, self._probe, self._running, None, 120.0)
        except PartsError as error:
            said = self._docker.logs(tail=25).decode(errors="replace")
            raise PartsError(f"{error}; the end of its log:\n{said}") from error

    def kill(self) -> None:
        """SIGKILL, as a crash would; the data stays."""
        if self._running():
            self._docker.kill()

    def stop(self) -> None:
        """End it in its own orderly way; the data stays."""
        if self._running():
            self._docker.stop()

    def remove(self) -> None:
        """Take the container and its data away."""
        if self._created:
            self._container.stop()

    @property
    def _docker(self) -> Any:
        return self._container.get_wrapped_container()

    def _running(self) -> bool:
        if not self._created:
            return False
        self._docker.reload()
        return bool(self._docker.status == "running")


class ContainerBroker(ContainerPart):
    """One KRaft node of `apache/kafka`."""

    def __init__(self, version: str) -> None:
        (port,) = free_ports(1)
        container = DockerContainer(f"apache/kafka:{version}").with_bind_ports(9092, port)
        host = container.get_docker_client().host()
        self.bootstrap = f"{host}:{port}"
        self.description = f"Apache Kafka {version} (KRaft, Docker)"
        for name, value in as_environment(container_settings(self.bootstrap)).items():
            container.with_env(name, value)
        super().__init__(self.description, container, lambda: kafka_answers({"bootstrap_servers": self.bootstrap}))


class ContainerDatabase(ContainerPart):
    """The official Postgres image."""

    def __init__(self) -> None:
        (port,) = free_ports(1)
        password = secrets.token_urlsafe(16)
        container = DockerContainer(POSTGRES_IMAGE).with_bind_ports(5432, port)
        container.with_env("POSTGRES_USER", USER).with_env("POSTGRES_PASSWORD", password)
        container.with_command("postgres -c fsync=off -c full_page_writes=off -c max_connections=200")
        host = container.get_docker_client().host()
        self.url = f"postgresql+asyncpg://{USER}:{password}@{host}:{port}/{USER}"
        self.description = "PostgreSQL (Docker)"
        super().__init__(f"{POSTGRES_IMAGE} in Docker", container, lambda: sql(self.url, "SELECT 1"))

    def start(self) -> None:
        super().start()
        self.description = f"{server_version(self.url)} (Docker, fsync off)"

    def create_database(self, name: str) -> str:
        return create_database(self.url, name)
