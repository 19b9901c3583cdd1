"""Faults of the spool, each with Kafka away: it is only then that it is asked."""

from __future__ import annotations

import asyncio
import re
import resource
import signal
import time

import httpx

from tests.fault.cluster import Cluster, Worker

DRAIN_SECONDS = 30.0
SLOW_SECONDS = 0.3
"""For each answer of Kafka to who drains, so that there is a middle of it."""
_WAITING = re.compile(r"^tasuki_ingest_spool_records (\S+)", re.MULTILINE)


async def killed_in_drain(cluster: Cluster, worker: Worker, seconds: float) -> None:
    """Kafka is away for `seconds`, and `worker` is killed while it gives Kafka what it has kept meanwhile."""
    await asyncio.to_thread(cluster.kafka.kill)
    await asyncio.sleep(seconds)
    cluster.proxy.change(worker.kafka, delay=SLOW_SECONDS)
    try:
        most = await _waiting(worker)
        await asyncio.to_thread(cluster.kafka.start)
        until = time.monotonic() + DRAIN_SECONDS
        while not 0 < await _waiting(worker) < most and time.monotonic() < until:  # noqa: ASYNC110 - asks others
            await asyncio.sleep(0.05)
        worker.signal(signal.SIGKILL)
    finally:
        cluster.proxy.change(worker.kafka)


async def disk_full(cluster: Cluster, worker: Worker, seconds: float) -> None:
    """Kafka is away for `seconds`, and `worker` cannot write a byte: its senders are told to come again."""
    pid = worker.pid
    if pid is None:
        raise RuntimeError(f"{worker.name} does not run")
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        await asyncio.to_thread(cluster.kafka.kill)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(cluster.kafka.start)
    finally:
        if worker.pid == pid:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


async def _waiting(worker: Worker) -> float:
    """Records in its spool; 0 where nobody answers."""
    try:
        async with httpx.AsyncClient() as http:
            found = _WAITING.search((await http.get(f"{worker.url}/metrics", timeout=5)).text)
    except httpx.TransportError:
        return 0.0
    return float(found[1]) if found else 0.0
