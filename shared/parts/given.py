"""Parts that somebody else runs: only their addresses are known."""

from __future__ import annotations

from typing import Any, NoReturn

from shared.parts.errors import PartsError
from shared.parts.handles import create_database, server_version
from shared.parts.readiness import await_ready, kafka_answers, sql

PATIENCE_S = 3.0


class _NotOurs:
    """Starting waits for an answer; the other verbs are refused."""

    name: str

    def _probe(self) -> None:
        raise NotImplementedError

    def start(self) -> None:
        await_ready(self.name, self._probe, lambda: True, None, PATIENCE_S)

    def kill(self) -> NoReturn:
        raise PartsError(f"{self.name} was given by its address: only parts that were started here can be killed")

    def stop(self) -> NoReturn:
        self.kill()


class GivenBroker(_NotOurs):
    """`options` are those of an aiokafka client: addresses, TLS, SASL."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self.bootstrap: str = options["bootstrap_servers"]
        self.name = f"the Kafka of TASUKI_KAFKA_BOOTSTRAP={self.bootstrap}"
        self.description = f"Kafka at {self.bootstrap} (given)"

    def _probe(self) -> None:
        kafka_answers(self._options)


class GivenDatabase(_NotOurs):
    """`url` begins with postgresql:// or postgresql+asyncpg://."""

    name = "the Postgres of TASUKI_DATABASE_URL"

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        if scheme not in ("postgresql", "postgres", "postgresql+asyncpg"):
            raise PartsError("TASUKI_DATABASE_URL must begin with postgresql+asyncpg://")
        self.url = f"postgresql+asyncpg://{rest}"
        self.description = "PostgreSQL (given)"

    def start(self) -> None:
        super().start()
        self.description = f"{server_version(self.url)} (given)"

    def create_database(self, name: str) -> str:
        return create_database(self.url, name)

    def _probe(self) -> None:
        sql(self.url, "SELECT 1")
