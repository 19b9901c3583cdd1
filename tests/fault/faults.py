"""How each kind of fault is done to a cluster, and undone."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.playbook import load_playbook
from tests.fault.cluster import PARTITIONS, Cluster, Worker
from tests.fault.poison import Poisoner
from tests.fault.schedule import Fault
from tests.fault.spool_faults import disk_full, killed_in_drain

READY_SECONDS = 60.0
HANDS_FULL_SECONDS = 4.0
FAKETIME = ("usr/lib/*/faketime/libfaketime.so.1", "usr/local/lib/faketime/libfaketime.so.1")


class Skipped(Exception):
    """This machine cannot do it; the text says what is missing."""


class Faults:
    """Carries faults out. `ready` waits until a worker says that it can do its job."""

    def __init__(self, cluster: Cluster, poisoner: Poisoner, ready: Callable[[Worker], Awaitable[None]]) -> None:
        self._cluster, self._poisoner, self._ready = cluster, poisoner, ready

    async def carry_out(self, fault: Fault) -> None:
        """Returns when the fault is over: what it broke may run again, and has not recovered yet."""
        await getattr(self, "_" + fault.kind.replace("-", "_"))(fault)

    async def _kill(self, fault: Fault) -> None:
        async with self._hands_full(fault):
            self._worker(fault).signal(signal.SIGKILL)

    async def _term(self, fault: Fault) -> None:
        self._worker(fault).signal(signal.SIGTERM)

    async def _kill_all(self, fault: Fault) -> None:
        for worker in self._cluster.of(fault.target):
            worker.signal(signal.SIGKILL)

    async def _zombie(self, fault: Fault) -> None:
        """Stopped until others have its work, then woken up with its batches in hand."""
        worker = self._worker(fault)
        async with self._hands_full(fault):
            worker.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            worker.signal(signal.SIGCONT)

    async def _rolling(self, fault: Fault) -> None:
        for worker in self._cluster.of(fault.target):
            before = worker.pid
            worker.signal(signal.SIGTERM)
            while worker.pid in (before, None):  # noqa: ASYNC110 - another process: there is nothing to be told by
                await asyncio.sleep(0.1)
            await self._ready(worker)

    async def _join_and_leave(self, fault: Fault) -> None:
        with self._third(fault.target) as worker:
            await self._ready(worker)
            await asyncio.sleep(fault.seconds)
            await asyncio.to_thread(worker.stop)

    async def _broker(self, fault: Fault) -> None:
        await asyncio.to_thread(self._cluster.kafka.kill)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(self._cluster.kafka.start)

    async def _kafka_away(self, fault: Fault) -> None:
        """So long that nobody waits for it: ingest's spool takes over."""
        await self._broker(fault)

    async def _killed_in_drain(self, fault: Fault) -> None:
        await killed_in_drain(self._cluster, self._worker(fault), fault.seconds)

    async def _spool_disk_full(self, fault: Fault) -> None:
        await disk_full(self._cluster, self._worker(fault), fault.seconds)

    async def _broker_in_rebalance(self, fault: Fault) -> None:
        """Members leave both groups, and the coordinator dies before the others have joined anew."""
        self._cluster.worker("scorer-0").signal(signal.SIGTERM)
        self._cluster.worker("router-1").signal(signal.SIGTERM)
        await asyncio.sleep(0.4)
        await self._broker(fault)

    async def _postgres(self, fault: Fault) -> None:
        await asyncio.to_thread(self._cluster.postgres.kill)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(self._cluster.postgres.start)

    async def _cut(self, fault: Fault) -> None:
        with self._changed(self._worker(fault), cut=True):
            await asyncio.sleep(fault.seconds)

    async def _frozen(self, fault: Fault) -> None:
        """The network swallows everything and then, longer than a session later, delivers it."""
        with self._changed(self._worker(fault), frozen=True):
            await asyncio.sleep(fault.seconds)

    async def _produce_latency(self, fault: Fault) -> None:
        """`amount` seconds for each answer, for everybody."""
        for worker in self._cluster.workers:
            self._cluster.proxy.change(worker.kafka, delay=fault.amount / 2)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            for worker in self._cluster.workers:
                self._cluster.proxy.change(worker.kafka)

    async def _hanging_transaction(self, fault: Fault) -> None:
        """Killed while its transactions are open: the produce is with the broker, the commit has not been said."""
        worker = self._worker(fault)
        self._cluster.proxy.change(worker.kafka, delay=0.6)
        try:
            await asyncio.sleep(3.0)  # long enough for transactions to be under way in all its partitions
            worker.signal(signal.SIGKILL)
        finally:
            self._cluster.proxy.change(worker.kafka)

    async def _killed_in_restore(self, fault: Fault) -> None:
        """Everybody's partitions move to workers that read slowly; one dies over it, and another joins meanwhile."""
        victim = self._worker(fault)
        for worker in self._cluster.workers:
            if worker.service == victim.service:
                self._cluster.proxy.change(worker.kafka, delay=fault.amount)
        try:
            with self._third(victim.service) as third:
                victim.signal(signal.SIGKILL)
                await asyncio.sleep(fault.seconds)
                third.signal(signal.SIGKILL)
                await asyncio.sleep(fault.seconds / 2)
        finally:
            for worker in self._cluster.workers:
                self._cluster.proxy.change(worker.kafka)

    async def _rejected_records(self, fault: Fault) -> None:
        """The broker takes only records up to `amount` bytes."""
        topic = self._cluster.topics.prefix + fault.target
        await self._limit(topic, int(fault.amount))
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            await self._limit(topic, None)

    async def _clock(self, fault: Fault) -> None:
        """Its wall clock is wrong by `amount` seconds, then by as much in the other direction."""
        worker, library = self._worker(fault), _faketime()
        clock = self._cluster.directory / f"clock-{worker.name}"
        clock.write_text(f"{fault.amount:+.0f}")
        faked = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_CACHE_DURATION": "1",
            # Only the wall clock: what jumps there never does so in a monotonic one.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        usual = worker.environment
        try:
            await self._restart(worker, usual | faked)
            await self._ready(worker)
            await asyncio.sleep(fault.seconds / 2)
            clock.write_text(f"{-fault.amount:+.0f}")
            await asyncio.sleep(fault.seconds / 2)
        finally:
            await self._restart(worker, usual)

    async def _state_directory(self, fault: Fault) -> None:
        """Full (amount 0) or full of rubbish (1), and then its worker dies."""
        worker = self._worker(fault)
        if fault.amount:
            await asyncio.to_thread(_spoil, Path(worker.environment["TMPDIR"]))
        elif worker.pid is not None:
            _, hard = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (0, hard))
        await asyncio.sleep(3.0)
        worker.signal(signal.SIGKILL)

    async def _poison(self, fault: Fault) -> None:
        await self._poisoner.write(int(fault.amount))

    def _worker(self, fault: Fault) -> Worker:
        return self._cluster.worker(fault.target)

    @staticmethod
    async def _restart(worker: Worker, environment: dict[str, str]) -> None:
        if worker.wanted:
            await asyncio.to_thread(worker.stop)
        worker.environment = environment
        worker.start()

    @asynccontextmanager
    async def _hands_full(self, fault: Fault) -> AsyncIterator[None]:
        """With an `amount`, Kafka answers the worker so many seconds later: whatever it does is always under way."""
        worker = self._worker(fault)
        if not fault.amount:
            yield
            return
        self._cluster.proxy.change(worker.kafka, delay=fault.amount)
        try:
            await asyncio.sleep(HANDS_FULL_SECONDS)
            yield
        finally:
            self._cluster.proxy.change(worker.kafka)

    @contextmanager
    def _changed(self, worker: Worker, *, cut: bool = False, frozen: bool = False) -> Iterator[None]:
        for way in (worker.kafka, worker.postgres):
            self._cluster.proxy.change(way, cut=cut, frozen=frozen)
        try:
            yield
        finally:
            for way in (worker.kafka, worker.postgres):
                self._cluster.proxy.change(way)

    @contextmanager
    def _third(self, service: str) -> Iterator[Worker]:
        """A worker that joins; gone at the end."""
        worker = next(one for one in self._cluster.workers if one.service == service and not one.wanted)
        worker.start()
        try:
            yield worker
        finally:
            if worker.wanted:
                worker.stop()

    async def _limit(self, topic: str, size: int | None) -> None:
        """None: as at the beginning."""
        specs = {spec.name: spec for spec in self._cluster.topics.specs(load_playbook().departments, PARTITIONS)}
        # AlterConfigs replaces the whole configuration of a topic.
        wanted = specs[topic].config | ({"max.message.bytes": str(size)} if size else {})
        admin = AIOKafkaAdminClient(bootstrap_servers=self._cluster.bootstrap)
        await admin.start()
        try:
            answers = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=wanted)])
        finally:
            await admin.close()
        for answer in answers:
            for code, message, *_ in answer.resources:
                if code:
                    raise RuntimeError(f"Kafka did not change {topic}: {message}")


def _spoil(root: Path) -> None:
    """Rubbish in every file, and a file of rubbish in every directory."""
    for found in [root, *root.rglob("*")]:
        (found / "rubbish" if found.is_dir() else found).write_bytes(os.urandom(4096))


def _faketime() -> str:
    for pattern in FAKETIME:
        for path in Path("/").glob(pattern):
            return str(path)
    raise Skipped("clock jumps need libfaketime (Debian: apt-get install libfaketime)")
