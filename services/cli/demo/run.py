"""The demo's course: bulk, then a steady rate to measure latency by, then the reckoning."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.cli.demo.arrived import leadless, ledger_ids, logged_ids
from services.cli.demo.drain import Gauge, drained
from services.cli.demo.listener import Listener
from services.cli.demo.remarks import remarks_of
from services.cli.demo.summary import Facts, Phase
from services.cli.demo.words import handoff_in_words
from services.cli.progress import Progress
from services.cli.router_client import RouterClient
from services.cli.sample import Call, Sample, identity_of
from services.cli.sending import Entry, IngestClient, Rejection, send_in_lanes
from services.cli.sending.lanes import encode
from services.cli.stack import Stack
from shared.playbook import Playbook

MOST_PACED = 0.3  # of the sample: the bulk comes first and is most of it
LISTENER_PATIENCE = 30.0
STEADY_LANES = 64


@dataclass(frozen=True)
class Pace:
    """`rate` events per second for about `seconds`."""

    rate: float = 200.0
    seconds: float = 30.0


class Demo:
    """One run against a running stack with `partitions` per topic."""

    def __init__(self, stack: Stack, playbook: Playbook, partitions: int, console: Console) -> None:
        self._stack, self._playbook, self._partitions, self._console = stack, playbook, partitions, console
        self._accepted = 0
        self._rejections: list[Rejection] = []

    async def run(self, sample: Sample, pace: Pace) -> Facts:
        """Stream the sample; returns what became of it. Raises `CommandError` when something stalls."""
        engine = create_async_engine(self._stack.database_url)
        try:
            async with (
                Listener(self._stack.settings, list(self._playbook.departments)) as listener,
                Gauge(self._stack.settings, self._partitions, engine) as gauge,
            ):
                bulk, steady = await self._stream(sample, pace, listener, gauge)
                return await self._reckon(sample, bulk, steady, listener, gauge, engine)
        finally:
            await engine.dispose()

    async def _stream(self, sample: Sample, pace: Pace, listener: Listener, gauge: Gauge) -> tuple[Phase, Phase]:
        entries = [_entry(number, call) for number, call in enumerate(sample.calls)]
        paced = min(int(pace.rate * pace.seconds), int(len(entries) * MOST_PACED))
        bulk = await self._phase("bulk", entries[: len(entries) - paced], listener, gauge, rate=None)
        self._show_one(listener)
        steady = await self._phase("steady", entries[len(entries) - paced :], listener, gauge, rate=pace.rate)
        return bulk, steady

    async def _reckon(  # noqa: PLR0913, PLR0917 - both ends of the way
        self, sample: Sample, bulk: Phase, steady: Phase, listener: Listener, gauge: Gauge, engine: AsyncEngine
    ) -> Facts:
        """Everything is through: compare what was sent with what came out."""
        urls = self._stack.access.urls
        logged, ledger = await logged_ids(self._stack.settings), await ledger_ids(engine)
        unheard, unknown = listener.offers.compared(await gauge.offered())
        async with RouterClient(urls["router"], self._stack.access.token) as router:
            return Facts(
                parts=self._stack.parts.description,
                events=len(sample.calls),
                accepted=self._accepted,
                rejected=len(self._rejections),
                in_log=logged.total(),
                events_lost=len({call["messageId"] for call in sample.calls} - logged.keys()),
                dead_letters=await gauge.dead_letters(),
                ids=len(ledger),
                ids_lost=len(leadless(sample.identities, ledger)),
                ids_unknown=len(ledger.keys() - sample.mentioned),
                ids_merged=sum(lead is not None for lead in ledger.values()),
                stages=await router.leads_by_stage(),
                remarks=await remarks_of(urls["scorer"]),
                handoffs=listener.offers.by_department(),
                handoffs_unheard=unheard,
                handoffs_unknown=unknown,
                repeated_deliveries=listener.offers.repeated,
                audit=await router.audit(),
                restarts={service.name: service.exits for service in self._stack.services if service.exits},
                bulk=bulk,
                steady=steady,
            )

    async def _phase(
        self, name: str, entries: Sequence[Entry], listener: Listener, gauge: Gauge, *, rate: float | None
    ) -> Phase:
        """Send `entries` and wait until they are through: all the way to a subscriber."""
        began, clock = datetime.now(UTC), time.monotonic()
        source = _at_once(entries) if rate is None else _paced(entries, rate)
        what = "streaming" if rate is None else f"at {rate:g}/s"
        with Progress(self._console, "events") as progress:
            progress.start(what, len(entries))
            async with IngestClient(self._stack.access.urls["ingest"], self._stack.access.write_key) as client:

                def answered(batch: Sequence[Entry], rejections: Sequence[Rejection]) -> None:
                    self._accepted += len(batch) - len(rejections)
                    self._rejections.extend(rejections)
                    progress.advance(len(batch))

                # At a rate, each event is sent when its time has come, not when the one before was answered:
                # a slow moment must show in the latencies instead of lowering the rate.
                manner = {} if rate is None else {"lanes": STEADY_LANES, "batch_events": 1}
                await send_in_lanes(client, source, answered, **manner)
        sent = time.monotonic() - clock
        await drained(gauge, self._accepted)
        await _heard(listener)
        latencies = listener.offers.latencies(began, datetime.now(UTC) + timedelta(seconds=1))
        return Phase(name, len(entries), sent, time.monotonic() - clock, latencies)

    def _show_one(self, listener: Listener) -> None:
        """The latest offer to field sales if there is one: it has the longest story."""
        offers = [offer.message for offer in listener.offers.by_id.values()]
        for message in sorted(offers, key=lambda message: len(message["score"]["contributions"]))[-1:]:
            self._console.print(
                handoff_in_words(message, self._playbook.zone), markup=False, highlight=False, soft_wrap=True
            )


async def _heard(listener: Listener) -> None:
    async with asyncio.timeout(LISTENER_PATIENCE):
        while not await listener.caught_up():  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # the consumer tells its position, but nobody when it changes


def _entry(number: int, call: Call) -> Entry:
    return Entry(encode(call), identity_of(call) or "", number)


async def _at_once(entries: Sequence[Entry]) -> AsyncIterator[Entry]:
    for entry in entries:
        yield entry


async def _paced(entries: Sequence[Entry], rate: float) -> AsyncIterator[Entry]:
    began = time.monotonic()
    for number, entry in enumerate(entries):
        ahead = began + number / rate - time.monotonic()
        if ahead > 0:
            await asyncio.sleep(ahead)
        yield entry
