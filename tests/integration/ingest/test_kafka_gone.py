"""Kafka goes away and comes back under an ingest that has no spool."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.parts import Parts
from tests.integration.ingest.conftest import Ingest, make_topics, running


@pytest.fixture
def ingest(parts: Parts, tmp_path: Path) -> Iterator[Ingest]:
    with running(parts, make_topics(parts), tmp_path / "log", SPOOL_DIR="") as ingest:
        yield ingest


def test_429_while_kafka_is_gone_and_nothing_lost_when_it_is_back(parts: Parts, ingest: Ingest) -> None:
    if "not Apache Kafka" in parts.kafka.description:
        pytest.skip("the embedded broker forgets what it has acknowledged when it is killed")
    acknowledged = [name for name in ("before-1", "before-2") if _send(ingest, name).status_code == 200]
    parts.kafka.kill()
    try:
        refused = [_timed(ingest, f"gone-{n}") for n in range(3)]
        ready = ingest.http.get("/readyz")
    finally:
        parts.kafka.start()
    for answer, seconds in refused:
        assert (answer.status_code, answer.json()["code"]) == (429, "try_later")
        assert int(answer.headers["retry-after"]) > 0
        assert seconds < 5
    assert refused[-1][1] < 0.5, "known trouble is told at once"
    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")

    again = ["gone-0", "gone-1", "gone-2", "after"]
    for name in again:
        _send_until_stored(ingest, name)
    assert ingest.http.get("/readyz").status_code == 200
    stored = Counter(event.id for _, event in ingest.events())
    assert set(acknowledged + again) == set(stored), "what was answered with 200 is there"
    # A refused record may still arrive (same messageId); one that was acknowledged is there once.
    assert [stored[name] for name in acknowledged] == [1] * len(acknowledged)


def _send(ingest: Ingest, name: str) -> httpx.Response:
    return ingest.http.post("/v1/track", json={"userId": "one-user", "event": "x", "messageId": name})


def _timed(ingest: Ingest, name: str) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    return _send(ingest, name), time.monotonic() - started


def _send_until_stored(ingest: Ingest, name: str) -> None:
    """As the clients do: again after Retry-After seconds."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        answer = _send(ingest, name)
        if answer.status_code == 200:
            return
        assert answer.status_code == 429
        time.sleep(int(answer.headers["retry-after"]))
    pytest.fail(f"{name} was never stored after Kafka came back")
