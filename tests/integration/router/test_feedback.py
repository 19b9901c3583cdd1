"""Feedback from outside: over HTTP and from the topic, with a restart in between."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy import make_url

from shared.events import Event, decode_event
from shared.parts import Parts
from shared.parts.readiness import sql
from tests.router_world import Feeder, Message, RouterProcess, World
from tests.score_records import Story


async def write(world: World, reports: list[tuple[str, dict[str, Any] | bytes]]) -> None:
    """As a sales tool does: to the topic `feedback`, by lead id."""
    producer = AIOKafkaProducer(**world.options, enable_idempotence=True)
    await producer.start()
    try:
        for key, report in reports:
            value = report if isinstance(report, bytes) else json.dumps(report).encode()
            await producer.send_and_wait(world.topics.feedback, value, key=key.encode())
    finally:
        await producer.stop()


def told(found: list[Message], type: str) -> list[Message]:
    """Messages of a type, each once: a router that is killed when it has sent one may send it again."""
    of_type = (message for message in found if message.headers.get("ce_type") == type.encode())
    return list({message.id: message for message in of_type}.values())


async def test_reports_over_http_and_the_topic_with_a_restart_in_between(world: World, feeder: Feeder) -> None:  # noqa: PLR0915 - one installation serves many questions
    (offset,) = await feeder.events([b"no event"])
    story = Story("u-1")
    await feeder.scores(
        [story.record("contact_obtained", offset=offset), story.record("appointment_made", offset=offset)]
    )
    router = world.start()
    await router.ready()
    offer = told(
        await world.messages(lambda found: bool(told(found, "tasuki.handoff.offered"))), "tasuki.handoff.offered"
    )[0]
    handoff_id = json.loads(offer.value)["handoff_id"]
    async with world.http(router) as http:
        assert (await http.post(f"/v1/handoffs/{handoff_id}/accept", json={"person": "sato"})).status_code == 200
        visit = {"type": "visit", "result": "好感触", "by": "sato", "handoff_id": handoff_id}
        first = await http.post("/v1/leads/u-1/feedback", json=visit, headers={"Idempotency-Key": "v1"})
        assert first.status_code == 200, first.text
        assert first.json()["by"] == "sato"
        again = await http.post("/v1/leads/u-1/feedback", json={**visit, "report_id": "v1"})
        assert (again.status_code, again.json()) == (200, first.json())
        for id, body, status, code in (
            ("u-1", {"type": "visit"}, 422, "invalid_report"),
            ("u-1", {"type": "visits"}, 422, "invalid_report"),
            ("u-1", {**visit, "handoff_id": "nowhere"}, 404, "unknown_handoff"),
            ("u-1", {**visit, "result": "x", "report_id": "v1"}, 409, "report_id_taken"),
            ("u-2", visit, 404, "unknown_lead"),
            ("u-1", {"type": "note", "text": "x" * 70_000}, 413, "too_large"),
        ):
            refused = await http.post(f"/v1/leads/{id}/feedback", json=body)
            assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
        differ = await http.post(
            "/v1/leads/u-1/feedback", json={**visit, "report_id": "a"}, headers={"Idempotency-Key": "b"}
        )
        assert differ.status_code == 422
        made = [
            (await http.post("/v1/leads/u-1/feedback", json={"type": "note", "text": "x"})).json() for _ in range(2)
        ]
        assert made[0]["report_id"] != made[1]["report_id"]
    async with world.http(router, "reader-secret") as http:
        assert (await http.post("/v1/leads/u-1/feedback", json=visit)).status_code == 403

    deal = {"type": "deal", "report_id": "d1", "deal_id": "D-1", "amount": 5, "expected_date": "2027-01-31"}
    await write(world, [("u-1", {**visit, "report_id": "v1"}), ("u-1", deal), ("u-9", deal | {"report_id": "d9"})])
    await _taken(world, router, 5)
    router.kill()
    await write(
        world, [("u-1", deal), ("u-1", b"nonsense"), ("u-1", {"type": "won", "report_id": "w1", "deal_id": "D-1"})]
    )
    router = world.start()
    await router.ready()

    sent = await world.messages(
        lambda found: (
            len(told(found, "tasuki.handoff.reported")) >= 2 and world.topics.dead_letters in {m.topic for m in found}
        )
    )
    results = told(sent, "tasuki.handoff.reported")
    assert [(m.id, json.loads(m.value)["report"]["type"]) for m in results] == [
        ("reported:v1", "visit"),
        ("reported:w1", "won"),
    ]
    assert {m.topic for m in results} == {world.topics.handoffs("marketing")}
    (letter,) = [m for m in sent if m.topic == world.topics.dead_letters]
    assert (letter.key, letter.value) == (b"u-1", b"nonsense")
    async with world.http(router) as http:
        lead = (await http.get("/v1/leads/u-1")).json()
        assert [(one["deal_id"], one["status"], one["expected_date"]) for one in lead["deals"]] == [
            ("D-1", "won", "2027-01-31")
        ]
        assert len(lead["reports"]) == 5
        moments = (await http.get("/v1/leads/u-1/timeline")).json()["moments"]
        assert [m["report"]["type"] for m in moments if m["kind"] == "report"] == [
            "visit",
            "note",
            "note",
            "deal",
            "won",
        ]
        assert [m["seq"] for m in moments] == sorted(m["seq"] for m in moments)
        openapi = (await http.get("/openapi.json")).json()
    call = openapi["paths"]["/v1/leads/{id}/feedback"]["post"]
    kinds = call["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert {"call", "deal", "note"} <= {kind["properties"]["type"]["enum"][0] for kind in kinds}
    assert all("description" in field for kind in kinds for name, field in kind["properties"].items() if name != "type")
    assert {"401", "403", "404", "409", "413", "422", "503"} <= set(call["responses"])
    assert [(e.name, e.key) for e in await _log(world, 6)] == [
        ("Visit Made", "u-1"), ("Note Written", "u-1"), ("Note Written", "u-1"), ("Deal Registered", "u-1"),
        ("Deal Won", "u-1"), ("Deal Registered", "u-9"),
    ]  # fmt: skip
    assert router.end() in (0, -15)


async def _taken(world: World, router: RouterProcess, reports: int) -> None:
    """Wait until so many reports have been read from HTTP and topic."""
    async with world.http(router, None) as http, asyncio.timeout(20):
        while True:
            lines = (await http.get("/metrics")).text.splitlines()
            counts = [
                float(line.rpartition(" ")[2]) for line in lines if line.startswith("tasuki_router_reports_total{")
            ]
            if sum(counts) >= reports:
                return
            await asyncio.sleep(0.05)


async def _log(world: World, enough: int) -> list[Event]:
    """Events that the router has written, each once, as soon as there are `enough`; those of one lead in order."""
    reader = AIOKafkaConsumer(**world.options, isolation_level="read_committed", auto_offset_reset="earliest")
    await reader.start()
    try:
        reader.assign([TopicPartition(world.topics.events, number) for number in range(world.partitions)])
        found: dict[str, Event] = {}
        async with asyncio.timeout(30):
            while len(found) < enough:
                for records in (await reader.getmany(timeout_ms=100)).values():
                    for event in (decode_event(record.value) for record in records if record.key != b"?"):
                        found.setdefault(event.id, event)
        return sorted(found.values(), key=lambda event: event.key)
    finally:
        await reader.stop()


async def test_reports_that_come_while_postgres_is_away_are_taken_afterwards_once(world: World, parts: Parts) -> None:
    router = world.start()
    await router.ready()
    note = {"type": "note", "text": "x"}
    await write(world, [("u-1", {**note, "report_id": "before"})])
    await _taken(world, router, 1)
    name = make_url(world.database_url).database
    shut = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'
    await asyncio.to_thread(sql, parts.database_url, shut)
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    for _ in range(20):
        # More than once: a connection that is just being made is no database's yet, and is let in all the same.
        await asyncio.to_thread(sql, parts.database_url, cut)
        await asyncio.sleep(0.05)
    await write(world, [("u-1", {**note, "report_id": "meanwhile"})] * 2)
    async with world.http(router, None) as http, asyncio.timeout(30):
        while "feedback: Postgres is away" not in (await http.get("/readyz")).text:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    await asyncio.to_thread(sql, parts.database_url, shut.replace("false", "true"))
    await router.ready()
    await _taken(world, router, 2)
    assert [(event.id, event.key) for event in await _log(world, 2)] == [
        ("report:before", "u-1"),
        ("report:meanwhile", "u-1"),
    ]
