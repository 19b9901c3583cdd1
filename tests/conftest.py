"""The real Kafka and Postgres of a test run; TASUKI_PARTS (docker, apache, embedded) forces which."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import settings

from shared.parts import Parts, start_parts
from shared.parts.readiness import sql

SERVED = pytest.StashKey[str]()

# How long an example takes depends on what else the machine does; the laws are about results.
# Whether a change lands must not be luck: `make test` tries the same examples each time, `make explore` others.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=int(os.environ.get("EXAMPLES", "1000")))
settings.load_profile("same")


@pytest.fixture(scope="session")
def parts(pytestconfig: pytest.Config) -> Iterator[Parts]:
    """One Kafka and one Postgres for the whole run, started when the first test asks for them."""
    with start_parts(say=_Teller(pytestconfig)) as started:
        pytestconfig.stash[SERVED] = started.description
        yield started


@pytest.fixture
def database_url(parts: Parts) -> Iterator[str]:
    """An empty database of the test's own (postgresql+asyncpg://…)."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield parts.postgres.create_database(name)
    sql(parts.database_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topic names that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}."


def pytest_report_header() -> str:
    wanted = os.environ.get("TASUKI_PARTS") or "the first that can be had (given, docker, apache, embedded)"
    return f"parts: {wanted}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(f"served by: {config.stash.get(SERVED, 'no Kafka, no Postgres (none was needed)')}")


class _Teller:
    """Writes to the terminal in spite of pytest's capturing: a first download takes long enough to wonder."""

    def __init__(self, config: pytest.Config) -> None:
        self._capture = config.pluginmanager.getplugin("capturemanager")
        self._terminal = config.pluginmanager.getplugin("terminalreporter")

    def __call__(self, text: str) -> None:
        if self._terminal is None or self._capture is None:
            return  # a worker of a distributed run has no terminal
        with self._capture.global_and_fixture_disabled():
            self._terminal.ensure_newline()
            self._terminal.write_line(f"parts: {text}")
