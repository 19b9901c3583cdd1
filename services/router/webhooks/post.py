"""One attempt: look the host up, check the address, connect to that very address, and post."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx

from services.router.webhooks.addresses import is_public, literal
from services.router.webhooks.backoff import asked_for
from services.router.webhooks.model import Outcome

CONNECT_SECONDS = 5.0
ATTEMPT_SECONDS = 15.0
"""The specification asks for 15 to 30."""
MOST_ANSWER_BYTES = 64 * 1024
MOST_ADDRESSES = 3


class AddressRefused(Exception):
    """The text says why."""


class Poster:
    """Posts to one URL. Redirects are not followed, cookies not kept, proxies of the environment not used.

    A poster of its own for each webhook: its connections are known by address only, and one that was made for another
    name at the same address has shown that name's certificate."""

    def __init__(self, url: str, context: ssl.SSLContext, allow_private: bool) -> None:
        self._url, self._allow_private = httpx.URL(url), allow_private
        self._transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
        # One thread of its own: a name server that does not answer holds up no other webhook.
        self._resolver = ThreadPoolExecutor(1, "webhook-names")

    async def close(self) -> None:
        self._resolver.shutdown(wait=False, cancel_futures=True)
        await self._transport.aclose()

    async def post(self, headers: dict[str, str], body: bytes) -> Outcome:
        """Raises nothing for whatever the receiver does."""
        began = time.monotonic()
        status, wait, error = None, 0.0, None
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                status, retry_after = await self._post(headers, body)
            if not 200 <= status < 300:
                error, wait = f"answered {status}", asked_for(retry_after, datetime.now(UTC))
        except TimeoutError:
            error = f"no answer within {ATTEMPT_SECONDS:.0f} s"
        except AddressRefused as refused:
            error = str(refused)
        except (httpx.TransportError, OSError, UnicodeError) as failed:
            # A UnicodeError is a host that cannot be a name. Texts of errors may name addresses of ours.
            error = f"could not be reached: {type(failed).__name__}"
        return Outcome(time.monotonic() - began, status, error, wait)

    async def addresses(self) -> list[str]:
        """Where the host may be reached now. Raises `AddressRefused`, or `OSError` where the name is unknown."""
        host = self._url.host
        found = [literal(host)] if literal(host) else await self._look_up(host)
        usable = [one for one in found if one and (self._allow_private or is_public(one))]
        if not usable:
            raise AddressRefused(f"{host} has no public address, and TASUKI_ROUTER_WEBHOOKS_ALLOW_PRIVATE is not set")
        return usable[:MOST_ADDRESSES]

    async def _look_up(self, host: str) -> list[str]:
        def ask() -> list[str]:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            return [str(address[0]) for *_, address in found]

        return await asyncio.get_running_loop().run_in_executor(self._resolver, ask)

    async def _post(self, headers: dict[str, str], body: bytes) -> tuple[int, str | None]:
        """Status and `Retry-After`. Raises what connecting, sending and reading raise."""
        addresses = await self.addresses()
        for address in addresses[:-1]:
            try:
                return await self._post_to(address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # nothing was sent yet
        return await self._post_to(addresses[-1], headers, body)

    async def _post_to(self, address: str, headers: dict[str, str], body: bytes) -> tuple[int, str | None]:
        request = httpx.Request(
            "POST",
            self._url.copy_with(host=address),
            headers={"host": self._url.netloc.decode("ascii"), "user-agent": "Tasuki-Webhooks/1", **headers},
            content=body,
            extensions={
                "timeout": {"connect": CONNECT_SECONDS},
                # The certificate must be the name's, not the address's.
                "sni_hostname": self._url.host,
            },
        )
        response = await self._transport.handle_async_request(request)
        try:
            read = 0
            # An answer that is read to its end lets the connection be used again.
            async for part in response.aiter_raw():
                read += len(part)
                if read > MOST_ANSWER_BYTES:
                    break
        finally:
            await response.aclose()
        return response.status_code, response.headers.get("retry-after")
