"""Makes what the peers run on: an environment for the Python ones, a jar for Kafka Streams. Both below `build/`."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PEERS = ROOT / "tests" / "load" / "peers"
TARGET = ROOT / "build" / "bench"


class BuildError(Exception):
    """A peer cannot be built; the text says what to do."""


@dataclass(frozen=True)
class Built:
    """A Python with Faust and Quix Streams, and Java's class path of the Kafka Streams peer."""

    python: Path
    classpath: str


def build(python: bool, java: bool) -> Built:
    """Build what is asked for; what is up to date costs some seconds. Raises `BuildError`."""
    environment, jars = TARGET / "venv", TARGET / "kafka_streams"
    if python:
        sync = [_program("uv", ROOT / "build" / "uv" / "bin" / "uv"), "sync", "--frozen", "--project", str(PEERS)]
        _call(sync, {"UV_PROJECT_ENVIRONMENT": str(environment)})
    if java:
        pom = PEERS / "kafka_streams" / "pom.xml"
        _call([_program("mvn"), "-B", "-q", "-f", str(pom), f"-DbuildDirectory={jars}", "package"], {})
    return Built(environment / "bin" / "python", f"{jars / 'peer.jar'}:{jars / 'lib'}/*")


def _program(name: str, otherwise: Path | None = None) -> str:
    found = shutil.which(name) or (str(otherwise) if otherwise and otherwise.exists() else None)
    if found is None:
        raise BuildError(f"there is no {name} on the PATH: install it, or leave out the engines that need it")
    return found


def _call(command: list[str], variables: dict[str, str]) -> None:
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
