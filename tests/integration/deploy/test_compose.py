"""Docker itself accepts the stack."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

COMPOSE_FILE = Path(__file__).parents[3] / "deploy" / "compose.yaml"


def compose_problem() -> str | None:
    docker = shutil.which("docker")
    if docker is None:
        return "there is no docker client"
    answer = subprocess.run([docker, "compose", "version"], capture_output=True, text=True, check=False)
    return f"docker has no compose: {answer.stderr.strip()}" if answer.returncode else None


PROBLEM = compose_problem()


@pytest.mark.skipif(PROBLEM is not None, reason=str(PROBLEM))
def test_docker_compose_reads_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_POSTGRES_PASSWORD", "given")
    done = subprocess.run(
        ["docker", "compose", "--file", str(COMPOSE_FILE), "config", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert set(services) == {"kafka", "postgres", "topics", "database", "ingest", "scorer", "router"}
    assert services["router"]["environment"].keys() >= {"TASUKI_DATABASE_URL", "TASUKI_KAFKA_BOOTSTRAP"}
    assert ":given@" in services["router"]["environment"]["TASUKI_DATABASE_URL"]
