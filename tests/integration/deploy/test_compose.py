"""Compose itself accepts the stack."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

COMPOSE_FILE = Path(__file__).parents[3] / "deploy" / "compose.yaml"


def compose_command() -> list[str] | None:
    """Docker's plugin, or the older program of its own (Debian's), which reads the same file."""
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return [docker, "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


COMMAND = compose_command()


@pytest.mark.skipif(COMMAND is None, reason="there is neither docker compose nor docker-compose")
def test_compose_reads_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_POSTGRES_PASSWORD", "given")
    done = subprocess.run(
        [*(COMMAND or []), "--file", str(COMPOSE_FILE), "config"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert set(services) == {"kafka", "postgres", "topics", "database", "ingest", "scorer", "router"}
    assert services["router"]["environment"].keys() >= {"TASUKI_DATABASE_URL", "TASUKI_KAFKA_BOOTSTRAP"}
    assert ":given@" in services["router"]["environment"]["TASUKI_DATABASE_URL"]
