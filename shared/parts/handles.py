"""What a caller can do with a part, however it was started."""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from shared.parts.errors import PartsError
from shared.parts.readiness import NotReadyError, sql


class Broker(Protocol):
    """A Kafka broker. `kill` is SIGKILL; `start` afterwards brings it back on the same data and port."""

    @property
    def bootstrap(self) -> str: ...
    @property
    def description(self) -> str: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


class Database(Protocol):
    """A Postgres server. `kill` is SIGKILL; `start` afterwards brings it back on the same data and port."""

    @property
    def url(self) -> str: ...
    @property
    def description(self) -> str: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...
    def create_database(self, name: str) -> str: ...


def create_database(url: str, name: str) -> str:
    """Create database `name` on the server of `url`; returns the new database's url."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,63}", name):
        raise PartsError(f"{name!r} cannot be the name of a database: use up to 63 letters, digits, _ and -")
    try:
        sql(url, f'CREATE DATABASE "{name}"')
    except NotReadyError as error:
        raise PartsError(f"no Postgres answers to create database {name}: {error}") from error
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def server_version(url: str) -> str:
    """As the server itself says: "PostgreSQL 18.4"."""
    return " ".join(str(sql(url, "SELECT version()")).split()[:2])
