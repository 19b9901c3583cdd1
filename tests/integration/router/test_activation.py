"""Activating a playbook while scorers and routers run: everywhere at the same place of the log, and taken back."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from shared.events import Event, Kind, encode_event
from shared.playbook.loader import parse_playbook
from tests.router_world import ROOT, Message, World

SCORER = [sys.executable, "-c", "from services.scorer.bootstrap import serve; serve()"]
LEADS = [f"u-{n}" for n in range(8)]
YAML = {"Content-Type": "application/yaml"}


def default() -> str:
    return resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")


def with_points(points: int) -> str:
    """The default playbook, in which the pricing page is worth so much a time."""
    text = default()
    before = "points: 10, cap_per_day: 20}"
    assert text.count(before) == 1
    return text.replace(before, f"points: {points}, cap_per_day: {points}}}")


ID = parse_playbook(with_points(150), "x").id


class Scorers:
    """Two workers of one group."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.processes = [self._start() for _ in range(2)]

    def _start(self) -> subprocess.Popen[bytes]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        return subprocess.Popen(SCORER, cwd=ROOT, env=self._world.environment(TASUKI_SCORER_PORT=str(port)))

    def restart(self) -> None:
        self.end()
        self.processes = [self._start()]

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def scorers(world: World) -> Iterator[Scorers]:
    found = Scorers(world)
    yield found
    found.end()


def event(lead: str, kind: Kind, **more: Any) -> Event:
    now = datetime.now(UTC)
    return Event(
        kind=kind, id=f"{lead}-{kind}-{now.timestamp()}", source="web", key=lead, time=now, received_at=now, **more
    )


async def until(http: httpx.AsyncClient, stage: str, playbook: str, leads: list[str]) -> None:
    """All of them are at that stage, by that playbook."""
    async with asyncio.timeout(90):
        for lead in leads:
            while True:
                found = await http.get(f"/v1/leads/{lead}")
                if found.status_code == 200:
                    body = found.json()
                    if (body["stage"]["id"], body["playbook"]) == (stage, playbook):
                        break
                await asyncio.sleep(0.1)


async def playbooks_of_offers(world: World, enough: int) -> set[str]:
    """Named by the first offers that are told."""
    sent = await world.messages(lambda found: len(offers(found)) >= enough)
    return {json.loads(message.value)["playbook"] for message in offers(sent)}


def offers(sent: list[Message]) -> list[Message]:
    return [message for message in sent if message.type == "tasuki.handoff.offered"]


async def test_all_workers_follow_without_restart_and_go_back(  # noqa: PLR0915 - a story
    world: World, scorers: Scorers
) -> None:
    routers = [world.start(), world.start()]
    for router in routers:
        await router.ready()
    producer = AIOKafkaProducer(**world.options, enable_idempotence=True)
    await producer.start()

    async def happens(*events: Event) -> None:
        for one in events:
            await producer.send_and_wait(world.topics.events, encode_event(one), key=one.key.encode())

    async with world.http(routers[0], "admin-secret") as http, world.http(routers[1], "reader-secret") as reader:
        try:
            own = (await http.get("/v1/playbooks")).json()["own"]
            for lead in LEADS:
                await happens(
                    event(lead, Kind.IDENTIFY, traits={"email": f"{lead}@{lead}.example"}),
                    event(lead, Kind.PAGE, properties={"path": "/pricing"}),
                )
            await until(http, "nurturing", own, LEADS)

            refused = await http.post("/v1/playbooks", content="playbook: the-model\nversion: [", headers=YAML)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_playbook")
            without = default().replace("id: nurturing", "id: warming")
            stranded = await http.post("/v1/playbooks", content=without, headers=YAML)
            assert (stranded.status_code, stranded.json()["code"]) == (409, "stranded")
            assert "nurturing (8)" in stranded.json()["message"]
            forbidden = await reader.post("/v1/playbooks", content=with_points(150), headers=YAML)
            assert forbidden.status_code == 403

            done = await http.post("/v1/playbooks", content=with_points(150), headers=YAML)
            assert done.status_code == 200, done.text
            assert (done.json()["number"], done.json()["playbook"]) == (1, ID)
            await until(reader, "hot", ID, LEADS)  # none of them has done anything
            again = await http.post("/v1/playbooks", content=with_points(150), headers=YAML)
            assert (again.json()["number"], again.json()["notes"]) == (1, ["it holds already, and is told again"])
            offered = (await http.get("/v1/handoffs?status=offered")).json()["handoffs"]
            assert {one["lead_id"] for one in offered} == set(LEADS)
            sent = await world.messages(
                lambda found: len([m for m in found if m.type == "tasuki.handoff.offered"]) >= 8
            )
            told = [json.loads(m.value) for m in sent if m.type == "tasuki.handoff.offered"]
            assert {message["playbook"] for message in told} == {ID}

            scorers.restart()  # one worker, which was started with another playbook, has all partitions
            await happens(event("u-9", Kind.IDENTIFY, traits={"email": "new@new.example"}))
            await happens(event("u-9", Kind.PAGE, properties={"path": "/pricing"}))
            await until(http, "hot", ID, ["u-9"])
            assert (await reader.get("/v1/playbooks")).json()["current"] == ID

            first = await http.post("/v1/playbooks", content=default(), headers=YAML)
            assert first.json()["number"] == 2
            await until(reader, "nurturing", own, LEADS)
            back = await http.post("/v1/playbooks/1/activate")
            assert (back.json()["number"], back.json()["playbook"]) == (3, ID)
            await until(reader, "hot", ID, LEADS)
            numbers = [one["number"] for one in (await reader.get("/v1/playbooks")).json()["activations"]]
            assert numbers == [3, 2, 1]
            assert (await reader.get("/v1/playbooks/1")).json() == with_points(150)
        finally:
            await producer.stop()
    router = world.start()
    for one in routers:
        assert one.end() in (0, -15)
    await router.ready()
    async with world.http(router) as http:
        found = (await http.get("/v1/playbooks")).json()
    assert (found["current"], found["own"]) == (ID, own)
