"""A visit of a lead that somebody works reaches its owner within a second, through scorer and router (domain B5)."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.events import Event, Kind, encode_event
from tests.router_world import ROOT, World

SCORER = [sys.executable, "-c", "from services.scorer.bootstrap import serve; serve()"]
LEADS = ["u-1", "u-2", "u-3"]


@pytest.fixture
def scorer(world: World) -> Iterator[None]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(SCORER, cwd=ROOT, env=world.environment(TASUKI_SCORER_PORT=str(port)))
    yield
    process.kill()
    process.wait()


def event(lead: str, kind: Kind, name: str = "", **more: Any) -> Event:
    now = datetime.now(UTC)
    id = f"{lead}-{kind}-{now.timestamp()}"
    return Event(kind=kind, id=id, source="web", key=lead, time=now, received_at=now, name=name, **more)


async def test_the_owner_is_told_within_a_second_and_the_others_are_not(world: World, scorer: None) -> None:
    router = world.start()
    await router.ready()
    topic = world.topics.alerts
    reader = AIOKafkaConsumer(**world.options, isolation_level="read_committed", auto_offset_reset="earliest")
    producer = AIOKafkaProducer(**world.options, enable_idempotence=True)
    await reader.start()
    await producer.start()

    async def happens(*events: Event) -> None:
        for one in events:
            await producer.send_and_wait(world.topics.events, encode_event(one), key=one.key.encode())

    try:
        reader.assign([TopicPartition(topic, number) for number in range(world.partitions)])
        for lead in [*LEADS, "idle"]:
            await happens(event(lead, Kind.IDENTIFY, traits={"email": f"{lead}@acme.example"}))
        for lead in LEADS:
            await happens(event(lead, Kind.TRACK, "Inquiry Submitted"))
        async with world.http(router) as http, asyncio.timeout(60):
            while len(offered := (await http.get("/v1/handoffs?status=offered")).json()["handoffs"]) < len(LEADS):  # noqa: ASYNC110 - other processes work
                await asyncio.sleep(0.1)
            for handoff in offered:
                await http.post(f"/v1/handoffs/{handoff['handoff_id']}/accept", json={"person": "ito"})
        took = []
        for lead in LEADS:
            began = time.monotonic()
            await happens(event("idle", Kind.PAGE), event(lead, Kind.PAGE, properties={"path": "/pricing"}))
            async with asyncio.timeout(20):
                record = await reader.getone()
            took.append(time.monotonic() - began)
            alert = json.loads(record.value or b"")
            assert (alert["lead_id"], alert["kind"], alert["person"]) == (lead, "visit", "ito")
            assert dict(record.headers)["ce_type"] == b"tasuki.alert.visit"
    finally:
        await producer.stop()
        await reader.stop()
    assert statistics.median(took) < 1.0, took
