"""Senders that are slow, never end, or speak no HTTP: they are told, and cost us nothing for long."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.parts import Parts
from tests.integration.ingest.conftest import Ingest, make_topics, running
from tests.load.bench.senders import message_length

SECONDS = 1.0
UNKNOWN = b"POST /v1/track?writeKey=unknown HTTP/1.1\r\nHost: ingest\r\n"
HEAD = b"POST /v1/track?writeKey=key HTTP/1.1\r\nHost: ingest\r\n"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slow") / "log"


@pytest.fixture(scope="module")
def ingest(parts: Parts, log: Path) -> Iterator[Ingest]:
    with running(parts, make_topics(parts), log, REQUEST_SECONDS=str(SECONDS)) as ingest:
        yield ingest


@contextmanager
def connected(ingest: Ingest) -> Iterator[socket.socket]:
    address = (ingest.http.base_url.host, ingest.http.base_url.port or 80)
    with socket.create_connection(address, timeout=20) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    """Until the other side ends the connection."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


def answered(connection: socket.socket) -> int:
    """The status of one answer, whose body is read, too."""
    received = b""
    while (length := message_length(received)) is None or len(received) < length:
        received += connection.recv(65536)
    return int(received.split()[1])


def told(answer: bytes) -> tuple[int, str]:
    """Status and code."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["code"]


@pytest.mark.parametrize("sent", [HEAD, HEAD + b"Content-Length: 100\r\n\r\n{"], ids=["headers", "body"])
def test_a_request_that_is_never_complete(ingest: Ingest, sent: bytes) -> None:
    with connected(ingest) as connection:
        started = time.monotonic()
        connection.sendall(sent)
        assert told(rest(connection)) == (408, "too_slow")
        assert SECONDS * 0.9 < time.monotonic() - started < SECONDS + 2


def test_a_trickle_does_not_keep_a_request_alive(ingest: Ingest) -> None:
    with connected(ingest) as connection:
        started = time.monotonic()
        connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        while not _ended(connection):
            assert time.monotonic() - started < SECONDS + 2
            time.sleep(0.05)


def _ended(connection: socket.socket) -> bool:
    """Sends another byte to see."""
    try:
        connection.sendall(b" ")
    except OSError:
        return True
    return False


def test_who_asks_nothing_is_left_without_a_word(ingest: Ingest) -> None:
    with connected(ingest) as connection:
        assert rest(connection) == b""


def test_headers_without_an_end(ingest: Ingest) -> None:
    with connected(ingest) as connection:
        connection.sendall(HEAD + b"X-Long: " + b"a" * 70_000)
        assert told(rest(connection)) == (431, "headers_too_large")


def test_who_goes_on_after_a_refusal_is_slowed_down(ingest: Ingest) -> None:
    with connected(ingest) as connection:
        connection.sendall(UNKNOWN + b"Content-Length: 50000000\r\n\r\n")
        assert answered(connection) == 401
        sent, started = 0, time.monotonic()
        connection.settimeout(0.2)
        while time.monotonic() - started < SECONDS * 0.7:  # the kernel takes some of it before it is full
            try:
                sent += connection.send(b" " * 65536)
            except TimeoutError:
                continue
        assert sent < 20_000_000


@pytest.mark.parametrize("size", [500_000, 1_500_000])
def test_who_ends_a_body_after_a_refusal_keeps_the_connection(shared_ingest: Ingest, size: int) -> None:
    request = UNKNOWN + b"Content-Length: %d\r\n\r\n" % size + b" " * size
    with connected(shared_ingest) as connection:
        for _ in range(3):
            connection.sendall(request)
            assert answered(connection) == 401


def test_no_http_at_all(ingest: Ingest) -> None:
    with connected(ingest) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting, perhaps\r\n\r\n")
        assert told(rest(connection)) == (400, "malformed_request")


def test_several_requests_on_a_connection_each_have_their_time(ingest: Ingest) -> None:
    body = b'{"event": "x", "userId": "u"}'
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with connected(ingest) as connection:
        for _ in range(4):
            connection.sendall(request[:40])
            time.sleep(SECONDS * 0.4)
            connection.sendall(request[40:])
            assert b" 200 OK" in connection.recv(65536)


def test_what_was_begun_and_left_is_no_error_of_ours(ingest: Ingest, log: Path) -> None:
    with connected(ingest) as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
    time.sleep(0.2)
    assert ingest.http.get("/healthz").status_code == 200
    assert "Traceback" not in log.read_text()
    assert "unexpected" not in log.read_text()
