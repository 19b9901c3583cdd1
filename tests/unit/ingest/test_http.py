"""Answers to requests, with a Kafka that does what the test says. (The real one: tests/integration/ingest.)"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from services.ingest.cors import ALLOWED_HEADERS
from services.ingest.publishing import Busy, NotStored, TooMuch
from shared.keys import write_keys_from
from tests.ingest_app import ScriptedPublisher, client_of

TRACK = {"event": "x", "userId": "u"}
ORIGIN = {"Origin": "https://shop.example.jp"}


@pytest.fixture
def publisher() -> ScriptedPublisher:
    return ScriptedPublisher()


@pytest.fixture
async def client(publisher: ScriptedPublisher) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(publisher, write_keys_from("key=website")) as client:
        yield client


@pytest.mark.parametrize("error", [Busy("full"), NotStored("no acknowledgement")])
async def test_what_kafka_does_not_confirm_is_429_with_whole_seconds(
    client: httpx.AsyncClient, publisher: ScriptedPublisher, error: Exception
) -> None:
    publisher.error = error
    answer = await client.post("/v1/track", json=TRACK, auth=("key", ""), headers=ORIGIN)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["access-control-expose-headers"] == "Retry-After, X-Request-Id"
    assert answer.json()["code"] == "try_later"
    assert (await client.get("/readyz")).status_code == 503


async def test_a_defect_is_json_with_cors_and_is_logged(
    client: httpx.AsyncClient, publisher: ScriptedPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    publisher.error = RuntimeError("a bug in what taro@example.co.jp has sent")
    with caplog.at_level(logging.ERROR):
        answer = await client.post(
            "/v1/track?writeKey=key", json=TRACK, headers=ORIGIN | {"X-Request-Id": "from-proxy.7"}
        )
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert "unexpected RuntimeError in request from-proxy.7" in caplog.text
    assert "storing.py" in caplog.text
    assert "from-proxy.7" in answer.json()["message"]
    assert "taro" not in caplog.text
    assert "writeKey" not in caplog.text


@pytest.mark.parametrize("told", ["", "x" * 65, "two\tparts", "名前"])
async def test_each_answer_has_a_request_id_of_its_own(client: httpx.AsyncClient, told: str) -> None:
    headers = ORIGIN | ({"X-Request-Id": told.encode()} if told else {})
    answers = [await client.post("/v1/track", json=TRACK, auth=("key", ""), headers=headers)]
    answers += [await client.get("/nowhere", headers=headers), await client.post("/v1/batch", headers=headers)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 3
    assert told not in ids


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/v1/track/", 404, "not_found"),
        ("GET", "/v1/track", 405, "method_not_allowed"),
        ("POST", "/v1/track", 401, "unknown_write_key"),
    ],
)
async def test_every_error_has_code_and_message_and_cors(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path, headers=ORIGIN, content=b"{}")
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert answer.json()["message"]
    assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert answer.headers["access-control-allow-credentials"] == "true"


async def test_preflight_lists_the_headers_one_by_one(client: httpx.AsyncClient) -> None:
    asked = ORIGIN | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = await client.options("/v1/t", headers=asked)
    assert answer.status_code == 200
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert "*" not in allowed
    assert set(ALLOWED_HEADERS) <= set(allowed)
    assert answer.headers["access-control-allow-origin"] == ORIGIN["Origin"]


async def test_without_an_origin_there_is_nothing_to_allow(client: httpx.AsyncClient) -> None:
    assert "access-control-allow-origin" not in (await client.get("/healthz")).headers


async def test_one_bad_event_alone_is_an_error_and_a_dead_letter(
    client: httpx.AsyncClient, publisher: ScriptedPublisher
) -> None:
    answer = await client.post("/v1/track", content=b'{"userId": "u"}', auth=("key", ""))
    assert (answer.status_code, answer.json()["code"]) == (400, "missing_event_name")
    (record,) = publisher.records
    assert (record.topic, record.value) == ("tasuki.dead-letters", b'{"userId": "u"}')
    assert dict(record.headers)["http_path"] == b"/v1/track"


async def test_what_kafka_finds_too_large_is_a_rejection(
    client: httpx.AsyncClient, publisher: ScriptedPublisher
) -> None:
    publisher.limits = {"tasuki.events": 500}
    small, large = TRACK | {"type": "track"}, TRACK | {"type": "track", "properties": {"text": "x" * 500}}
    answer = await client.post("/v1/batch", json={"batch": [0, small, large, small]}, auth=("key", ""))
    result = answer.json()
    assert (answer.status_code, result["accepted"]) == (200, 2)
    assert [(one["index"], one["code"]) for one in result["rejected"]] == [
        (0, "malformed_event"),
        (2, "event_too_large"),
    ]
    letters = [record for record in publisher.records if record.topic == "tasuki.dead-letters"]
    assert [json.loads(letter.value) for letter in letters] == [0, large]

    publisher.limits["tasuki.dead-letters"] = 500
    answer = await client.post("/v1/track", json=large, auth=("key", ""))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_much_at_once")


async def test_more_at_once_than_may_ever_wait_is_413(client: httpx.AsyncClient, publisher: ScriptedPublisher) -> None:
    publisher.error = TooMuch("too heavy")
    answer = await client.post("/v1/track", json=TRACK, auth=("key", ""))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_much_at_once")


async def test_the_list_of_rejected_events_is_bounded(client: httpx.AsyncClient, publisher: ScriptedPublisher) -> None:
    answer = await client.post("/v1/batch", json={"batch": [TRACK | {"type": "track"}] + [0] * 700}, auth=("key", ""))
    result = answer.json()
    assert (result["accepted"], len(result["rejected"]), result["rejected_not_listed"]) == (1, 500, 200)
    assert len(publisher.records) == 701


@pytest.mark.parametrize("authorization", ["Basic !!!", "Basic", "Bearer key", "Basic /w=="])
async def test_unreadable_credentials_are_no_key(client: httpx.AsyncClient, authorization: str) -> None:
    answer = await client.post("/v1/track", json=TRACK, headers={"Authorization": authorization})
    assert answer.status_code == 401


async def test_a_stranger_is_refused_before_the_body_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/track", content=b"not JSON", auth=("stranger", ""))
    assert answer.status_code == 401


async def test_metrics_count_and_name_nobody(client: httpx.AsyncClient) -> None:
    batch = [{"type": "track", "event": "x", "userId": "taro@example.jp"}, {"type": "track", "messageId": "m-77"}]
    await client.post("/v1/batch", json={"batch": batch}, auth=("key", ""))
    text = (await client.get("/metrics")).text
    assert 'tasuki_ingest_events_total{kind="track",source="website"} 1.0' in text
    assert 'tasuki_ingest_rejected_total{reason="missing_identity",source="website"} 1.0' in text
    assert "tasuki_ingest_produce_seconds_count 1.0" in text
    assert "taro" not in text
    assert "m-77" not in text


async def test_openapi_describes_every_path_and_field(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    names = ("track", "identify", "page", "screen", "group", "alias", "batch", *"tipsgabm")
    paths = {f"/v1/{name}" for name in names} | {"/v1/events", "/beacon/v1/batch", "/v1/webhooks/{name}"}
    paths |= {"/v1/projects/{write_key}/settings", "/sourceConfig/", "/analytics.js/v1/{write_key}/analytics.min.js"}
    assert paths | {"/healthz", "/readyz", "/metrics"} == set(document["paths"])
    assert set(document["paths"]["/v1/t"]["post"]["responses"]) == {
        *("200", "400", "401", "403", "408", "413", "415", "429", "500")
    }
    for schema in ("Call", "Batch", "CloudEvent"):
        for name, field in document["components"]["schemas"][schema]["properties"].items():
            assert field.get("description"), f"{schema}.{name}"
