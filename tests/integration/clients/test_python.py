"""The SDKs for Python."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import rudderstack.analytics.client
import segment.analytics.client
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from shared.events import Kind
from tests.integration.clients.conftest import WRITE_KEY, address, events_of
from tests.integration.clients.test_node import EVERY_CALL
from tests.integration.ingest.conftest import Ingest


@pytest.mark.parametrize("gzip", [True, False], ids=["gzip", "plain"])
@pytest.mark.parametrize("sdk", [segment.analytics.client, rudderstack.analytics.client], ids=["segment", "rudder"])
def test_every_call_arrives_as_it_was_made(ingest: Ingest, user: str, sdk: Any, gzip: bool) -> None:
    failed: list[Any] = []
    client = sdk.Client(
        WRITE_KEY, host=address(ingest), gzip=gzip, on_error=lambda error, _: failed.append(error), max_retries=1
    )
    client.identify(user, {"email": f"{user}@example.co.jp", "company": {"name": "株式会社アクメ"}})
    client.track(user, "資料請求", {"catalogue": "総合カタログ", "count": 3})
    client.page(user, "料金", "製品", {"url": "https://www.example.co.jp/price"})
    client.screen(user, "アプリ", "ホーム")
    client.group(user, "acme", {"name": "株式会社アクメ", "employees": 120})
    client.alias(f"{user}-before", user)
    client.shutdown()
    assert failed == []
    events = events_of(ingest, user)
    assert [event.kind for event in events] == EVERY_CALL
    assert events[0].traits == {"email": f"{user}@example.co.jp", "company": {"name": "株式会社アクメ"}}
    assert (events[1].name, events[1].properties) == ("資料請求", {"catalogue": "総合カタログ", "count": 3})
    assert events[2].properties["url"] == "https://www.example.co.jp/price"
    assert events[5].previous_id == f"{user}-before"
    assert {event.source for event in events} == {"clients"}


def test_cloudevents_in_their_three_modes(ingest: Ingest, user: str) -> None:
    def event(number: str) -> CloudEvent:
        attributes = {"id": number, "source": "/shop", "type": "資料請求", "userid": user}
        return CloudEvent(attributes, {"catalogue": "総合カタログ", "count": 3})

    structured = [to_structured_event(event(f"batched-{number}")).body.decode() for number in (1, 2)]
    messages = [to_binary_event(event("binary")), to_structured_event(event("structured"))]
    sent = [(message.body, dict(message.headers)) for message in messages]
    sent.append((f"[{','.join(structured)}]".encode(), {"content-type": "application/cloudevents-batch+json"}))
    for body, headers in sent:
        answer = httpx.post(
            f"{address(ingest)}/v1/events", params={"writeKey": WRITE_KEY}, content=body, headers=headers
        )
        assert answer.status_code == 200, answer.text
    events = events_of(ingest, user)
    assert [one.id for one in events] == ["/shop binary", "/shop structured", "/shop batched-1", "/shop batched-2"]
    for one in events:
        assert (one.kind, one.name, one.properties["count"]) == (Kind.TRACK, "資料請求", 3)
