"""GET /v1/stream: what happens as it happens, and without a gap for whoever comes back."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from services.router.stream.places import read_places
from tests.router_world import Feeder, RouterProcess, World
from tests.score_records import Story


@dataclass
class Seen:
    """A server-sent event. `type` is empty for one that only tells how far the stream is."""

    id: str
    type: str
    data: dict[str, Any]


async def events(router: RouterProcess, after: str = "", **query: Any) -> AsyncIterator[Seen]:
    """Until closed, or the stream ends."""
    headers = {"Authorization": "Bearer reader-secret"} | ({"Last-Event-ID": after} if after else {})
    async with (
        httpx.AsyncClient(base_url=router.url, headers=headers, timeout=30) as http,
        http.stream("GET", "/v1/stream", params=query) as answer,
    ):
        if answer.status_code != 200:
            await answer.aread()
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif not line and fields:
                yield Seen(fields.get("id", ""), fields.get("event", ""), json.loads(fields.get("data", "{}")))
                fields = {}


async def some(seen: AsyncIterator[Seen], count: int) -> list[Seen]:
    """The next events with data."""
    got: list[Seen] = []
    async with asyncio.timeout(20):
        while len(got) < count:
            one = await anext(seen)
            got += [one] if one.type else []
    return got


def told(seen: list[Seen]) -> list[tuple[str, int]]:
    return sorted((one.data["subject"], one.data["data"]["seq"]) for one in seen)


async def until_clients(http: httpx.AsyncClient, count: int) -> None:
    """A client that has gone is noticed within a second."""
    for _ in range(50):
        if f"tasuki_router_stream_clients {count:.1f}" in (await http.get("/metrics")).text:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"not {count} clients after 5 s")


def hot(lead: str) -> list[Any]:
    """Three messages: acquired, hot, offered to inside sales."""
    story = Story(lead)
    return [story.record("contact_obtained"), story.record("inquiry_made", total=60.0)]


async def test_a_stream_tells_what_happens_and_goes_on_where_it_was_left(world: World, feeder: Feeder) -> None:
    await feeder.events([b'{"position": 0}'])
    router = world.start()
    await router.ready()
    await feeder.scores(hot("before"))
    await world.messages(lambda found: len(found) >= 3)
    async with (
        aclosing(events(router)) as everything,
        aclosing(events(router, department="inside-sales", type="tasuki.handoff.*")) as offers,
        aclosing(events(router, lead=["b", "none"])) as one_lead,
    ):
        begin = [await anext(stream) for stream in (everything, offers, one_lead)]
        assert {seen.type for seen in begin} == {""}  # only where it begins
        assert set(read_places(begin[0].id, {"stages": 2, "alerts": 2}).offsets) == {"stages", "alerts"}
        await feeder.scores(hot("a") + hot("b"))
        first = await some(everything, 6)
        assert told(first) == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)]
        assert {seen.type for seen in first} == {"tasuki.stage.changed", "tasuki.handoff.offered"}
        assert all(seen.data["type"] == seen.type for seen in first)
        assert told(await some(offers, 2)) == [("a", 3), ("b", 3)]
        assert told(await some(one_lead, 3)) == [("b", 1), ("b", 2), ("b", 3)]
        async with world.http(router, None) as http:
            assert "tasuki_router_stream_clients 3.0" in (await http.get("/metrics")).text

    await feeder.scores(hot("c"))  # while nobody looks
    await world.messages(lambda found: len(found) >= 12)
    async with aclosing(events(router, after=first[-1].id)) as again:
        assert told(await some(again, 3)) == [("c", 1), ("c", 2), ("c", 3)]
        await feeder.scores(hot("d"))
        assert told(await some(again, 3)) == [("d", 1), ("d", 2), ("d", 3)]
    async with aclosing(events(router, after=first[2].id)) as again:
        missed = await some(again, 9)
        assert told(first[:3] + missed) == [(lead, seq) for lead in "abcd" for seq in (1, 2, 3)]
    # From the begin of what Kafka has; and from a place that this Kafka never had.
    for place in ("stages:0", "stages:900000;alerts:0,0"):
        async with aclosing(events(router, after=place)) as all_again:
            got = await some(all_again, 15)
            gaps = [seen for seen in got if seen.type == "tasuki.stream.gap"]
            assert [seen.data for seen in gaps] == ([{"topics": ["stages"]}] if "900000" in place else [])
            assert len({seen.data["id"] for seen in got if not seen.type.endswith("gap")}) == len(got) - len(gaps)


async def test_who_may_look_and_what_may_be_asked(world: World) -> None:
    router = world.start(TASUKI_ROUTER_STREAM_MOST_CLIENTS="1")
    await router.ready()
    async with world.http(router, None) as http:
        assert (await http.get("/v1/stream")).status_code == 401
    async with world.http(router, "blind-secret") as http:
        assert (await http.get("/v1/stream")).status_code == 403
    async with world.http(router, "reader-secret") as http:
        for id in ("12", "stages:-1", "stages:1,x", "a" * 30_000):
            refused = await http.get("/v1/stream", headers={"Last-Event-ID": id})
            assert refused.status_code in (422, 431), id
        refused = await http.get("/v1/stream?department=nobody&type=x")
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_filter")
        async with aclosing(events(router)) as stream:
            await anext(stream)
            full = await http.get("/v1/stream")
            assert (full.status_code, full.json()["code"]) == (503, "too_many_streams")
        await until_clients(http, 0)
        async with aclosing(events(router)) as stream:
            await anext(stream)  # the place is free again
            began = time.monotonic()
            ended = asyncio.create_task(asyncio.to_thread(router.end))
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
            assert await ended in (0, -15)
            assert time.monotonic() - began < 8  # open streams do not hold up the router's end
