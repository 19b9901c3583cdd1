"""Answers to webhooks, with a Kafka that does what the test says. (The real one: tests/integration/ingest.)"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.ingest.webhooks.loading import load_webhooks
from services.ingest.webhooks.receiver import Webhooks
from shared.events import decode_event
from shared.keys import write_keys_from
from tests.ingest_app import ScriptedPublisher, client_of

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
KEY = {"writeKey": "key"}
PUBLIC_URL = "https://events.example.co.jp/tasuki"
APP_SECRET = "client-secret"
SENDGRID = ec.generate_private_key(ec.SECP256R1())
THANKS = "https://www.example.co.jp/thanks"
CREATED = [{"subscriptionType": "contact.creation", "objectId": 1, "eventId": 2, "occurredAt": 1795253400000}]


@pytest.fixture
def publisher() -> ScriptedPublisher:
    return ScriptedPublisher()


@pytest.fixture
async def client(publisher: ScriptedPublisher, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    (tmp_path / "contact.yaml").write_text(
        f"body: form\nredirect: {THANKS}\nhoneypot: _gotcha\ncalls: [{{email: email, name: Inquiry Submitted}}]"
    )
    public_key = SENDGRID.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    secrets = {
        "TASUKI_WEBHOOK_SECRET_HUBSPOT": APP_SECRET,
        "TASUKI_WEBHOOK_SECRET_SENDGRID": base64.b64encode(public_key).decode(),
    }
    async with _client(publisher, Webhooks(load_webhooks(tmp_path, secrets), PUBLIC_URL, lambda: NOW)) as client:
        yield client


def _client(publisher: ScriptedPublisher, webhooks: Webhooks) -> httpx.AsyncClient:
    return client_of(publisher, write_keys_from("key=ma-tool"), webhooks=webhooks, now=lambda: NOW)


def names(publisher: ScriptedPublisher) -> list[str]:
    return [decode_event(record.value).name for record in publisher.records if record.topic == "tasuki.events"]


def hubspot_headers(body: bytes, query: str = "?writeKey=key", at: datetime = NOW) -> dict[str, str]:
    timestamp = str(int(at.timestamp() * 1000))
    content = f"POST{PUBLIC_URL}/v1/webhooks/hubspot{query}".encode() + body + timestamp.encode()
    signature = base64.b64encode(hmac.new(APP_SECRET.encode(), content, hashlib.sha256).digest()).decode()
    return {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": timestamp}


async def test_hubspot(client: httpx.AsyncClient, publisher: ScriptedPublisher) -> None:
    body = json.dumps(CREATED).encode()
    answer = await client.post("/v1/webhooks/hubspot", params=KEY, content=body, headers=hubspot_headers(body))
    assert (answer.status_code, answer.json()) == (200, {"success": True, "accepted": 1, "rejected": []})
    (record,) = publisher.records
    event = decode_event(record.value)
    assert (event.source, event.name, record.key) == ("ma-tool", "Contact Created", b"ext:hubspot:1")


async def test_what_hubspot_has_not_signed_is_not_stored(
    client: httpx.AsyncClient, publisher: ScriptedPublisher
) -> None:
    body = json.dumps(CREATED).encode()
    for headers in (
        {},
        hubspot_headers(body + b" "),
        hubspot_headers(body, query=""),
        hubspot_headers(body, at=NOW - timedelta(minutes=6)),
    ):
        answer = await client.post("/v1/webhooks/hubspot", params=KEY, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert publisher.records == []


async def test_sendgrid(client: httpx.AsyncClient, publisher: ScriptedPublisher) -> None:
    told = [{"email": "a@example.jp", "event": "open", "sg_event_id": "1", "timestamp": 1795253400}, {"event": "click"}]
    body = json.dumps(told).encode() + b"\r\n"
    signature = base64.b64encode(SENDGRID.sign(b"1795253400" + body, ec.ECDSA(SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": "1795253400",
    }
    answer = await client.post("/v1/webhooks/sendgrid", params=KEY, content=body, headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert [(one["index"], one["code"]) for one in answer.json()["rejected"]] == [(1, "missing_identity")]
    assert names(publisher) == ["Email Opened"]
    letter = publisher.records[-1]
    assert (letter.topic, letter.value) == ("tasuki.dead-letters", b'{"event": "click"}')
    assert dict(letter.headers)["http_path"] == b"/v1/webhooks/sendgrid"

    answer = await client.post("/v1/webhooks/sendgrid", params=KEY, content=body[:-2], headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert len(publisher.records) == 2


async def test_without_the_secret_it_says_which_variable_to_set(publisher: ScriptedPublisher) -> None:
    async with _client(publisher, Webhooks(load_webhooks(None, {}))) as client:
        answer = await client.post("/v1/webhooks/hubspot", params=KEY, json=CREATED)
        assert (answer.status_code, answer.json()["code"]) == (403, "no_signature_secret")
        assert "TASUKI_WEBHOOK_SECRET_HUBSPOT" in answer.json()["message"]
        assert publisher.records == []
        # The others need none.
        assert (await client.post("/v1/webhooks/marketo", params=KEY, json={"email": "a@x.jp"})).status_code == 200


async def test_an_unknown_webhook_says_what_there_is(client: httpx.AsyncClient) -> None:
    for method in ("GET", "POST"):
        answer = await client.request(method, "/v1/webhooks/marekto", params=KEY)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_webhook")
        assert "contact, form, hubspot, hubspot-workflow, mailchimp, marketo, sendgrid" in answer.json()["message"]


async def test_mailchimp_asks_whether_there_is_somebody(client: httpx.AsyncClient) -> None:
    answer = await client.get(
        "/v1/webhooks/mailchimp", params=KEY, headers={"User-Agent": "MailChimp.com WebHook Validator"}
    )
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert (await client.head("/v1/webhooks/mailchimp", params=KEY)).status_code == 200
    assert (await client.post("/v1/webhooks/mailchimp", params=KEY)).status_code == 200
    assert (await client.get("/v1/webhooks/mailchimp", params={"writeKey": "x"})).status_code == 401


@pytest.mark.parametrize("where", ["query", "basic", "field"])
@pytest.mark.parametrize(("key", "status"), [("key", 200), ("unknown", 401)])
async def test_the_write_key_may_be_in_three_places(
    client: httpx.AsyncClient, publisher: ScriptedPublisher, where: str, key: str, status: int
) -> None:
    told = {"email": "a@example.jp"} | ({"writeKey": key} if where == "field" else {})
    params = {"writeKey": key} if where == "query" else {}
    auth = httpx.BasicAuth(key, "") if where == "basic" else None
    for path, body in (("form", {"data": told}), ("marketo", {"json": told})):
        answer = await client.post(f"/v1/webhooks/{path}", params=params, auth=auth, **body)  # type: ignore[arg-type]
        assert answer.status_code == status
    assert len(publisher.records) == (4 if status == 200 else 0)
    assert b"writeKey" not in b"".join(record.value for record in publisher.records)


async def test_a_form_goes_on_to_its_page(client: httpx.AsyncClient, publisher: ScriptedPublisher) -> None:
    for form in ({"data": {"email": "a@example.jp"}}, {"files": {"email": (None, "b@example.jp")}}):
        answer = await client.post("/v1/webhooks/contact", params=KEY, **form)  # type: ignore[arg-type]
        assert (answer.status_code, answer.headers["location"]) == (303, THANKS)
    assert names(publisher) == ["Inquiry Submitted"] * 2

    spam = {"email": "a@example.jp", "_gotcha": "x"}
    assert (await client.post("/v1/webhooks/contact", params=KEY, data=spam)).status_code == 303
    assert len(publisher.records) == 2

    answer = await client.post("/v1/webhooks/contact", params=KEY, data={"email": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (400, "missing_identity")
    assert publisher.records[-1].value == b"email=nobody"


async def test_a_page_of_another_site_may_send_it(client: httpx.AsyncClient) -> None:
    origin = {"Origin": "https://www.example.co.jp"}
    answer = await client.post("/v1/webhooks/form", params=KEY, data={"email": "a@example.jp"}, headers=origin)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert answer.headers["access-control-allow-origin"] == origin["Origin"]


async def test_a_copy_has_the_same_id(client: httpx.AsyncClient, publisher: ScriptedPublisher) -> None:
    for _ in range(2):
        await client.post("/v1/webhooks/marketo", params=KEY, json={"email": "a@example.jp"})
    ids = [decode_event(record.value).id for record in publisher.records]
    assert ids[:2] == ids[2:]
    assert len(set(ids)) == 2


async def test_without_a_public_address_the_host_of_the_request_counts(publisher: ScriptedPublisher) -> None:
    body = json.dumps(CREATED).encode()
    timestamp = str(int(NOW.timestamp() * 1000))
    content = f"POSThttps://events.example.jp/v1/webhooks/hubspot?writeKey=key&a=b:c{body.decode()}{timestamp}".encode()
    signature = base64.b64encode(hmac.new(APP_SECRET.encode(), content, hashlib.sha256).digest()).decode()
    webhooks = Webhooks(load_webhooks(None, {"TASUKI_WEBHOOK_SECRET_HUBSPOT": APP_SECRET}), now=lambda: NOW)
    headers = {
        "X-HubSpot-Signature-v3": signature,
        "X-HubSpot-Request-Timestamp": timestamp,
        "Host": "events.example.jp",
    }
    async with _client(publisher, webhooks) as client:
        answer = await client.post("/v1/webhooks/hubspot?writeKey=key&a=b%3Ac", content=body, headers=headers)
    assert answer.status_code == 200


async def test_openapi_tells_of_forms_and_of_all_answers(client: httpx.AsyncClient) -> None:
    path = (await client.get("/openapi.json")).json()["paths"]["/v1/webhooks/{name}"]
    assert {parameter["name"] for parameter in path["post"]["parameters"]} == {"name", "writeKey"}
    assert {"200", "303", "400", "401", "403", "404", "413", "429"} <= set(path["post"]["responses"])
    assert {"application/json", "multipart/form-data"} <= set(path["post"]["requestBody"]["content"])
    assert set(path["get"]["responses"]) == {"200", "401", "404"}
