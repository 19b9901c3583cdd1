"""A person is erased from a running installation: tables, states and compacted topics; late events do not bring them
back, neither before nor after restarts, and what they do later is a new lead's."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.cli.stack import Stack
from services.cli.stack.supervisor import service_command
from services.router.tables import metadata
from services.scorer.denied import DENIED_PREFIX
from shared.kafka import client_options
from shared.parts.ports import free_ports

LEAD, VISITOR, ADDRESS = "lead-taro", "anon:browser-taro", "taro.yamada@acme-works.example"
BOTH = {"userId": LEAD, "anonymousId": "browser-taro"}


def send(stack: Stack, *calls: dict[str, Any], ago: timedelta = timedelta(0)) -> None:
    now = datetime.now(UTC)
    batch = [
        {"messageId": f"m-{now.timestamp()}-{n}", "timestamp": str(now - ago), **one} for n, one in enumerate(calls)
    ]
    response = httpx.post(
        stack.access.urls["ingest"] + "/v1/batch", json={"batch": batch}, auth=(stack.access.write_key, ""), timeout=30
    )
    assert (response.status_code, response.json().get("rejected", [])) == (200, []), response.text


def ask(stack: Stack, path: str, method: str = "GET", url: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {stack.access.token}"}
    return httpx.request(method, (url or stack.access.urls["router"]) + path, headers=headers, timeout=60)


def eventually(holds: Callable[[], Any], seconds: float = 60) -> Any:
    """What it gives once that is true."""
    deadline, error = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        try:
            if found := holds():
                return found
        except (httpx.TransportError, AssertionError) as failed:
            error = str(failed)  # a service that is being restarted
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {holds.__code__.co_name} {error}")


def lead_of(stack: Stack, id: str, url: str | None = None) -> dict[str, Any] | None:
    found = ask(stack, f"/v1/leads/{id}", url=url)
    assert found.status_code in {200, 404}, found.text
    return found.json() if found.status_code == 200 else None


async def read(stack: Stack, topic: str) -> list[Any]:
    """Everything committed in a topic, each partition in order."""
    async with AIOKafkaConsumer(**client_options(stack.settings), isolation_level="read_committed") as consumer:
        parts = [TopicPartition(topic, number) for number in range(1 if topic.endswith("dead-letters") else 2)]
        ends = await consumer.end_offsets(parts)
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        records: list[Any] = []
        while [part for part in parts if await consumer.position(part) < ends[part]]:
            for some in (await consumer.getmany(timeout_ms=100)).values():
                records += some
        return records


def compacted(stack: Stack, topic: str) -> dict[bytes, bytes | None]:
    """What compaction leaves of a topic, tombstones included."""
    return {record.key: record.value for record in asyncio.run(read(stack, topic))}


def holding(stack: Stack, *texts: str) -> list[str]:
    """Tables with one of these texts in any column, bytes as well."""
    return asyncio.run(_holding(stack.database_url.replace("+asyncpg", ""), texts))


async def _holding(url: str, texts: Sequence[str]) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = {name: await connection.fetch(f"SELECT * FROM {name}") for name in metadata.tables}
    finally:
        await connection.close()
    shown = {
        name: " ".join(
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
            for row in found
            for value in row
        )
        for name, found in rows.items()
    }
    return [name for name, content in shown.items() if any(text in content for text in texts)]


@contextmanager
def second_router(stack: Stack) -> Iterator[str]:
    (port,) = free_ports(1)
    environment = {
        **os.environ,
        "TASUKI_ROUTER_PORT": str(port),
        "TASUKI_API_TOKENS": f"{stack.access.token}=second:read+write",
    }
    log = (stack.logs / "second.log").open("wb")
    process = subprocess.Popen(
        service_command("router"), env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log
    )
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: httpx.get(url + "/readyz", timeout=5).is_success)
        yield url
    finally:
        process.terminate()
        process.communicate()
        log.close()


def acquire(stack: Stack) -> None:
    """A visitor becomes known and asks for a call."""
    send(
        stack,
        {"type": "page", "anonymousId": "browser-taro", "properties": {"path": "/pricing"}},
        ago=timedelta(hours=2),
    )
    traits = {"email": ADDRESS, "name": "山田太郎", "phone": "03-1234-5678", "company": {"name": "山田製作所"}}
    send(stack, {"type": "identify", **BOTH, "traits": traits}, ago=timedelta(hours=1))
    send(stack, {"type": "track", "event": "Inquiry Submitted", **BOTH})
    eventually(lambda: (lead := lead_of(stack, LEAD)) and lead["handoff"] and VISITOR in lead["members"])
    eventually(lambda: lead_of(stack, VISITOR))
    assert len(holding(stack, LEAD, "太郎")) > 4, "otherwise it is no wonder that nothing is found afterwards"


def late(stack: Stack) -> None:
    """Under each id, of before the erasure."""
    old = timedelta(days=1)
    send(stack, {"type": "page", "anonymousId": "browser-taro", "properties": {"path": "/pricing"}}, ago=old)
    send(stack, {"type": "identify", **BOTH, "traits": {"email": ADDRESS, "name": "山田太郎"}}, ago=old)
    send(stack, {"type": "identify", "traits": {"email": ADDRESS}, "anonymousId": "browser-taro"}, ago=old)


def all_applied(stack: Stack) -> bool:
    """Scorers and routers have read all there is."""

    def value(service: str, name: str) -> float:
        text = httpx.get(f"{stack.access.urls[service]}/metrics", timeout=10).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + "{"))

    return value("scorer", "tasuki_scorer_consumer_lag_messages") == 0 == value("router", "tasuki_router_lag_messages")


def assert_nobody(stack: Stack) -> None:
    time.sleep(1.5)  # until what has been sent is lag, and lag has been looked at
    eventually(lambda: all_applied(stack))
    assert lead_of(stack, LEAD) is None
    assert lead_of(stack, VISITOR) is None
    assert lead_of(stack, ADDRESS) is None
    assert holding(stack, LEAD, VISITOR, ADDRESS, "太郎", "山田", "03-1234") == []
    for topic in (stack.settings.topics.scores, stack.settings.topics.scorer_state):
        left = compacted(stack, topic)
        assert left[LEAD.encode()] is None, topic
        assert left[VISITOR.encode()] is None, topic
        assert not any(value and (b"taro" in value) for value in left.values()), topic
        assert not any(value and key.startswith(b"email:") for key, value in left.items()), topic
    assert asyncio.run(read(stack, stack.settings.topics.dead_letters)) == []


def restart(stack: Stack, name: str) -> None:
    (service,) = [one for one in stack.services if one.name == name]
    pid = service.pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: service.pid not in {None, pid})
    eventually(lambda: httpx.get(f"{stack.access.urls[name]}/readyz", timeout=5).is_success)


def test_a_person_is_erased_everywhere_and_does_not_come_back(stack: Stack) -> None:
    acquire(stack)
    with second_router(stack) as second:
        erased = ask(stack, f"/v1/leads/{ADDRESS}", "DELETE")
        assert erased.status_code == 200, erased.text
        assert (erased.json()["ids"], erased.json()["removed"]["leads"]) == (3, 2)
        assert lead_of(stack, LEAD, second) is None
        assert ask(stack, f"/v1/leads/{LEAD}", "DELETE").json() == erased.json() | {"again": True}
        assert ask(stack, "/v1/leads/nobody", "DELETE").json()["code"] == "not_found"
        assert ask(stack, f"/v1/leads/{LEAD}", "DELETE", second).status_code == 403, "its token has no such scope"
        topic = stack.settings.topics.handoffs("inside-sales")
        withdrawn = eventually(
            lambda: [
                r for r in asyncio.run(read(stack, topic)) if ("ce_type", b"tasuki.handoff.withdrawn") in r.headers
            ]
        )
        assert not any(text.encode() in withdrawn[0].value for text in (ADDRESS, "太郎", "山田", "03-1234"))
        eventually(lambda: compacted(stack, stack.settings.topics.scorer_state)[LEAD.encode()] is None)
        late(stack)
        assert_nobody(stack)
    denied = [key for key in compacted(stack, stack.settings.topics.scorer_state) if key.startswith(DENIED_PREFIX)]
    assert len(denied) == 3

    for name in ("scorer", "router"):
        restart(stack, name)
    late(stack)
    assert_nobody(stack)

    send(
        stack,
        {"type": "page", "anonymousId": "browser-taro"},
        {"type": "identify", **BOTH, "traits": {"email": ADDRESS}},
    )
    new = eventually(lambda: (lead := lead_of(stack, LEAD)) and VISITOR in lead["members"] and lead)
    assert new["contact"]["name"] is None, "of before"
    assert "inquiry_made" not in new["signals"]
    assert new["handoff"] is None
    again = ask(stack, f"/v1/leads/{LEAD}", "DELETE").json()
    assert (again["again"], again["ids"]) == (False, 3), "the new lead is one that can be erased"
