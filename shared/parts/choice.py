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
    missing = _what_is_missing(found, keeps_data)
    if wanted is None and found.forced:
        return _forced(_parsed(found.forced), missing, f"TASUKI_PARTS={found.forced}")
    if wanted is PartsKind.GIVEN:
        return _given(found)
    if wanted is not None:
        return _forced(wanted, missing, f"{wanted} was asked for")
    return _preferred(found, missing)


def _what_is_missing(found: Surroundings, keeps_data: bool) -> dict[PartsKind, str]:
    missing = dict(found.missing)
    if keeps_data:
        missing.setdefault(PartsKind.DOCKER, "containers do not keep their data in a directory of yours")
    if found.kafka_version:
        missing.setdefault(PartsKind.EMBEDDED, f"TASUKI_KAFKA_VERSION={found.kafka_version} asks for Apache Kafka")
    if found.missing_postgres_wheel:
        for kind in (PartsKind.APACHE, PartsKind.EMBEDDED):
            missing.setdefault(kind, found.missing_postgres_wheel)
    return missing


def _parsed(forced: str) -> PartsKind:
    if forced not in BY_PREFERENCE:
        raise PartsError(f"TASUKI_PARTS={forced!r} is not known: use {', '.join(BY_PREFERENCE)}, or leave it unset")
    return PartsKind(forced)


def _forced(kind: PartsKind, missing: Mapping[PartsKind, str], reason: str) -> Choice:
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


def _preferred(found: Surroundings, missing: Mapping[PartsKind, str]) -> Choice:
    if found.kafka_bootstrap and found.database_url:
        return _given(found)
    best = next((kind for kind in BY_PREFERENCE if kind not in missing), None)
    # The wheel's Postgres does not depend on what kind of Kafka can be had.
    if best is None and found.kafka_bootstrap and not found.missing_postgres_wheel:
        best = PartsKind.EMBEDDED
    if best is None:
        raise PartsError("neither Kafka nor Postgres can be had here:\n" + _listed(missing))
    reasons = [f"{kind}: {missing[kind]}" for kind in BY_PREFERENCE[: BY_PREFERENCE.index(best)] if kind in missing]
    if found.kafka_bootstrap:
        return Choice(PartsKind.GIVEN, _postgres_beside(best), "; ".join(["TASUKI_KAFKA_BOOTSTRAP is set", *reasons]))
    if found.database_url:
        return Choice(best, PartsKind.GIVEN, "; ".join(["TASUKI_DATABASE_URL is set", *reasons]))
    return Choice(best, _postgres_beside(best), "; ".join(reasons) or "the first choice is there")


def _postgres_beside(kind: PartsKind) -> PartsKind:
    return PartsKind.DOCKER if kind is PartsKind.DOCKER else PartsKind.EMBEDDED


def _listed(missing: Mapping[PartsKind, str]) -> str:
    lines = [f"  {kind}: {missing[kind]}" for kind in BY_PREFERENCE if kind in missing]
    return "\n".join([*lines, "or set TASUKI_KAFKA_BOOTSTRAP and TASUKI_DATABASE_URL to running ones"])
