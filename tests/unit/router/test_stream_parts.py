"""Parts of a stream: ids, frames, and clients that read too slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from services.router.api.stream import EventStream
from services.router.interest import Interest
from services.router.stream.frames import heartbeat_frame, message_frame
from services.router.stream.places import Places, PlacesInvalid, read_places
from services.router.stream.stream import Stream
from services.router.stream.tail import MOST_WAITING_BYTES, Client

PARTITIONS = {"stages": 2, "handoffs.field-sales": 3}


def test_an_id_tells_where_to_go_on() -> None:
    places = Places({"stages": [4, 0], "handoffs.field-sales": [0, 1, 2]})
    places.pass_record("stages", 1, 17)
    assert str(places) == "stages:4,18;handoffs.field-sales:0,1,2"
    assert read_places(str(places), PARTITIONS).offsets == places.offsets


def test_what_an_id_does_not_know_begins_at_the_begin() -> None:
    assert read_places("stages:7;gone:1", PARTITIONS).offsets == {"stages": [7, 0], "handoffs.field-sales": [0, 0, 0]}
    assert read_places("stages:1,2,3,4", PARTITIONS).offsets["stages"] == [1, 2]


@pytest.mark.parametrize(
    "text", ["stages", "stages:", ":1", "stages:-1", "stages:1,", "stages:1e3", "stages:" + "9" * 19]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(PlacesInvalid):
        read_places(text, PARTITIONS)


def test_frames_are_events_as_browsers_read_them() -> None:
    places = Places({"stages": [1]})
    assert message_frame(places, "t", b'{"a":\n1}') == b'id: stages:1\nevent: t\ndata: {"a":\ndata: 1}\n\n'
    assert heartbeat_frame(places) == b": heartbeat\nid: stages:1\n\n"


async def test_a_client_that_is_too_far_behind_gets_what_waits_and_no_more() -> None:
    client, frame = Client(Interest()), b"x" * (MOST_WAITING_BYTES // 4)
    for _ in range(5):
        client.offer(frame)
    assert (client.too_slow, client.closed) == (True, True)
    got = [await client.next(1.0) for _ in range(4)]
    assert got == [frame] * 3 + [b""]


async def test_a_client_that_keeps_up_is_never_too_slow() -> None:
    client, frame = Client(Interest()), b"x" * (MOST_WAITING_BYTES // 4)
    for _ in range(50):
        client.offer(frame)
        assert await client.next(1.0) == frame
    assert await client.next(0.01) == b""
    assert not client.closed


class Endless:
    """A stream that always has something."""

    def __init__(self) -> None:
        self.closed = self.ended = False

    async def frames(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"data: 1\n\n"
                await asyncio.sleep(0)
        finally:
            self.ended = True

    async def close(self) -> None:
        self.closed = True


async def respond(stream: Endless, send: Any, receive: Any, allowed: Any = lambda: True) -> None:
    async with asyncio.timeout(5):
        await EventStream(cast(Stream, stream), allowed, send_seconds=0.05)({"type": "http"}, receive, send)


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) > 3:
            await asyncio.Event().wait()

    stream = Endless()
    await respond(stream, send, asyncio.Event().wait)
    assert len(sent) == 4
    assert all(message.get("more_body", True) for message in sent)  # the answer is never said to be complete
    assert (stream.ended, stream.closed) == (True, True)


async def test_a_stream_ends_when_its_token_does() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    stream = Endless()
    await respond(stream, send, asyncio.Event().wait, lambda: len(sent) < 4)
    assert sent[-1] == {"type": "http.response.body", "body": b""}
    assert (len(sent), stream.closed) == (5, True)


async def test_a_stream_ends_when_its_client_has_gone() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    stream = Endless()
    await respond(stream, send, receive)
    assert len(sent) <= 5
    assert (stream.ended, stream.closed) == (True, True)
