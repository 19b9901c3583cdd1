"""Segment's API against a real Kafka: what was answered with 200 is in the topics."""

from __future__ import annotations

import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from aiokafka.partitioner import murmur2

from shared.events import SENT, Event, Kind
from tests.integration.ingest.conftest import Ingest

PATHS = [
    *[(f"/v1/{kind}", kind) for kind in sorted(SENT)],
    ("/v1/t", Kind.TRACK),
    ("/v1/i", Kind.IDENTIFY),
    ("/v1/p", Kind.PAGE),
    ("/v1/s", Kind.SCREEN),
    ("/v1/g", Kind.GROUP),
    ("/v1/a", Kind.ALIAS),
]


def events_of(ingest: Ingest, user: str) -> list[Event]:
    return [event for _, event in ingest.events() if event.key == user]


@pytest.mark.parametrize(("path", "kind"), PATHS)
def test_every_path_stores_its_kind(shared_ingest: Ingest, user: str, path: str, kind: Kind) -> None:
    body = {"userId": user, "event": "x", "groupId": "g", "previousId": "p", "messageId": f"{user}-1"}
    answer = shared_ingest.http.post(path, json=body)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    (event,) = events_of(shared_ingest, user)
    assert (event.kind, event.id, event.source) == (kind, f"{user}-1", "website")
    assert abs(datetime.now(UTC) - event.received_at) < timedelta(seconds=30)


def test_metrics_of_analytics_js_are_ignored(shared_ingest: Ingest) -> None:
    before = len(shared_ingest.events())
    answer = shared_ingest.http.post("/v1/m", content=b'{"series":[]}', auth=None)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert len(shared_ingest.events()) == before


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b"])
def test_one_bad_event_goes_to_dead_letters_byte_for_byte(shared_ingest: Ingest, user: str, path: str) -> None:
    bad = f'{{ "type":"track", "messageId":"{user}-bad", "userId":"{user}",\t"note":"価格 1.10" }}'.encode()
    good = [
        json.dumps({"type": "track", "event": str(n), "userId": user, "messageId": str(n)}).encode() for n in range(50)
    ]
    body = b'{"sentAt":"2026-11-21T00:00:00Z","batch":[' + b",".join([*good[:25], bad, *good[25:]]) + b"]}"
    answer = shared_ingest.http.post(path, content=body)
    assert answer.status_code == 200
    rejected = answer.json().pop("rejected")
    assert answer.json()["success"] is True
    assert answer.json()["accepted"] == 50
    assert [(r["index"], r["message_id"], r["code"]) for r in rejected] == [(25, f"{user}-bad", "missing_event_name")]

    stored = [(record, event) for record, event in shared_ingest.events() if event.key == user]
    assert [event.name for _, event in stored] == [str(n) for n in range(50)]
    # Where any other Kafka client would put this key.
    assert {(r.partition, r.key) for r, _ in stored} == {((murmur2(user.encode()) & 0x7FFFFFFF) % 3, user.encode())}

    (letter,) = [record for record in shared_ingest.dead_letters() if user.encode() in record.value]
    assert letter.value == bad
    headers = dict(letter.headers)
    assert headers["tasuki_reason"].startswith(b"missing_event_name: ")
    assert headers["tasuki_origin"] == b"http:website"
    assert headers["http_path"] == path.encode()
    assert headers["http_sent_at"] == b"2026-11-21T00:00:00Z"
    assert headers["tasuki_time"]


def test_an_event_of_megabytes_reaches_dead_letters_whole(shared_ingest: Ingest, user: str) -> None:
    large = json.dumps({"type": "track", "event": "x", "userId": user, "properties": {"x": "あ" * 1_300_000}})
    small = json.dumps({"type": "track", "event": "small", "userId": user})
    raw = json.dumps(json.loads(large), ensure_ascii=False).encode()
    assert len(raw) > 3_500_000
    answer = shared_ingest.http.post("/v1/batch", content=b'{"batch":[' + raw + b"," + small.encode() + b"]}")
    assert [rejection["code"] for rejection in answer.json()["rejected"]] == ["event_too_large"]
    assert [event.name for event in events_of(shared_ingest, user)] == ["small"]
    assert raw in [record.value for record in shared_ingest.dead_letters()]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json", "x"])
