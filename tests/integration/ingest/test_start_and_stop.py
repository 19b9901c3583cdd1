"""Starting without what is needed, and stopping."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest

from shared.keys import KeyKind, append_key, create_key
from shared.parts import Parts
from tests.integration.ingest.conftest import SERVE, Ingest, environment, make_topics, running


def start_in_vain(**variables: str) -> str:
    """What it says on standard error, within seconds."""
    ended = subprocess.run(SERVE, env=environment(**variables), capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_no_kafka() -> None:
    said = start_in_vain(KAFKA_BOOTSTRAP="127.0.0.1:1", WRITE_KEYS="key=website")
    assert "no Kafka answers at 127.0.0.1:1" in said
    assert "TASUKI_KAFKA_BOOTSTRAP" in said


def test_no_topics(parts: Parts) -> None:
    said = start_in_vain(KAFKA_BOOTSTRAP=parts.kafka_bootstrap, WRITE_KEYS="key=website", TOPIC_PREFIX="never-made.")
    assert "never-made.events, never-made.dead-letters" in said
    assert "tasuki topics create" in said


def test_no_settings() -> None:
    said = start_in_vain(WRITE_KEYS="nonsense")
    assert "TASUKI_KAFKA_BOOTSTRAP" in said
    assert "TASUKI_WRITE_KEYS" in said


def test_a_key_from_the_file_works(parts: Parts, tmp_path: Path) -> None:
    secret, entry = create_key(KeyKind.WRITE, "exhibition")
    append_key(tmp_path / "keys.yaml", entry)
    with running(parts, make_topics(parts), tmp_path / "log", KEYS_FILE=str(tmp_path / "keys.yaml")) as ingest:
        answer = ingest.http.post("/v1/track", json={"userId": "u", "event": "x"}, auth=(secret, ""))
        assert answer.status_code == 200
        assert [event.source for _, event in ingest.events()] == ["exhibition"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_gracefully(parts: Parts, tmp_path: Path, number: signal.Signals) -> None:
    answered: list[int] = []
    with running(parts, make_topics(parts), tmp_path / "log") as ingest:
        senders = [threading.Thread(target=_send_until_refused, args=(ingest, answered)) for _ in range(4)]
        for sender in senders:
            sender.start()
        time.sleep(0.5)
        ingest.process.send_signal(number)
        for sender in senders:
            sender.join(20)
        ingest.process.wait(20)
        assert "Finished server process" in (tmp_path / "log").read_text()
        assert len(ingest.events()) >= len(answered) > 0


def _send_until_refused(ingest: Ingest, answered: list[int]) -> None:
    with httpx.Client(base_url=ingest.http.base_url, auth=("key", ""), timeout=20) as http:
        while True:
            try:
                answer = http.post("/v1/track", json={"userId": "u", "event": "x"})
            except httpx.TransportError:
                return  # the port is closed
            assert answer.status_code == 200
            answered.append(1)
