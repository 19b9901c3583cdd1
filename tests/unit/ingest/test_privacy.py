"""What a request says of privacy gets into its events, and what is kept of an address."""

from __future__ import annotations

from typing import Any

import pytest

from services.ingest.privacy import truncated
from shared.events import Event, decode_event
from shared.keys import write_keys_from
from tests.ingest_app import ScriptedPublisher, client_of

REFUSED = {"consent": {"categoryPreferences": {"Analytics": False}}}
TRACK = {"event": "x", "userId": "u"}


async def stored(headers: dict[str, str], context: dict[str, Any], **more: Any) -> Event:
    publisher = ScriptedPublisher()
    client = client_of(publisher, write_keys_from("key=website"), **more)
    answer = await client.post("/v1/track", json=TRACK | {"context": context}, auth=("key", ""), headers=headers)
    assert answer.status_code == 200
    return decode_event(publisher.records[0].value)


@pytest.mark.parametrize(
    ("headers", "context", "kept"),
    [
        ({}, {}, {}),
        ({"Sec-GPC": "1"}, {}, {"globalPrivacyControl": True}),
        ({"DNT": "1"}, {"locale": "ja"}, {"doNotTrack": True, "locale": "ja"}),
        ({"DNT": "0", "Sec-GPC": "0"}, {}, {}),
        ({"DNT": "1"}, {"doNotTrack": False}, {"doNotTrack": False}),
        ({}, REFUSED, REFUSED),
    ],
)
async def test_wishes_are_kept_with_the_event(headers: dict[str, str], context: Any, kept: Any) -> None:
    assert (await stored(headers, context)).context == kept


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.77", "203.0.113.0"),
        (" 2001:db8:1:2:3::4 ", "2001:db8:1::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("somewhere", None),
        (5, None),
        (None, None),
    ],
)
async def test_of_an_address_the_network_is_kept(ip: Any, network: str | None) -> None:
    assert truncated(ip) == network
    assert (await stored({}, {"ip": ip}, truncates_ip=True)).context == {"ip": network}
    assert (await stored({}, {"ip": ip})).context == {"ip": ip}
