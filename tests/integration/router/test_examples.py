"""The examples that a sales tool's developer copies, run as they are."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.router_world import ROOT, Feeder, World
from tests.score_records import Story


class Example:
    """A running example and the lines that it has printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process, self.lines = process, list[str]()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(iter(self._process.stdout.readline, ""))

    async def until(self, count: int) -> list[str]:
        for _ in range(600):
            if len(self.lines) >= count:
                return [line.strip() for line in self.lines]
            assert self._process.poll() is None, "the example has ended"
            await asyncio.sleep(0.05)
        raise AssertionError(f"not {count} lines after 30 s: {self.lines}")


@contextmanager
def running(name: str, **variables: str) -> Iterator[Example]:
    command = [sys.executable, str(ROOT / "examples" / name)]
    with subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Example(process)
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def hot(lead: str) -> list[Any]:
    story = Story(lead)
    return [story.record("contact_obtained"), story.record("inquiry_made", total=60.0)]


async def test_the_subscriber_accepts_what_is_offered(world: World, feeder: Feeder) -> None:
    await feeder.events([b'{"position": 0}'])
    router = world.start()
    await router.ready()
    variables = {
        "TOPIC": world.topics.handoffs("inside-sales"),
        "TASUKI_KAFKA_BOOTSTRAP": world.bootstrap,
        "TASUKI_ROUTER_URL": router.url,
        "TASUKI_TOKEN": "writer-secret",
    }
    with running("subscriber.py", **variables) as example:
        await feeder.scores(hot("a") + hot("b"))
        lines = await example.until(2)
    assert sorted((line.split()[0], line.split()[-1]) for line in lines) == [("a", "200"), ("b", "200")]
    async with world.http(router) as http:
        taken = (await http.get("/v1/handoffs?status=accepted")).json()["handoffs"]
    assert sorted(handoff["lead_id"] for handoff in taken) == ["a", "b"]


async def test_the_webhook_receiver_takes_what_is_genuine(world: World, feeder: Feeder) -> None:
    await feeder.events([b'{"position": 0}'])
    router = world.start(TASUKI_ROUTER_WEBHOOKS_ALLOW_PRIVATE="true", TASUKI_ROUTER_WEBHOOKS_RETRY_SECONDS="0.5")
    await router.ready()
    port = free_port()
    async with world.http(router, "admin-secret") as http:
        made = await http.post("/v1/webhooks", json={"url": f"http://127.0.0.1:{port}/"})
    variables = {"PORT": str(port), "TASUKI_WEBHOOK_SECRET": made.json()["secret"]}
    with running("webhook_receiver.py", **variables) as example:
        await feeder.scores(hot("a"))
        lines = await example.until(3)
        assert lines == ["tasuki.stage.changed a 1", "tasuki.stage.changed a 2", "tasuki.handoff.offered a 3"]
        forged = {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            for headers in ({}, forged, forged | {"webhook-timestamp": "4000000000"}):
                assert (await http.post("/", content=b"{}", headers=headers)).status_code == 401
        assert len(example.lines) == 3
