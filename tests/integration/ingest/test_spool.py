"""Kafka goes away under an ingest that has a spool: senders notice nothing, and nothing is lost."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.parts import Parts
from tests.integration.ingest.conftest import Ingest, make_topics, running

LEADS = 5


@pytest.fixture(autouse=True)
def durable_kafka(parts: Parts) -> Iterator[None]:
    if "not Apache Kafka" in parts.kafka.description:
        pytest.skip("the embedded broker forgets what it has acknowledged when it is killed")
    yield
    parts.kafka.start()  # whatever a failed test has left


def test_nobody_notices_that_kafka_is_away(parts: Parts, tmp_path: Path) -> None:
    with running(parts, make_topics(parts), tmp_path / "log") as ingest:
        sent = _send_some(ingest, "before", 10)
        parts.kafka.kill()
        sent += _send_some(ingest, "away", 40)
        ready = ingest.http.get("/readyz")
        shown = _metrics(ingest)
        parts.kafka.start()
        sent += _send_some(ingest, "back", 40)
        _await_empty(ingest)
        sent += _send_some(ingest, "after", 10)
        assert ready.status_code == 200
        assert shown["tasuki_ingest_spool_records"] >= 40
        assert shown["tasuki_ingest_spool_bytes"] > 0
        assert shown["tasuki_ingest_spool_oldest_age_seconds"] > 0
        _assert_first_copies_in_order(ingest, sent)
        assert not list((tmp_path / "spool").glob("*/*.spool")), "what is in Kafka takes no room"


def test_what_a_killed_ingest_had_in_its_spool_comes_with_the_next(parts: Parts, tmp_path: Path) -> None:
    prefix = make_topics(parts)
    with running(parts, prefix, tmp_path / "log") as ingest:
        sent = _send_some(ingest, "before", 5)
        parts.kafka.kill()
        sent += _send_some(ingest, "away", 30)
        ingest.process.send_signal(signal.SIGKILL)
        ingest.process.wait(10)
    # Kafka is still away: the next one starts all the same, as this spool has served these topics.
    with running(parts, prefix, tmp_path / "log2") as ingest:
        sent += _send_some(ingest, "still-away", 10)
        parts.kafka.start()
        _await_empty(ingest)
        _assert_first_copies_in_order(ingest, sent)


def test_a_stopped_ingest_leaves_its_spool_to_the_next(parts: Parts, tmp_path: Path) -> None:
    prefix = make_topics(parts)
    with running(parts, prefix, tmp_path / "log") as ingest:
        sent = _send_some(ingest, "before", 5)
        parts.kafka.kill()
        sent += _send_some(ingest, "away", 10)
    assert "records stay in" in (tmp_path / "log").read_text()
    parts.kafka.start()
    with running(parts, prefix, tmp_path / "log2") as ingest:
        _await_empty(ingest)
        _assert_first_copies_in_order(ingest, sent)


def test_a_first_start_without_kafka_is_a_wrong_address(parts: Parts, tmp_path: Path) -> None:
    prefix = make_topics(parts)
    parts.kafka.kill()
    with pytest.raises(AssertionError, match="no Kafka answers at"), running(parts, prefix, tmp_path / "log"):
        pass


def test_a_full_spool_is_told_and_nothing_is_lost(parts: Parts, tmp_path: Path) -> None:
    with running(parts, make_topics(parts), tmp_path / "log", SPOOL_MAX_BYTES=str(1024**2)) as ingest:
        sent = _send_some(ingest, "before", 2)
        parts.kafka.kill()
        answers = _send_until_refused(ingest)
        ready = ingest.http.get("/readyz")
        parts.kafka.start()
        _await_empty(ingest)
        assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "try_later")
        assert int(answers[-1].headers["retry-after"]) > 0
        assert "the spool is full" in answers[-1].json()["message"]
        assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
        sent += [("large", f"large-{n}") for n in range(len(answers) - 1)] + _send_some(ingest, "after", 2)
        _assert_first_copies_in_order(ingest, sent)


def test_a_full_disk_is_told_and_nothing_is_lost(parts: Parts, tmp_path: Path) -> None:
    directory = tmp_path / "small-disk"
    directory.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {directory} 2>/dev/null"):
        pytest.skip("this user may not mount a small disk")
    try:
        with running(parts, make_topics(parts), tmp_path / "log", SPOOL_DIR=str(directory)) as ingest:
            sent = _send_some(ingest, "before", 2)
            parts.kafka.kill()
            answers = _send_until_refused(ingest)
            small = ingest.http.post("/v1/track", json=_event("lead-0", "small", 0))
            parts.kafka.start()
            _await_empty(ingest)
            assert answers[-1].status_code == 429
            assert "No space left on device" in answers[-1].json()["message"]
            sent += [("large", f"large-{n}") for n in range(len(answers) - 1)]
            sent += [("lead-0", "lead-0-small-0")] if small.status_code == 200 else []
            sent += _send_some(ingest, "after", 2)
            _assert_first_copies_in_order(ingest, sent)
    finally:
        os.system(f"umount {directory}")


def test_two_ingests_share_a_directory(parts: Parts, tmp_path: Path) -> None:
    prefix = make_topics(parts)
    with running(parts, prefix, tmp_path / "log") as one:
        with running(parts, prefix, tmp_path / "log2") as other:
            parts.kafka.kill()
            sent = _send_some(one, "one", 10) + _send_some(other, "other", 10)
            other.process.send_signal(signal.SIGKILL)
            other.process.wait(10)
        parts.kafka.start()
        _await_empty(one)
    # What the killed one has left is taken over by whoever starts next.
    with running(parts, prefix, tmp_path / "log3") as third:
        _await_empty(third)
        _assert_first_copies_in_order(third, sent)


def _send_some(ingest: Ingest, phase: str, count: int) -> list[tuple[str, str]]:
    """Lead and messageId of each, in turn, each sent after the one before was acknowledged."""
    sent = []
    for number in range(count):
        lead = f"lead-{number % LEADS}"
        event = _event(lead, phase, number)
        started = time.monotonic()
        answer = ingest.http.post("/v1/track", json=event)
        assert answer.status_code == 200, answer.text
        assert time.monotonic() - started < 5, "senders give up after 5 s"
        sent.append((lead, event["messageId"]))
    return sent


def _event(lead: str, phase: str, number: int) -> dict[str, str]:
    return {"userId": lead, "event": "x", "messageId": f"{lead}-{phase}-{number}"}


def _send_until_refused(ingest: Ingest) -> list[httpx.Response]:
    answers: list[httpx.Response] = []
    while not answers or answers[-1].status_code == 200:
        event = {
            "userId": "large",
            "event": "x",
            "messageId": f"large-{len(answers)}",
            "properties": {"p": "x" * 30_000},
        }
        answers.append(ingest.http.post("/v1/track", json=event))
        assert len(answers) < 100, "a full spool is refused"
    return answers


def _metrics(ingest: Ingest) -> dict[str, float]:
    lines = [line.split() for line in ingest.http.get("/metrics").text.splitlines() if line.startswith("tasuki_")]
    return {name: float(value) for name, value in lines if "{" not in name}


def _await_empty(ingest: Ingest) -> None:
    until = time.monotonic() + 60
    while _metrics(ingest)["tasuki_ingest_spool_records"]:
        assert time.monotonic() < until, "the spool is not drained"
        time.sleep(0.1)


def _assert_first_copies_in_order(ingest: Ingest, sent: list[tuple[str, str]]) -> None:
    """All that was acknowledged is in Kafka, and of each lead in its order: copies count once, the first of them."""
    stored: defaultdict[str, dict[str, None]] = defaultdict(dict)
    copies: Counter[str] = Counter()
    for _, event in ingest.events():
        stored[event.user_id or ""].setdefault(event.id)
        copies[event.id] += 1
    expected: defaultdict[str, list[str]] = defaultdict(list)
    for lead, message_id in sent:
        expected[lead].append(message_id)
    # Something refused with 429 may be there as well.
    for lead, ids in expected.items():
        assert [id for id in stored[lead] if id in set(ids)] == ids
