"""What the SDKs do when they are told to come again: they do, and nothing is lost."""

from __future__ import annotations

import time
from typing import Any

import pytest
import rudderstack.analytics.client
import segment.analytics.client

from shared.events import Event
from tests.integration.clients.conftest import LIMITED_KEY, Limit, Node, address, events_of
from tests.integration.clients.test_node import EVERY_CALL
from tests.integration.ingest.conftest import Ingest


def wait_for_every_call(ingest: Ingest, user: str) -> list[Event]:
    until = time.monotonic() + 30
    while len(events := events_of(ingest, user)) < len(EVERY_CALL) and time.monotonic() < until:
        time.sleep(0.3)
    return events


@pytest.mark.parametrize("script", ["segment.mjs", "rudder.mjs"])
def test_node(ingest: Ingest, node: Node, user: str, limit: Limit, script: str) -> None:
    with limit.exceeded():
        node(script, address(ingest), LIMITED_KEY, user)
        events = wait_for_every_call(ingest, user)
    assert sorted(event.kind for event in events) == sorted(EVERY_CALL)


@pytest.mark.parametrize("sdk", [segment.analytics.client, rudderstack.analytics.client], ids=["segment", "rudder"])
def test_python(ingest: Ingest, user: str, limit: Limit, sdk: Any) -> None:
    failed: list[Any] = []
    with limit.exceeded():
        client = sdk.Client(LIMITED_KEY, host=address(ingest), on_error=lambda error, _: failed.append(error))
        for number in range(3):
            client.track(user, "Later", {"number": number})
        client.shutdown()
    assert failed == []
    assert [event.properties["number"] for event in events_of(ingest, user)] == [0, 1, 2]
