"""Which Kafka and which Postgres serve: a pure decision over what was found on the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.parts.errors import PartsError


class PartsKind(StrEnum):
    """Where the parts come from."""

    GIVEN = "given"
    """Addresses in the environment; somebody else runs them."""
    DOCKER = "docker"
    """Containers, `apache/kafka` and `postgres`."""
    APACHE = "apache"
    """Apache Kafka itself on the local Java, its jars from Maven; Postgres from a wheel."""
    EMBEDDED = "embedded"
    """Both from wheels; the broker speaks Kafka's protocol, but is not Kafka."""


BY_PREFERENCE = (PartsKind.DOCKER, PartsKind.APACHE, PartsKind.EMBEDDED)


@dataclass(frozen=True)
class Surroundings:
    """What was asked for and what the machine has."""

    kafka_bootstrap: str | None = None
    """TASUKI_KAFKA_BOOTSTRAP"""
    database_url: str | None = None
    """TASUKI_DATABASE_URL"""
    forced: str | None = None
    """TASUKI_PARTS"""
    kafka_version: str | None = None
    """TASUKI_KAFKA_VERSION"""
    missing: Mapping[PartsKind, str] = field(default_factory=dict)
    """Kinds that cannot serve here, each with the reason."""
    missing_postgres_wheel: str | None = None
    """Why the wheel's Postgres cannot serve, which goes with APACHE and EMBEDDED."""


@dataclass(frozen=True)
class Choice:
    """What serves, and why."""

    kafka: PartsKind
    postgres: PartsKind
    """GIVEN, DOCKER, or EMBEDDED for the wheel."""
    reason: str


def choose(found: Surroundings, wanted: PartsKind | None = None, keeps_data: bool = False) -> Choice:
    """`wanted`, else what TASUKI_PARTS forces, else addresses given, Docker, Apache Kafka, the embedded broker.

    `keeps_data`: the data must outlive the run, in a directory of the caller. Raises `PartsError` when nothing can
    serve, or not what was asked for.
    """
    if wanted is PartsKind.GIVEN:
        return _given(found)
    if wanted is not None:
        return _forced(wanted, found, keeps_data, f"{wanted} was asked for")
    if found.forced:
        return _forced(_parsed(found.forced), found, keeps_data, f"TASUKI_PARTS={found.forced}")
    if found.kafka_bootstrap and found.database_url:
        return _given(found)
    return _preferred(found, keeps_data)


def _what_is_missing(found: Surroundings, keeps_data: bool, kafka: bool, postgres: bool) -> dict[PartsKind, str]:
    """Kinds that cannot serve, with the reason, where a Kafka, a Postgres or both are needed."""
    missing = {kind: problem for kind, problem in found.missing.items() if kafka or kind is PartsKind.DOCKER}
    if keeps_data:
        missing.setdefault(PartsKind.DOCKER, "containers do not keep their data in a directory of yours")
    if kafka and found.kafka_version:
        missing.setdefault(PartsKind.EMBEDDED, f"TASUKI_KAFKA_VERSION={found.kafka_version} asks for Apache Kafka")
    if postgres and found.missing_postgres_wheel:
        for kind in (PartsKind.APACHE, PartsKind.EMBEDDED):
            missing.setdefault(kind, found.missing_postgres_wheel)
    return missing


def _parsed(forced: str) -> PartsKind:
    if forced not in BY_PREFERENCE:
        raise PartsError(f"TASUKI_PARTS={forced!r} is not known: use {', '.join(BY_PREFERENCE)}, or leave it unset")
    return PartsKind(forced)


def _forced(kind: PartsKind, found: Surroundings, keeps_data: bool, reason: str) -> Choice:
    """Addresses do not count: whoever forces a kind means it, and the reason tells."""
    missing = _what_is_missing(found, keeps_data, kafka=True, postgres=True)
    if kind in missing:
        raise PartsError(f"{reason}, but that cannot be had here: {missing[kind]}")
    return Choice(kind, _postgres_beside(kind), reason)


def _given(found: Surroundings) -> Choice:
    unset = [
        name
        for name, value in (
            ("TASUKI_KAFKA_BOOTSTRAP", found.kafka_bootstrap),
            ("TASUKI_DATABASE_URL", found.database_url),
        )
        if not value
    ]
    if unset:
        raise PartsError(f"parts are to be given by their addresses: set {' and '.join(unset)}")
    return Choice(PartsKind.GIVEN, PartsKind.GIVEN, "both addresses are given")


def _preferred(found: Surroundings, keeps_data: bool) -> Choice:
    """The first kind that can serve what is not given."""
    missing = _what_is_missing(found, keeps_data, kafka=not found.kafka_bootstrap, postgres=not found.database_url)
    best = next((kind for kind in BY_PREFERENCE if kind not in missing), None)
    if best is None:
        raise PartsError("nothing here can serve as Kafka and Postgres:\n" + _listed(missing))
    reasons = [f"{kind}: {missing[kind]}" for kind in BY_PREFERENCE[: BY_PREFERENCE.index(best)]]
    if found.kafka_bootstrap:
        return Choice(PartsKind.GIVEN, _postgres_beside(best), "; ".join(["TASUKI_KAFKA_BOOTSTRAP is set", *reasons]))
    if found.database_url:
        return Choice(best, PartsKind.GIVEN, "; ".join(["TASUKI_DATABASE_URL is set", *reasons]))
    return Choice(best, _postgres_beside(best), "; ".join(reasons) or "Docker is there")


def _postgres_beside(kind: PartsKind) -> PartsKind:
    return PartsKind.DOCKER if kind is PartsKind.DOCKER else PartsKind.EMBEDDED


def _listed(missing: Mapping[PartsKind, str]) -> str:
    lines = [f"  {kind}: {missing[kind]}" for kind in BY_PREFERENCE if kind in missing]
    return "\n".join([*lines, "or set TASUKI_KAFKA_BOOTSTRAP and TASUKI_DATABASE_URL to running ones"])
