"""One batch to `POST /v1/batch`, repeated until it is answered."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx
import msgspec

from services.cli.errors import CommandError

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
TOO_MANY = 429


class NotSent(CommandError):
    """The service could not be reached, or would not take more, for too long."""


@dataclass(frozen=True)
class Rejection:
    """An event that ingest put among the dead letters; `index` counts within the batch."""

    index: int
    code: str
    message: str


class IngestClient:
    """An asynchronous context manager. `patience` is how many seconds a batch may go without any progress."""

    def __init__(self, url: str, write_key: str, patience: float = 120.0) -> None:
        self._url, self._patience = url.rstrip("/"), patience
        # Events are acknowledged within 5 s or refused: a longer silence is a lost connection.
        # One kept connection per lane: httpx would close all but twenty after each request.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        timeout = httpx.Timeout(15.0)
        self._http = httpx.AsyncClient(base_url=self._url, auth=(write_key, ""), timeout=timeout, limits=limits)

    async def __aenter__(self) -> IngestClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send(self, calls: Sequence[bytes]) -> list[Rejection]:
        """Send JSON-encoded calls and return the rejected ones. Repeats are harmless: calls carry their messageIds.

        Raises `CommandError` when the answer says that repeating is of no use, `NotSent` when patience is at an end.
        """
        # Without sentAt the timestamps are taken as they are: a file's clock has no skew to correct.
        body = b'{"batch":[' + b",".join(calls) + b"]}"
        pause, deadline = FIRST_PAUSE, time.monotonic() + self._patience
        while True:
            try:
                response = await self._http.post("/v1/batch", content=body)
            except httpx.UnsupportedProtocol as error:
                raise CommandError(
                    f"{self._url!r} is no address; expected one such as http://127.0.0.1:8080"
                ) from error
            except httpx.TransportError as error:
                wait, trouble = pause, f"no answer from {self._url}: {error or type(error).__name__}"
            else:
                if response.status_code == httpx.codes.OK:
                    return _rejections(response)
                if response.status_code != TOO_MANY and response.status_code < 500:
                    raise CommandError(f"{self._url} refused: {response.status_code} {_message(response)}")
                wait = _retry_after(response) or pause
                trouble = f"{self._url} is busy: {response.status_code} {_message(response)}"
            if time.monotonic() + wait > deadline:
                raise NotSent(f"{trouble}; gave up after {self._patience:g} s")
            await asyncio.sleep(wait * random.uniform(1.0, 1.3))  # lanes must not come back all at once
            pause = min(pause * 2, LONGEST_PAUSE)


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else None


def _message(response: httpx.Response) -> str:
    answer = _json(response)
    return str(answer.get("message") or response.reason_phrase)


def _rejections(response: httpx.Response) -> list[Rejection]:
    listed = _json(response).get("rejected") or []
    return [Rejection(item["index"], item["code"], item["message"]) for item in listed]


def _json(response: httpx.Response) -> dict[str, Any]:
    """An answer that is no JSON object comes from something else than ingest, such as a proxy."""
    try:
        answer = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}
