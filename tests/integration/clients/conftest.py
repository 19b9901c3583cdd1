"""The real SDKs, as their users install them, against a real ingest."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.events import Event
from shared.keys import KeyEntry, KeyKind, append_key, digest
from shared.parts import Parts
from tests.integration.ingest.conftest import Ingest, make_topics, running

HERE = Path(__file__).parent / "node"
INSTALL = ["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"]
WRITE_KEY = "wk_clients"
LIMITED_KEY = "wk_limited"
"""Of the source `limited`, which may send two events a second."""

Node = Callable[..., None]


@pytest.fixture(scope="session")
def node_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts, with the locked versions of what they import."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed (Debian: nodejs, npm)")
    directory = tmp_path_factory.mktemp("node")
    shutil.copytree(HERE, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    _run(INSTALL, directory)
    return directory


@pytest.fixture(scope="session")
def script_dir(node_directory: Path) -> Path:
    """analytics.js as it is published."""
    return node_directory / "node_modules/@segment/analytics-next/dist/umd"


@pytest.fixture(scope="session")
def ingest(parts: Parts, script_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    """Knows `WRITE_KEY`, `LIMITED_KEY`, and those of the tests that segment-analytics-python brings along."""
    write_keys = f"key=website,{WRITE_KEY}=clients,testsecret=segment,test-init=segment"
    directory = tmp_path_factory.mktemp("clients")
    limits = {"events_per_second": 2.0, "burst": 2}
    entry = KeyEntry(kind=KeyKind.WRITE, name="limited", sha256=digest(LIMITED_KEY), **limits)
    append_key(directory / "keys.yaml", entry)
    variables = {"WRITE_KEYS": write_keys, "KEYS_FILE": str(directory / "keys.yaml"), "ANALYTICS_JS": str(script_dir)}
    with running(parts, make_topics(parts), directory / "log", **variables) as ingest:
        yield ingest


@pytest.fixture
def node(node_directory: Path) -> Node:
    """Runs one of the scripts to its end."""
    return lambda *arguments: _run(["node", *arguments], node_directory)


@pytest.fixture
def user() -> str:
    """A user id of this test's own."""
    return f"user-{uuid.uuid4().hex[:10]}"


@dataclass(frozen=True)
class Limit:
    """What `LIMITED_KEY` may send."""

    ingest: Ingest

    @contextmanager
    def exceeded(self) -> Iterator[None]:
        """For some three seconds it may send nothing; whatever is done inside has to be refused at least once."""
        noise = {"type": "track", "event": "noise", "anonymousId": "noise"}
        http, before = self.ingest.http, self._refused()
        assert http.post("/v1/batch", json={"batch": [noise] * 8}, auth=(LIMITED_KEY, "")).status_code == 200
        yield
        assert self._refused() > before, "nobody was told to come again"

    def _refused(self) -> float:
        text = self.ingest.http.get("/metrics").text
        pattern = r'turned_away_requests_total{reason="rate",source="limited"} (\S+)'
        return sum(float(found) for found in re.findall(pattern, text))


@pytest.fixture
def limit(ingest: Ingest) -> Limit:
    """Waits until its key may send again."""
    time.sleep(3)
    return Limit(ingest)


def address(ingest: Ingest) -> str:
    return str(ingest.http.base_url).rstrip("/")


def events_of(ingest: Ingest, user: str) -> list[Event]:
    """In the order of the log; nothing may have been put aside meanwhile."""
    assert ingest.dead_letters() == []
    return [event for _, event in ingest.events() if user in (event.user_id, event.anonymous_id)]


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command[:2]}: {done.stdout}{done.stderr}"
