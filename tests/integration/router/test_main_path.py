"""From a score record to a hand-off that a department reads and accepts."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from services.router.messages import HandOffMessage, StageMessage
from shared.events import Event, Kind
from tests.router_world import Feeder, World
from tests.score_records import Story


def identify(key: str, **traits: object) -> Event:
    now = datetime.now(UTC)
    return Event(kind=Kind.IDENTIFY, id=f"i-{key}", source="web", key=key, time=now, received_at=now, traits=traits)


async def test_an_inquiry_becomes_a_handoff_with_the_contact(world: World, feeder: Feeder) -> None:
    (offset,) = await feeder.events(
        [identify("u-1", name="山田 太郎", email="taro@acme.example", phone="03-0000-0000")]
    )
    story = Story("u-1", attributes={"company.industry": "製造", "prefecture": "東京都"})
    await feeder.scores(
        [
            story.record("contact_obtained", offset=offset, channel="webinar", medium="search"),
            story.record("inquiry_made", total=60.0, offset=offset, received_at=datetime.now(UTC)),
        ]
    )
    router = world.start()
    await router.ready()
    sent = await world.messages(lambda found: len(found) >= 3)

    stages = [msgspec.json.decode(m.value, type=StageMessage) for m in sent if m.topic == world.topics.stages]
    assert [(s.source.id, s.target.id) for s in stages] == [("awareness", "acquired"), ("acquired", "hot")]
    (offer,) = [m for m in sent if m.topic == world.topics.handoffs("inside-sales")]
    assert offer.type == "tasuki.handoff.offered"
    assert offer.headers["ce_subject"] == b"u-1"
    handoff = msgspec.json.decode(offer.value, type=HandOffMessage)
    assert (handoff.giver.department, handoff.receiver.department) == ("marketing", "inside-sales")
    assert (handoff.contact.name, handoff.contact.phone) == ("山田 太郎", "03-0000-0000")
    assert handoff.reason.met[0].name == "inquiry_made"
    assert [s.seq for s in stages] + [handoff.seq] == [1, 2, 3]

    async with world.http(router) as http:
        accepted = await http.post(f"/v1/handoffs/{handoff.handoff_id}/accept", json={"person": "佐藤"})
        assert accepted.status_code == 200, accepted.text
        assert accepted.json()["status"] == "accepted"
        again = await http.post(f"/v1/handoffs/{handoff.handoff_id}/accept")
        assert again.status_code == 409
        assert "佐藤" in again.json()["message"]
        lead = (await http.get("/v1/leads/taro@acme.example")).json()
        assert lead["owner"] == {"department": "inside-sales", "team": "hq-inside-sales", "person": "佐藤"}
        assert (lead["channel"], lead["medium"]) == ("webinar", "search")
        assert [m["kind"] for m in (await http.get("/v1/leads/u-1/timeline")).json()["moments"]] == [
            "stage", "stage", "handoff", "handoff",
        ]  # fmt: skip
    sent = await world.messages(lambda found: len(found) >= 5)
    outcomes = [m for m in sent if m.type == "tasuki.handoff.accepted"]
    assert {m.topic for m in outcomes} == {world.topics.handoffs("inside-sales"), world.topics.handoffs("marketing")}
    assert len({m.id for m in outcomes}) == 1
    assert router.end() in (0, -15)
