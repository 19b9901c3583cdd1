"""A steady load over HTTP through all ingest workers, repeated until acknowledged, and often once more."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Sequence
from random import Random

import httpx
import msgspec

from tests.fault.cluster import Cluster
from tests.fault.stories import Call, Stories, lead_of

LANES = 16
BATCH = 25
TWICE, IMPATIENT = 0.2, 0.04
"""Shares of batches that are sent twice though acknowledged, and whose first attempt is given up after a moment."""
A_MOMENT, TIMEOUT = 0.004, 15.0
PAUSE = 0.25


class Load:
    """Sends `stories`, `rate` calls a second, but not beyond `limit`. Of each lead only one request is under way.

    `acknowledged` and `rejected` are the message ids answered for; `sent` counts the calls answered."""

    def __init__(self, cluster: Cluster, stories: Stories, rate: float, seed: int, repeating: bool = True) -> None:
        self._cluster, self._stories, self._rate, self._repeating = cluster, stories, rate, repeating
        self._random = Random(f"load:{seed}")
        self._lanes: list[asyncio.Queue[Call | None]] = [asyncio.Queue(BATCH * 4) for _ in range(LANES)]
        self._turn = 0
        self.limit = len(stories.calls)
        self.acknowledged: set[str] = set()
        self.rejected: set[str] = set()
        self.repeats = self.retries = 0

    @property
    def sent(self) -> int:
        return len(self.acknowledged) + len(self.rejected)

    async def run(self) -> None:
        """Until all is acknowledged. Raises `RuntimeError` when ingest refuses what it must not."""
        client = httpx.AsyncClient(auth=(self._cluster.write_key, ""), limits=httpx.Limits())
        async with client as http, asyncio.TaskGroup() as tasks:
            for lane in self._lanes:
                tasks.create_task(self._work(lane, http))
            await self._hand_out()

    async def _hand_out(self) -> None:
        began, paused = time.monotonic(), 0.0
        for number, call in enumerate(self._stories.calls):
            while number >= self.limit:
                await asyncio.sleep(0.05)
                paused += 0.05
            # What was held back by an outage is sent as fast as ingest takes it: as real senders do.
            if (ahead := number / self._rate - (time.monotonic() - began - paused)) > 0:
                await asyncio.sleep(ahead)
            await self._lanes[zlib.crc32(lead_of(call).encode()) % LANES].put(call)
        for lane in self._lanes:
            await lane.put(None)

    async def _work(self, lane: asyncio.Queue[Call | None], http: httpx.AsyncClient) -> None:
        while (call := await lane.get()) is not None:
            batch, last = [call], False
            while len(batch) < BATCH and not lane.empty():
                if (following := lane.get_nowait()) is None:
                    last = True
                    break
                batch.append(following)
            await self._deliver(batch, http)
            if last:
                return

    async def _deliver(self, batch: Sequence[Call], http: httpx.AsyncClient) -> None:
        body = msgspec.json.encode({"batch": batch})
        patience = A_MOMENT if self._repeating and self._random.random() < IMPATIENT else TIMEOUT
        while (response := await self._post(body, http, patience)) is None:
            patience = TIMEOUT
            self.retries += 1
            await asyncio.sleep(PAUSE)
        bad = {batch[item["index"]]["messageId"] for item in response.json()["rejected"]}
        self.rejected |= bad
        self.acknowledged |= {call["messageId"] for call in batch} - bad
        if self._repeating and self._random.random() < TWICE:
            self.repeats += 1
            await self._post(body, http, TIMEOUT)  # whatever comes of it

    async def _post(self, body: bytes, http: httpx.AsyncClient, patience: float) -> httpx.Response | None:
        """The answer, if it is 200; None where it is worth trying again, at another worker."""
        workers = self._cluster.of("ingest")
        self._turn += 1
        try:
            url = f"{workers[self._turn % len(workers)].url}/v1/batch"
            response = await http.post(url, content=body, timeout=httpx.Timeout(patience, pool=TIMEOUT))
        except httpx.TransportError:
            return None
        if response.status_code == httpx.codes.OK:
            return response
        if response.status_code in (429, 500, 502, 503):
            return None
        raise RuntimeError(f"ingest refused a batch: {response.status_code} {response.text}")
