"""Which parts serve, decided over a description of the machine."""

from __future__ import annotations

from typing import Any

import pytest

from shared.parts.choice import PartsKind, Surroundings, choose
from shared.parts.errors import PartsError

GIVEN, DOCKER, APACHE, EMBEDDED = PartsKind.GIVEN, PartsKind.DOCKER, PartsKind.APACHE, PartsKind.EMBEDDED
NO_DOCKER = {DOCKER: "no daemon"}
NO_JAVA = {APACHE: "no java"}
NO_BROKER_WHEEL = {EMBEDDED: "no wheel"}
KAFKA: dict[str, Any] = {"kafka_bootstrap": "k:9092"}
POSTGRES: dict[str, Any] = {"database_url": "postgresql://p/x"}


@pytest.mark.parametrize(
    ("found", "kafka", "postgres"),
    [
        ({}, DOCKER, DOCKER),
        ({"missing": NO_DOCKER}, APACHE, EMBEDDED),
        ({"missing": NO_DOCKER | NO_JAVA}, EMBEDDED, EMBEDDED),
        ({"missing": NO_JAVA | NO_BROKER_WHEEL}, DOCKER, DOCKER),
        (KAFKA | POSTGRES, GIVEN, GIVEN),
        (KAFKA, GIVEN, DOCKER),
        (KAFKA | {"missing": NO_DOCKER}, GIVEN, EMBEDDED),
        (KAFKA | {"missing": NO_DOCKER | NO_JAVA | NO_BROKER_WHEEL}, GIVEN, EMBEDDED),
        (POSTGRES, DOCKER, GIVEN),
        (POSTGRES | {"missing": NO_DOCKER, "missing_postgres_wheel": "no wheel"}, APACHE, GIVEN),
    ],
)
def test_addresses_then_docker_then_apache_then_embedded(
    found: dict[str, Any], kafka: PartsKind, postgres: PartsKind
) -> None:
    chosen = choose(Surroundings(**found))
    assert (chosen.kafka, chosen.postgres) == (kafka, postgres)


@pytest.mark.parametrize(("forced", "postgres"), [("docker", DOCKER), ("apache", EMBEDDED), ("embedded", EMBEDDED)])
def test_the_environment_forces_one_even_against_addresses(forced: str, postgres: PartsKind) -> None:
    chosen = choose(Surroundings(forced=forced, **KAFKA, **POSTGRES))
    assert (chosen.kafka, chosen.postgres) == (PartsKind(forced), postgres)
    assert f"TASUKI_PARTS={forced}" in chosen.reason


def test_the_caller_wins_over_the_environment() -> None:
    assert choose(Surroundings(forced="docker"), EMBEDDED).kafka is EMBEDDED


@pytest.mark.parametrize("unknown", ["kafka", "given", "APACHE", " "])
def test_an_unknown_force_names_the_known_ones(unknown: str) -> None:
    with pytest.raises(PartsError, match=r"TASUKI_PARTS='.*' is not known: use docker, apache, embedded"):
        choose(Surroundings(forced=unknown))


def test_what_is_forced_and_missing_is_refused_with_the_reason() -> None:
    with pytest.raises(PartsError, match="TASUKI_PARTS=docker, but that cannot be had here: no daemon"):
        choose(Surroundings(forced="docker", missing=NO_DOCKER))
    with pytest.raises(PartsError, match=r"apache was asked for, but .*: no java"):
        choose(Surroundings(missing=NO_JAVA), APACHE)


def test_the_reason_says_what_better_ones_lacked() -> None:
    reason = choose(Surroundings(missing=NO_DOCKER | NO_JAVA)).reason
    assert "docker: no daemon" in reason
    assert "apache: no java" in reason


def test_where_nothing_can_serve_every_reason_is_listed() -> None:
    with pytest.raises(PartsError) as refused:
        choose(Surroundings(missing=NO_DOCKER | NO_JAVA | NO_BROKER_WHEEL))
    for expected in ("no daemon", "no java", "no wheel", "TASUKI_KAFKA_BOOTSTRAP"):
        assert expected in str(refused.value)


def test_without_the_postgres_wheel_only_docker_is_left() -> None:
    assert choose(Surroundings(missing_postgres_wheel="no wheel")).kafka is DOCKER
    with pytest.raises(PartsError, match="no wheel"):
        choose(Surroundings(missing_postgres_wheel="no wheel", missing=NO_DOCKER))
    with pytest.raises(PartsError, match="no wheel"):
        choose(Surroundings(missing_postgres_wheel="no wheel"), APACHE)


def test_a_kafka_version_excludes_the_broker_that_is_not_kafka() -> None:
    asked = Surroundings(kafka_version="3.9.2", missing=NO_DOCKER | NO_JAVA)
    with pytest.raises(PartsError, match=r"TASUKI_KAFKA_VERSION=3\.9\.2"):
        choose(asked)
    assert choose(Surroundings(kafka_version="3.9.2", missing=NO_DOCKER)).kafka is APACHE


def test_data_to_be_kept_is_not_put_into_a_container() -> None:
    assert choose(Surroundings(), keeps_data=True).kafka is APACHE
    with pytest.raises(PartsError, match="keep"):
        choose(Surroundings(forced="docker"), keeps_data=True)


def test_given_parts_need_both_addresses() -> None:
    assert choose(Surroundings(**KAFKA, **POSTGRES), GIVEN).kafka is GIVEN
    with pytest.raises(PartsError, match="set TASUKI_DATABASE_URL"):
        choose(Surroundings(**KAFKA), GIVEN)
