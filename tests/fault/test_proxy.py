"""The proxy does to a connection what it is told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from shared.parts.ports import free_ports
from tests.fault.proxy import Proxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def way() -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy in front of a server that says everything again."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):  # cut
            while data := await reader.read(1000):
                writer.write(data)
        writer.close()
        over.set()

    over = asyncio.Event()
    target, port = free_ports(2)
    server = await asyncio.start_server(echo, "127.0.0.1", target)
    with Proxy() as proxy:
        proxy.open("way", port, target)
        yield proxy, port
    await asyncio.wait_for(over.wait(), 5)
    await asyncio.sleep(0.05)  # its transport is closed in the next turns of the loop
    server.close()


async def said(streams: Streams, text: bytes) -> bytes:
    reader, writer = streams
    writer.write(text)
    return await asyncio.wait_for(reader.read(1000), 5)


async def test_it_delays_both_directions(way: tuple[Proxy, int]) -> None:
    proxy, port = way
    streams = await asyncio.open_connection("127.0.0.1", port)
    assert await said(streams, b"one") == b"one"
    proxy.change("way", delay=0.2)
    began = time.monotonic()
    assert await said(streams, b"two") == b"two"
    assert time.monotonic() - began >= 0.4
    streams[1].close()


async def test_frozen_it_keeps_what_was_said_until_it_thaws(way: tuple[Proxy, int]) -> None:
    proxy, port = way
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    proxy.change("way", frozen=True)
    writer.write(b"late")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(10), 0.3)
    proxy.change("way")
    assert await asyncio.wait_for(reader.read(10), 5) == b"late"
    writer.close()


async def test_cut_it_ends_connections_and_takes_no_others(way: tuple[Proxy, int]) -> None:
    proxy, port = way
    streams = await asyncio.open_connection("127.0.0.1", port)
    assert await said(streams, b"one") == b"one"
    proxy.change("way", cut=True)
    with pytest.raises((ConnectionError, AssertionError)):
        assert await said(streams, b"two") != b""
    streams[1].close()
    proxy.change("way")
    streams = await asyncio.open_connection("127.0.0.1", port)
    assert await said(streams, b"three") == b"three"
    streams[1].close()
