"""The SDKs for Node.js."""

from __future__ import annotations

import pytest

from shared.events import Kind
from tests.integration.clients.conftest import WRITE_KEY, Node, address, events_of
from tests.integration.ingest.conftest import Ingest

EVERY_CALL = [Kind.IDENTIFY, Kind.TRACK, Kind.PAGE, Kind.SCREEN, Kind.GROUP, Kind.ALIAS]


@pytest.mark.parametrize("script", ["segment.mjs", "rudder.mjs"])
def test_every_call_arrives_as_it_was_made(ingest: Ingest, node: Node, user: str, script: str) -> None:
    node(script, address(ingest), WRITE_KEY, user)
    events = events_of(ingest, user)
    assert sorted(event.kind for event in events) == sorted(EVERY_CALL)
    by_kind = {event.kind: event for event in events}
    assert by_kind[Kind.IDENTIFY].traits == {"email": f"{user}@example.co.jp", "company": {"name": "株式会社アクメ"}}
    track = by_kind[Kind.TRACK]
    assert (track.name, track.properties) == ("資料請求", {"catalogue": "総合カタログ", "count": 3})
    assert by_kind[Kind.PAGE].name == "料金"
    assert by_kind[Kind.PAGE].properties["url"] == "https://www.example.co.jp/price"
    assert (by_kind[Kind.GROUP].group_id, by_kind[Kind.GROUP].traits["employees"]) == ("acme", 120)
    assert by_kind[Kind.ALIAS].previous_id == f"{user}-before"
    assert {event.source for event in events} == {"clients"}
    assert len({event.id for event in events}) == len(events)


def test_cloudevents_in_their_three_modes(ingest: Ingest, node: Node, user: str) -> None:
    node("cloudevents.mjs", address(ingest), WRITE_KEY, user)
    events = events_of(ingest, user)
    assert [event.id for event in events] == ["/shop binary", "/shop structured", "/shop batched-1", "/shop batched-2"]
    for event in events:
        assert (event.name, event.properties) == ("Catalogue Requested", {"catalogue": "総合カタログ", "count": 3})
