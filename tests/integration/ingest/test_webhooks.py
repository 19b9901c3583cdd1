"""Webhooks against a real Kafka: the real service, with mappings and secrets of its environment."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.events import Kind
from shared.parts import Parts
from tests.integration.ingest.conftest import Ingest, make_topics, running

KEY = ec.generate_private_key(ec.SECP256R1())
MINE = """
events: visits
calls:
  - id: number
    email: person.mail
    time: {path: at, format: "%Y/%m/%d %H:%M", time_zone: Asia/Tokyo}
    name: {path: kind, names: {webinar: Webinar Attended}}
"""


@pytest.fixture(scope="module")
def ingest(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    directory = tmp_path_factory.mktemp("webhooks")
    (directory / "mine.yaml").write_text(MINE)
    public = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    variables = {"WEBHOOKS": str(directory), "WEBHOOK_SECRET_SENDGRID": public}
    log = tmp_path_factory.mktemp("ingest") / "log"
    with running(parts, make_topics(parts), log, **variables) as ingest:
        yield ingest


def test_signed_events_are_stored_and_a_bad_one_is_kept_as_it_came(ingest: Ingest, user: str) -> None:
    email = f"{user}@example.co.jp"
    good = [
        {"email": email, "event": kind, "sg_event_id": f"{user}-{kind}", "timestamp": 1795253400}
        for kind in ("open", "click")
    ]
    bad = f'{{ "email":"{email}",\t"event":"open", "timestamp":"soon" }}'.encode()
    body = b"[" + json.dumps(good[0]).encode() + b"," + bad + b"," + json.dumps(good[1]).encode() + b"]\r\n"
    timestamp = str(int(time.time()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(
            KEY.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
        ).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }
    answer = ingest.http.post("/v1/webhooks/sendgrid", content=body, headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2)
    events = [event for _, event in ingest.events() if user in event.id]
    assert [event.name for event in events] == ["Email Opened", "Email Link Clicked"]
    assert events[0].key.startswith("email:")
    (letter,) = [record for record in ingest.dead_letters() if user.encode() in record.value]
    assert letter.value == bad
    headers_kept = dict(letter.headers)
    assert headers_kept["http_path"] == b"/v1/webhooks/sendgrid"
    assert headers_kept["tasuki_reason"].startswith(b"invalid_time: ")


def test_what_is_not_signed_is_nowhere(ingest: Ingest, user: str) -> None:
    answer = ingest.http.post("/v1/webhooks/sendgrid", json=[{"email": f"{user}@example.jp", "event": "open"}])
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    answer = ingest.http.post("/v1/webhooks/hubspot", json=[{"objectId": user, "subscriptionType": "contact.creation"}])
    assert (answer.status_code, answer.json()["code"]) == (403, "no_signature_secret")
    assert not [event for _, event in ingest.events() if user in event.key or user in str(event.traits)]
    assert not [record for record in ingest.dead_letters() if user.encode() in record.value]


def test_a_form_of_a_page_becomes_a_person_and_what_it_did(ingest: Ingest, user: str) -> None:
    fields = {"email": f"{user}@example.co.jp", "name": "見本太郎", "event": "Inquiry Submitted", "message": "価格"}
    for _ in range(2):  # by a browser that sends it again
        answer = ingest.http.post("/v1/webhooks/form", data=fields, params={"writeKey": "key"}, auth=None)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    events = [event for _, event in ingest.events() if event.traits.get("email") == fields["email"]]
    assert {(event.kind, event.name) for event in events} == {(Kind.IDENTIFY, ""), (Kind.TRACK, "Inquiry Submitted")}
    assert (len(events), len({event.id for event in events}), len({event.key for event in events})) == (4, 2, 1)


def test_a_mapping_of_ones_own(ingest: Ingest, user: str) -> None:
    visit = {"number": 7, "kind": "webinar", "at": "2026/11/21 18:30", "person": {"mail": f"{user}@example.jp"}}
    answer = ingest.http.post("/v1/webhooks/mine", json={"visits": [visit]})
    assert answer.json() == {"success": True, "accepted": 1, "rejected": []}
    (event,) = [event for _, event in ingest.events() if event.traits.get("email") == visit["person"]["mail"]]  # type: ignore[index]
    assert (event.name, event.id, event.time.isoformat()) == (
        "Webinar Attended",
        "mine 7",
        "2026-11-21T09:30:00+00:00",
    )
