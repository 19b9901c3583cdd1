"""The whole stack on the run's parts, with names of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from services.cli.stack import Stack, StackOptions, start_stack
from shared.parts import Parts
from shared.parts.ports import free_ports


@pytest.fixture
def stack_environment(
    parts: Parts, database_url: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """What makes `tasuki up` and its like use the run's parts: in this process, and returned."""
    ingest, scorer, router = free_ports(3)
    given = {
        "TASUKI_KAFKA_BOOTSTRAP": parts.kafka_bootstrap,
        "TASUKI_DATABASE_URL": database_url,
        "TASUKI_TOPIC_PREFIX": topic_prefix,
        "TASUKI_INGEST_PORT": str(ingest),
        "TASUKI_SCORER_PORT": str(scorer),
        "TASUKI_ROUTER_PORT": str(router),
        "TASUKI_WRITE_KEY": "wk_test",
        "TASUKI_TOKEN": "tk_test",
        "TASUKI_ERASURE_KEY": "a secret of the tests, 32 characters",
        "TASUKI_ROUTER_ERASURE_SETTLES_SECONDS": "1",
    }
    for name in [name for name in os.environ if name.startswith("TASUKI_")]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


@pytest.fixture
def stack(stack_environment: dict[str, str]) -> Iterator[Stack]:
    """Running services; what the supervisor says goes to the test's output."""
    assert stack_environment
    with start_stack(StackOptions(partitions=2), print) as running:
        yield running
