"""Makes what is measured, below `build/`: our services as the image has them, compiled; and what the peers run on, an
environment for the Python ones, a jar for Kafka Streams."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
PEERS = ROOT / "tests" / "load" / "peers"
TARGET = ROOT / "build" / "bench"
OURS = ("services", "shared", "deploy/migrations")
COMPILER = ROOT / "deploy" / "compile.py"


class BuildError(Exception):
    """A peer cannot be built; the text says what to do."""


@dataclass(frozen=True)
class Built:
    """The directory with our packages, a Python with Faust and Quix Streams, and Java's class path of the Kafka Streams
    peer."""

    services: Path
    python: Path
    classpath: str


def build(python: bool, java: bool, interpreted: bool = False) -> Built:
    """Build what is asked for; what is up to date costs some seconds. `interpreted`: ours as it stands here. Raises
    `BuildError`."""
    services = ROOT if interpreted else compiled()
    environment, jars = TARGET / "venv", TARGET / "kafka_streams"
    if python:
        sync = [_program("uv", ROOT / "build" / "uv" / "bin" / "uv"), "sync", "--frozen", "--project", str(PEERS)]
        _call(sync, {"UV_PROJECT_ENVIRONMENT": str(environment)})
    if java:
        pom = PEERS / "kafka_streams" / "pom.xml"
        _call([_program("mvn"), "-B", "-q", "-f", str(pom), f"-DbuildDirectory={jars}", "package"], {})
    return Built(services, environment / "bin" / "python", f"{jars / 'peer.jar'}:{jars / 'lib'}/*")


@cache
def compiled() -> Path:
    """A directory with our packages, compiled; made when a file has changed (half a minute). Raises `BuildError`: it
    needs a C compiler."""
    target = TARGET / "compiled"
    stamp, state = target / "made-of", _fingerprint()
    if not stamp.exists() or stamp.read_text() != state:
        shutil.rmtree(target, ignore_errors=True)
        for name in OURS:
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        _call([sys.executable, str(COMPILER), str(target)], {})
        stamp.write_text(state)
    return target


def _fingerprint() -> str:
    files = [COMPILER, *(file for name in OURS for file in (ROOT / name).rglob("*") if file.suffix in {".py", ".yaml"})]
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return found.hexdigest()


def _program(name: str, otherwise: Path | None = None) -> str:
    found = shutil.which(name) or (str(otherwise) if otherwise and otherwise.exists() else None)
    if found is None:
        raise BuildError(f"there is no {name} on the PATH: install it, or leave out the engines that need it")
    return found


def _call(command: list[str], variables: dict[str, str]) -> None:
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
