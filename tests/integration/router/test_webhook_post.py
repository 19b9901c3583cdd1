"""One attempt against real servers: where it connects to, whose certificate it wants, and how long it waits."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.router.webhooks.post import AddressRefused, Poster

PEM = Path(__file__).parents[2] / "data" / "hook.test.pem"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(PEM))


@asynccontextmanager
async def server(handle: Handler, tls: bool = False) -> AsyncIterator[int]:
    """Its port."""
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)

    async def ending(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has hung up, as it may
        finally:
            writer.close()

    listening = await asyncio.start_server(ending, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def answering(head: bytes, seen: list[bytes]) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head)
        await writer.drain()

    return handle


OK = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"


async def test_it_connects_to_the_address_that_was_checked_and_speaks_to_the_name() -> None:
    seen: list[bytes] = []
    asked: list[str] = []

    def look_up(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with server(answering(OK, seen), tls=True) as port:
        poster = Poster(f"https://hook.test:{port}/in?a=1", trusting(), True, look_up)
        outcome = await poster.post({"webhook-id": "msg_1"}, b"{}")
        await poster.close()
    assert (outcome.status, outcome.error, outcome.kind) == (204, None, "delivered")
    assert asked == ["hook.test"]
    head = seen[0].decode().lower()
    assert head.startswith("post /in?a=1 http/1.1")
    assert f"host: hook.test:{port}\r\n" in head
    assert "webhook-id: msg_1" in head


async def test_another_name_s_certificate_is_refused() -> None:
    """Whoever has taken over a name's address has not got its certificate."""
    seen: list[bytes] = []
    async with server(answering(OK, seen), tls=True) as port:
        poster = Poster(f"https://other.test:{port}/", trusting(), True, lambda _: ["127.0.0.1"])
        outcome = await poster.post({}, b"{}")
        await poster.close()
    assert (outcome.status, outcome.kind, seen) == (None, "failed", [])
    assert outcome.error == "could not be reached: ConnectError"


async def test_a_name_that_leads_inside_later_is_not_followed() -> None:
    """DNS rebinding: public when it was looked up first, and the machine itself when it is used."""
    seen: list[bytes] = []
    answers = iter([["8.8.8.8"], ["127.0.0.1", "10.0.0.1", "::ffff:127.0.0.1"]])
    async with server(answering(OK, seen)) as port:
        poster = Poster(f"https://hook.test:{port}/", trusting(), False, lambda _: next(answers))
        assert await poster.addresses() == ["8.8.8.8"]
        outcome = await poster.post({}, b"{}")
        with pytest.raises(StopIteration):
            next(answers)
        await poster.close()
    assert "no public address" in str(outcome.error)
    assert seen == []


async def test_of_several_addresses_only_public_ones_are_used() -> None:
    poster = Poster("https://hook.test/", trusting(), False, lambda _: ["127.0.0.1", "8.8.4.4", "fe80::1", "8.8.8.8"])
    assert await poster.addresses() == ["8.8.4.4", "8.8.8.8"]
    await poster.close()


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0x7f000001", "localhost"])
async def test_other_writings_of_an_address_are_seen_through(host: str) -> None:
    poster = Poster(f"https://{host}/", trusting(), False)
    with pytest.raises((AddressRefused, OSError)):
        await poster.addresses()
    await poster.close()


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    seen: list[bytes] = []
    async with server(answering(OK, seen)) as port:
        poster = Poster(f"http://hook.test:{port}/", trusting(), True, lambda _: ["127.0.0.9", "127.0.0.1"])
        assert (await poster.post({}, b"{}")).status == 204
        await poster.close()
    assert len(seen) == 1


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"400 Bad", b"500 Error", b"503 Busy"])
async def test_only_2xx_is_success_and_nothing_is_followed(status: bytes) -> None:
    seen: list[bytes] = []
    head = b"HTTP/1.1 " + status + b"\r\nlocation: /elsewhere\r\nretry-after: 7\r\nconnection: close\r\n\r\n"
    async with server(answering(head, seen)) as port:
        poster = Poster(f"http://127.0.0.1:{port}/", trusting(), True)
        outcome = await poster.post({}, b"{}")
        await poster.close()
    assert (outcome.kind, outcome.asked_for, len(seen)) == ("refused", 7.0, 1)
    assert outcome.error == f"answered {status[:3].decode()}"


async def test_an_answer_without_an_end_is_not_read_to_its_end() -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with server(endless) as port:
        poster = Poster(f"http://127.0.0.1:{port}/", trusting(), True)
        async with asyncio.timeout(5):
            assert (await poster.post({}, b"{}")).kind == "delivered"
        await poster.close()
    assert sent < 100 * 65536  # what the sockets hold


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"])
async def test_nobody_is_waited_for_without_end(head: bytes) -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await asyncio.sleep(30)

    async with server(dripping) as port:
        poster = Poster(f"http://127.0.0.1:{port}/", trusting(), True, attempt_seconds=0.3)
        async with asyncio.timeout(5):
            outcome = await poster.post({}, b"{}")
        await poster.close()
    assert (outcome.error, outcome.kind) == ("no answer within 0.3 s", "failed")


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nx" + b"y" * 200_000]
)
async def test_whatever_answers_is_an_outcome(answer: bytes) -> None:
    async with server(answering(answer, [])) as port:
        poster = Poster(f"http://127.0.0.1:{port}/", trusting(), True)
        outcome = await poster.post({}, b"{}")
        await poster.close()
    assert outcome.kind == "failed"


async def test_a_name_that_is_not_known_is_an_outcome() -> None:
    for url in ("https://nowhere.invalid/", f"https://{'a' * 70}.example/"):
        poster = Poster(url, trusting(), True)
        outcome = await poster.post({}, b"{}")
        await poster.close()
        assert outcome.kind == "failed", url
