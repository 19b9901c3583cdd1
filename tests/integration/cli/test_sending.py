"""The sender against a server that misbehaves by plan: what is answered badly is sent again, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from services.cli.errors import CommandError
from services.cli.sending import Entry, IngestClient, Rejection, send_in_lanes
from services.cli.sending.client import NotSent

Script = Callable[[int, list[Any]], web.Response]


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[tuple[str, list[list[Any]]]]:
    """A server that answers the n-th request as the script says; gives its address and the batches it received."""
    batches: list[list[Any]] = []

    async def answer(request: web.Request) -> web.Response:
        batches.append(msgspec.json.decode(await request.read())["batch"])
        return script(len(batches), batches[-1])

    application = web.Application()
    application.add_routes([web.post("/v1/batch", answer)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", batches
    finally:
        await runner.cleanup()


def fine(_number: int, _batch: list[Any]) -> web.Response:
    return web.json_response({"success": True})


async def numbered(count: int, identities: int = 1, padding: int = 0) -> AsyncIterator[Entry]:
    for number in range(count):
        call = {"n": number, "who": number % identities, "padding": "x" * padding}
        yield Entry(msgspec.json.encode(call), f"lead-{number % identities}", number)


async def test_what_is_refused_for_now_is_sent_again() -> None:
    def script(number: int, batch: list[Any]) -> web.Response:
        if number == 1:
            return web.json_response({"code": "busy", "message": "later"}, status=429, headers={"Retry-After": "1"})
        if number == 2:
            return web.Response(status=502, text="a proxy")
        return fine(number, batch)

    async with serving(script) as (url, batches), IngestClient(url, "key") as client:
        began = asyncio.get_running_loop().time()
        assert await client.send([b'{"n":1}']) == []
        assert asyncio.get_running_loop().time() - began >= 1.0, "Retry-After was not honoured"
    assert batches == [[{"n": 1}]] * 3


async def test_patience_ends() -> None:
    def script(_number: int, _batch: list[Any]) -> web.Response:
        return web.json_response({"code": "busy", "message": "come later"}, status=429)

    async with serving(script) as (url, _), IngestClient(url, "key", patience=0.5) as client:
        with pytest.raises(NotSent, match="come later"):
            await client.send([b"{}"])


async def test_a_refusal_for_good_is_told_in_the_services_words() -> None:
    def script(_number: int, _batch: list[Any]) -> web.Response:
        return web.json_response({"code": "unknown_key", "message": "no such write key"}, status=401)

    async with serving(script) as (url, batches), IngestClient(url, "key") as client:
        with pytest.raises(CommandError, match="401 no such write key"):
            await send_in_lanes(client, numbered(5000), lambda *_: None)
    assert len(batches) == 1, "it went on sending"


async def test_each_lead_keeps_its_order() -> None:
    def script(number: int, batch: list[Any]) -> web.Response:
        return web.Response(status=503) if number % 3 == 0 else fine(number, batch)

    answered: list[int] = []

    def note(batch: Any, _rejections: Any) -> None:
        answered.extend(entry.origin for entry in batch)

    async with serving(script) as (url, batches), IngestClient(url, "key") as client:
        await send_in_lanes(client, numbered(600, identities=7), note, lanes=3, batch_events=20)
    assert sorted(answered) == list(range(600))
    for lead in range(7):
        # A batch that was refused appears twice: the first appearance of each event tells the order of sending.
        seen = list(dict.fromkeys(call["n"] for batch in batches for call in batch if call["who"] == lead))
        assert seen == sorted(seen)


async def test_batches_stay_below_what_the_api_takes() -> None:
    async with serving(fine) as (url, batches), IngestClient(url, "key") as client:
        await send_in_lanes(client, numbered(40, padding=30_000), lambda *_: None)
    assert max(len(msgspec.json.encode(batch)) for batch in batches) < 500_000
    assert sum(map(len, batches)) == 40


async def test_rejections_come_with_their_batch() -> None:
    def script(_number: int, batch: list[Any]) -> web.Response:
        rejected = [{"index": i, "code": "bad", "message": "odd"} for i, call in enumerate(batch) if call["n"] % 2]
        return web.json_response({"success": True, "rejected": rejected})

    found: list[int] = []

    def note(batch: Any, rejections: list[Rejection]) -> None:
        found.extend(batch[rejection.index].origin for rejection in rejections)

    async with serving(script) as (url, _), IngestClient(url, "key") as client:
        await send_in_lanes(client, numbered(10), note)
    assert found == [1, 3, 5, 7, 9]