@pytest.mark.parametrize("packed", [True, False])
def test_content_decides_not_its_type(shared_ingest: Ingest, user: str, content_type: str, packed: bool) -> None:
    body = json.dumps({"userId": user, "event": "x", "writeKey": "key"}).encode()
    headers = {"Content-Type": content_type}
    content = gzip.compress(body) if packed else body
    answer = shared_ingest.http.post("/v1/track", content=content, headers=headers, auth=None)
    assert answer.status_code == 200
    assert len(events_of(shared_ingest, user)) == 1


def test_a_batch_of_512_000_bytes_is_taken(shared_ingest: Ingest, user: str) -> None:
    event = {"type": "track", "event": "x", "userId": user, "properties": {"p": "x" * 400}}
    body = json.dumps({"batch": [event] * 1100}).encode()
    assert len(body) > 512_000
    assert shared_ingest.http.post("/v1/batch", content=body).json()["accepted"] == 1100
    assert len(events_of(shared_ingest, user)) == 1100


@pytest.mark.parametrize("packed", [True, False])
def test_a_body_over_the_cap_is_413(shared_ingest: Ingest, packed: bool) -> None:
    body = b'{"batch":[' + b" " * (5 * 1024 * 1024) + b"]}"
    answer = shared_ingest.http.post("/v1/batch", content=gzip.compress(body) if packed else body)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("where", ["basic", "query", "body"])
@pytest.mark.parametrize(("key", "status"), [("key", 200), ("unknown", 401)])
def test_the_write_key_may_be_in_three_places(
    shared_ingest: Ingest, user: str, where: str, key: str, status: int
) -> None:
    body = {"userId": user, "event": "x"} | ({"writeKey": key} if where == "body" else {})
    answer = shared_ingest.http.post(
        "/v1/track",
        json=body,
        params={"writeKey": key} if where == "query" else {},
        auth=(key, "") if where == "basic" else None,
        headers={"Origin": "https://shop.example.jp"},
    )
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.jp"
    assert set(answer.json()) == ({"success"} if status == 200 else {"code", "message"})
    assert len(events_of(shared_ingest, user)) == (status == 200)


def test_an_unparsable_body_is_400_with_the_place(shared_ingest: Ingest) -> None:
    answer = shared_ingest.http.post("/v1/batch", content=b'{"batch":[{"a":1}, tru]}')
    assert (answer.status_code, answer.json()["code"]) == (400, "unparsable_body")
    assert "byte" in answer.json()["message"]


def test_clock_skew_is_corrected(shared_ingest: Ingest, user: str) -> None:
    body = {
        "userId": user,
        "event": "x",
        "originalTimestamp": "2020-01-01T00:00:00.000Z",  # a clock that is years slow
        "sentAt": "2020-01-01T09:00:07.500+09:00",
    }
    shared_ingest.http.post("/v1/track", json=body)
    (event,) = events_of(shared_ingest, user)
    assert event.received_at - event.time == timedelta(seconds=7.5)


def test_it_says_that_it_is_alive_and_ready(shared_ingest: Ingest) -> None:
    assert shared_ingest.http.get("/healthz").status_code == 200
    assert shared_ingest.http.get("/readyz").json() == {"status": "ready"}


def test_many_senders_at_once_lose_nothing(shared_ingest: Ingest, user: str) -> None:
    def send(number: int) -> None:
        batch = [{"type": "track", "event": "x", "userId": user, "messageId": f"{number}-{n}"} for n in range(20)]
        started = time.monotonic()
        answer = httpx.post(f"{shared_ingest.http.base_url}/v1/batch", json={"batch": batch}, auth=("key", ""))
        assert answer.status_code == 200
        assert time.monotonic() - started < 5

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(40)))
    ids = [event.id for event in events_of(shared_ingest, user)]
    assert sorted(ids) == sorted(f"{number}-{n}" for number in range(40) for n in range(20))
    for number in range(40):
        own = [id for id in ids if id.startswith(f"{number}-")]
        assert own == [f"{number}-{n}" for n in range(20)]
