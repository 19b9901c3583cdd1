"""One campaign: a load, a schedule of faults done to it, and the verdict at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.fault.ahead import AheadOfKafka
from tests.fault.broker_log import BrokerLog
from tests.fault.cluster import Cluster, Worker
from tests.fault.faults import READY_SECONDS, Faults, Skipped
from tests.fault.judge import differences, truth
from tests.fault.load import Load
from tests.fault.observe import Observer, Size, size_of
from tests.fault.poison import Poisoner
from tests.fault.record import what_is_left
from tests.fault.schedule import Fault
from tests.fault.stories import Stories

PATIENCE_SECONDS = 120.0
START_SECONDS = 90.0
STEADY_SECONDS = 2.5
LOOK_SECONDS = 5.0
GROUPLESS = "waiting for the consumer group"
SETTLE_SECONDS = 1.0  # so long a broken part may still look well
NEVER_LOOKED = "Kafka and Postgres could not be asked once"
MEGABYTES_MORE, FILES_MORE = 150.0, 40

BY_THE_WALL = {"TASUKI_ROUTER_COOLING_GRACE_SECONDS": "0"}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Happened:
    """`lasted`: seconds until the fault was over; `recovered`: seconds from then until all was well; None: never."""

    fault: Fault
    at: int
    lasted: float
    recovered: float | None
    note: str


@dataclass(frozen=True)
class Sample:
    """`waiting`: messages at the fullest place; None where nobody could be asked."""

    seconds: float
    sent: int
    waiting: int | None
    sizes: dict[str, Size | None]


@dataclass
class Verdict:
    """`broken`: promise → differences; `events` in the log beside copies; `sizes`: worker → (after warm-up, at the
    end)."""

    seed: int
    happened: list[Happened]
    broken: dict[str, list[str]]
    acknowledged: int
    leads: int
    handoffs: int
    copies: int
    seconds: float
    exits: dict[str, int]
    sizes: dict[str, tuple[Size | None, Size | None]]
    samples: list[Sample] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not any(self.broken.values())


@dataclass
class Campaign:
    """`rate` in calls a second; `faults` in order of `at`; `repeating`: whether requests are sent more than once;
    `patience`: seconds until what does not recover, or does not drain, is given up."""

    cluster: Cluster
    stories: Stories
    faults: Sequence[Fault]
    rate: float
    seed: int
    say: Say
    repeating: bool = True
    patience: float = PATIENCE_SECONDS
    sample_every: float = 5.0

    async def run(self) -> Verdict:
        async with Observer(self.cluster) as observer:
            self._observer, self._poisoner = observer, Poisoner(self.cluster, self.seed)
            self._broker_log = BrokerLog(self.cluster.kafka_log)
            self._load = Load(self.cluster, self.stories, self.rate, self.seed, self.repeating)
            self._bound = max(300, int(self.rate))
            if wrong := await observer.until(self._well, START_SECONDS):
                raise RuntimeError(f"the cluster has not become ready: {wrong}")
            self.say("all workers are ready; the load begins")
            began = time.monotonic()
            samples: list[Sample] = []
            witness = AheadOfKafka(self.cluster)
            watching = [asyncio.create_task(self._sample(began, samples)), asyncio.create_task(witness.run())]
            happened, stuck = await self._load_and_faults()
            stuck += await self._drain()
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)
            after = {worker.name: size_of(worker) for worker in self.cluster.running}
            until = datetime.now(UTC)
            stuck += await self._let_time_pass()
            self.say("everything has come to rest; comparing with the oracle")
            left = await what_is_left(self.cluster)
            wanted = await asyncio.to_thread(truth, left, self.stories, self._poisoner.origins, until)
            broken = differences(left, wanted, self.stories, self._poisoner.origins)
            broken["the ledger rests on committed scores only"] = [*witness.found] if witness.looks else [NEVER_LOOKED]
            broken["every fault was recovered from, and everything drained"] = stuck
            warm = _warmed_up(samples, self.cluster.running)
            sizes = {name: (warm.get(name), size) for name, size in after.items()}
            broken["memory and files are back where they were"] = list(_grown(sizes))
            return Verdict(
                seed=self.seed,
                happened=happened,
                broken=broken,
                acknowledged=len(self._load.acknowledged),
                leads=len(wanted.leads),
                handoffs=sum(step.status == "offered" for lead in wanted.leads.values() for step in lead.handoffs),
                copies=wanted.copies,
                seconds=time.monotonic() - began,
                exits={worker.name: worker.exits for worker in self.cluster.workers},
                sizes=sizes,
                samples=samples,
            )

    async def _load_and_faults(self) -> tuple[list[Happened], list[str]]:
        """What happened, and what was never recovered from."""
        load = asyncio.create_task(self._load.run())
        faulting = asyncio.create_task(self._all_faults())
        # A load that failed would let the faults wait for ever.
        await asyncio.wait([load, faulting], return_when=asyncio.FIRST_EXCEPTION)
        if load.done() and load.exception() is not None:
            faulting.cancel()
        await load
        happened = await faulting
        return happened, [f"{one.fault}: {one.note}" for one in happened if one.recovered is None and one.note]

    async def _all_faults(self) -> list[Happened]:
        faults = Faults(self.cluster, self._poisoner, self._until_ready)
        happened = []
        for number, fault in enumerate(self.faults):
            # There must be a load beside each fault: while one is waited for, no more than half of the next one's.
            self._load.limit = self._end_of_load_beside(number)
            while self._load.sent < fault.at:  # noqa: ASYNC110 - the load counts, and tells nobody
                await asyncio.sleep(0.05)
            happened.append(await self._one_fault(faults, fault))
        return happened

    def _end_of_load_beside(self, number: int) -> int:
        ends = [*(fault.at for fault in self.faults), len(self.stories.calls)]
        after, next_after = ends[number + 1], ends[min(number + 2, len(self.faults))]
        return after + (next_after - after) // 2

    async def _one_fault(self, faults: Faults, fault: Fault) -> Happened:
        at, began = self._load.sent, time.monotonic()
        self._broker_log.coordinator_has_failed()  # what it said before has nothing to do with this fault
        self.say(f"{at:>7} events: {fault}")
        try:
            await faults.carry_out(fault)
        except Skipped as reason:
            self.say(f"{'':>7}         skipped: {reason}")
            return Happened(fault, at, 0.0, 0.0, f"skipped: {reason}")
        over = time.monotonic()
        await asyncio.sleep(SETTLE_SECONDS)
        wrong, note = await self._recovery()
        recovered = None if wrong else time.monotonic() - over - STEADY_SECONDS
        told = f"not recovered after {self.patience:g} s: {wrong}" if wrong else f"recovered in {recovered:.1f} s"
        self.say(f"{self._load.sent:>7}         {told}")
        return Happened(fault, at, over - began, recovered, wrong or note)

    async def _drain(self) -> list[str]:
        """Until all workers are ready and nothing waits. Tells what is left when nothing moves any more."""
        last, since = None, time.monotonic()
        while True:
            backlog, troubles = await self._observer.backlog(), await self._observer.troubles()
            if backlog is not None and backlog.empty and not troubles:
                return []
            if backlog != last:
                last, since = backlog, time.monotonic()
            if time.monotonic() - since > self.patience:
                return [f"nothing has moved for {self.patience:g} s: {backlog}, {troubles}"]
            await asyncio.sleep(0.5)

    async def _let_time_pass(self) -> list[str]:
        """What was told is long ago: by the wall clock all leads that can have cooled. The routers come back with that
        clock, both at once, and take lanes from each other while they do it. Tells what is left."""
        routers = self.cluster.of("router")
        await asyncio.gather(*(asyncio.to_thread(worker.stop) for worker in routers))
        due = await self._observer.cooling()
        for worker in routers:
            worker.environment = worker.environment | BY_THE_WALL
            worker.start()
        self.say(f"{'':>7} time passes: {due} leads cool, or are recycled")
        # Whoever is recycled begins anew, and may have to go on from there: so often as there is something due.
        while not (wrong := await self._observer.until(self._warm, self.patience)):
            stuck = await self._drain()
            if stuck or not await self._warm():
                return stuck
        return [wrong, *await self._drain()]

    async def _warm(self) -> str:
        """Who has not cooled yet, and is due."""
        left = await self._observer.cooling()
        return f"{'?' if left is None else left} leads are to cool, and have not" if left != 0 else ""

    async def _recovery(self) -> tuple[str, str]:
        """Until all has been well for a while: a zombie says so too, until it learns what it has missed. What is wrong
        still, and what we had to do ourselves."""
        deadline, note = time.monotonic() + self.patience, ""
        while wrong := await self._observer.until(self._well, LOOK_SECONDS) or await self._relapse():
            if GROUPLESS in wrong and not note and await asyncio.to_thread(self._broker_log.coordinator_has_failed):
                note = "recovered, after we restarted a broker whose own coordinator had failed"
                self.say(f"{'':>7}         Kafka's group coordinator has failed: the broker is restarted")
                await asyncio.to_thread(self.cluster.kafka.stop)
                await asyncio.to_thread(self.cluster.kafka.start)
                deadline = time.monotonic() + self.patience
            if time.monotonic() > deadline:
                return wrong, note
        return "", note

    async def _relapse(self) -> str:
        until = time.monotonic() + STEADY_SECONDS
        while not (wrong := await self._well()) and time.monotonic() < until:  # noqa: ASYNC110 - asks others
            await asyncio.sleep(0.2)
        return wrong

    async def _well(self) -> str:
        return await self._observer.unwell(self._bound)

    async def _until_ready(self, worker: Worker) -> None:
        async def trouble() -> str:
            return (await self._observer.troubles()).get(worker.name, "")

        if wrong := await self._observer.until(trouble, READY_SECONDS):
            raise RuntimeError(f"{worker.name} is not ready after {READY_SECONDS:g} s: {wrong}")

    async def _sample(self, began: float, into: list[Sample]) -> None:
        """With an observer of its own: the other one is busy while a fault is waited for."""
        async with Observer(self.cluster) as observer:
            while True:
                await asyncio.sleep(self.sample_every)
                backlog = await observer.backlog()
                waiting = None if backlog is None else max(backlog.unscored, backlog.unrouted, backlog.outbox)
                sizes = {worker.name: size_of(worker) for worker in self.cluster.running}
                into.append(Sample(round(time.monotonic() - began, 1), self._load.sent, waiting, sizes))


def _warmed_up(samples: Sequence[Sample], workers: Sequence[Worker]) -> dict[str, Size]:
    """The greatest size that any worker of the same service had in the middle third: one that has just been started
    again is no measure for itself."""
    middle = samples[len(samples) // 3 : max(1, 2 * len(samples) // 3)]
    found: dict[str, Size] = {}
    for service in {worker.service for worker in workers}:
        names = [worker.name for worker in workers if worker.service == service]
        seen = [size for sample in middle for name in names if (size := sample.sizes.get(name)) is not None]
        if seen:
            greatest = Size(max(size.megabytes for size in seen), max(size.files for size in seen))
            found |= dict.fromkeys(names, greatest)
    return found


def _grown(sizes: Mapping[str, tuple[Size | None, Size | None]]) -> list[str]:
    wrong = []
    for name, (before, after) in sizes.items():
        if after is None:
            wrong.append(f"{name} is not running")
        elif before is not None and after.megabytes > before.megabytes + MEGABYTES_MORE:
            wrong.append(f"{name} has grown from {before.megabytes:.0f} to {after.megabytes:.0f} MB")
        if before is not None and after is not None and after.files > before.files + FILES_MORE:
            wrong.append(f"{name} has {after.files} open files, had {before.files}")
    return wrong
