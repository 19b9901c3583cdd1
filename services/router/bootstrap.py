"""The one place where the router is put together."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.router import repository
from services.router.activation import Told
from services.router.api.app import build_app
from services.router.clocks import DatabaseClock
from services.router.consumer import Consumer, kafka_consumer
from services.router.erasure.deny_list import refuse_another_key
from services.router.erasure.eraser import Eraser
from services.router.errands import Cooling, Deadlines, Errand, Hour
from services.router.failures import traced
from services.router.feedback.consumer import FeedbackConsumer
from services.router.intake import Intake
from services.router.ledger import Ledger
from services.router.migrate import refuse_other_schema
from services.router.notices import listen
from services.router.playbooks import PlaybookKeeper, Playbooks, rules_of
from services.router.pool import ask_idle_connections
from services.router.relay import Relay, lane_producer
from services.router.settings import ClockKind, RouterSettings
from services.router.status import Watch
from services.router.subscribers import subscribers_of
from services.router.tables import handoffs, leads
from services.router.timer import Timer
from services.router.valve_keeper import ValveKeeper
from shared import logs
from shared.clock import Clock, EventClock
from shared.erasure import ErasureKey
from shared.kafka import client_options
from shared.key_file import ReloadingKeyRing
from shared.playbook import Playbook, PlaybookError, load_playbook
from shared.settings import ConfigurationError, load_settings
from shared.topic_check import partition_counts, refuse_missing, refuse_unequal
from shared.transaction_backoff import shorten_transaction_backoff

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 10
PLANS_OF_BATCHES = {
    # Planned anew for each batch, statements copy their arrays into the plan: 5 of 14 µs for each lead updated.
    "plan_cache_mode": "force_generic_plan",
    # Batches find all by an index. A plan made while a table was small would read the whole of it later.
    "enable_seqscan": "off",
}


def serve() -> None:
    """Runs until SIGTERM or SIGINT. Exits with a message where configuration, Kafka, Postgres, a topic or a table is
    missing, and with 1 when the consumer, the relay or the timer fails: a supervisor starts it again."""
    try:
        settings = load_settings(RouterSettings)
        shorten_transaction_backoff()
        logs.set_up(settings.log_level)
        failed = uvloop.run(run(settings))
    except (ConfigurationError, PlaybookError) as error:
        sys.exit(f"tasuki router: {error}")
    except DBAPIError as error:
        sys.exit(f"tasuki router: Postgres failed\n{traced(error)}")
    if failed:
        sys.exit(1)


async def run(settings: RouterSettings) -> bool:
    """Whether something failed after the start. Raises `ConfigurationError` before the port is opened."""
    playbook = load_playbook(settings.playbook)
    own = rules_of(playbook)
    options = client_options(settings)
    engine, engine_of_batches = ledger_engine(settings, {}), ledger_engine(settings, PLANS_OF_BATCHES)
    try:
        await _check_everything(settings, playbook, options, engine)
        clock, key = await _clock(settings, engine), ErasureKey.of(settings.erasure_key)
        playbooks = Playbooks(engine, own)
        async with engine.connect() as connection:
            await playbooks.refresh(connection)
        if playbooks.current is not own:
            log.warning("not %s holds, which this router was started with, but the one activated last", playbook.id)
        ledger, batches = (Ledger(one, playbooks, settings.topics, clock, key) for one in (engine, engine_of_batches))
        return await _serve(settings, ledger, batches, options)
    finally:
        await engine.dispose()
        await engine_of_batches.dispose()


def ledger_engine(settings: RouterSettings, more: Mapping[str, str]) -> AsyncEngine:
    """Connections, with `more` settings of Postgres, whose transactions end when their worker stands still.

    A worker that is stopped, or whose host is gone, in the middle of a transaction keeps its row locks, and its
    successor would wait for them as long as TCP does: hours. So Postgres ends such a transaction when Kafka gives up
    the worker."""
    idle_ms = round(settings.router_session_timeout_seconds * 1000)
    server_settings = {
        "application_name": settings.group,
        "idle_in_transaction_session_timeout": str(idle_ms),
        **more,
    }
    engine = create_async_engine(
        settings.database_url,
        pool_size=10,
        hide_parameters=True,  # they are contact data, and an error's text would carry them into logs
        connect_args={"server_settings": server_settings},
    )
    ask_idle_connections(engine)
    return engine


async def _serve(settings: RouterSettings, ledger: Ledger, batches: Ledger, options: dict[str, Any]) -> bool:
    """`ledger` is the API's, which counts whole tables; `batches` the consumer's and the relay's."""
    watch = Watch()
    topics = await partition_counts(options)
    subscribers = subscribers_of(settings, ledger, topics, watch.metrics, lambda: server.should_exit)
    await subscribers.webhooks.dispatcher.load()
    relay = Relay(
        batches.engine,
        lambda: consumer.lanes,
        partial(lane_producer, options, f"{settings.group}-relay"),
        watch,
        subscribers.webhooks.subscriptions.delete_and_queue,
    )
    consumer = Consumer(
        kafka_consumer(
            options,
            settings.group,
            records_at_once=settings.router_batch_records,
            session_timeout_seconds=settings.router_session_timeout_seconds,
        ),
        batches,
        Intake(lambda: batches.rules, settings.topics, watch.metrics),
        watch,
        relay.wake.set,
    )
    of_lane = _hours(settings, ledger.clock, consumer)
    grace = timedelta(seconds=settings.router_cooling_grace_seconds)
    errands: list[Errand] = [Cooling(ledger, consumer, Hour(of_lane, grace), watch.metrics)]
    if settings.clock is ClockKind.WALL:
        # Where months pass in seconds nobody can answer in time.
        errands.append(Deadlines(ledger, Hour(of_lane), watch.metrics))
    feedback = FeedbackConsumer(
        kafka_consumer(
            options,
            f"{settings.group}-feedback",
            records_at_once=settings.router_batch_records,
            session_timeout_seconds=settings.router_session_timeout_seconds,
        ),
        ledger,
        watch,
    )
    set_clock = ledger.clock.set if isinstance(ledger.clock, DatabaseClock) else lambda _: None
    timer = Timer(ledger, consumer, errands, watch, set_clock, relay.wake.set)
    told = Told(settings.topics, topics[settings.topics.events])
    valves = ValveKeeper(ledger, watch, relay.wake.set)
    failures: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        def end(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                failures.append(task.get_name())
                error = task.exception()
                log.error("the %s failed; the router ends\n%s", task.get_name(), traced(error) if error else "it ended")
                server.should_exit = True

        tasks = [
            _start("consumer", consumer.run(), end),
            _start("relay", relay.run(), end),
            _start("timer", timer.run(), end),
            _start("valves", valves.run(), end),
            _start("playbooks", PlaybookKeeper(ledger.playbooks, ledger.engine, watch).run(), end),
            _start("feedback", feedback.run(), end),
            _start("webhooks", subscribers.webhooks.dispatcher.run(), end),
            _start("notices", listen(settings.database_url, relay.wake.set), end),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    keys = ReloadingKeyRing(settings.entries_from_environment(), settings.keys_file)
    app = build_app(ledger, keys, watch, lifespan, subscribers, told)
    app.state.eraser = Eraser.of(ledger, timedelta(seconds=settings.router_erasure_settles_seconds))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.router_port,
            loop="uvloop",
            http="httptools",
            access_log=False,  # lead ids and e-mail addresses in paths do not belong into logs
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            lifespan="on",
        )
    )
    # A batch makes tens of thousands of objects that all live until it is written: with the default of 700, looking for
    # cycles among them took two thirds of the time that it takes to decode a score.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    await server.serve()
    return bool(failures)


def _start(name: str, work: Coroutine[Any, Any, None], end: Any) -> asyncio.Task[None]:
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(end)
    return task


async def _check_everything(
    settings: RouterSettings, playbook: Playbook, options: dict[str, Any], engine: AsyncEngine
) -> None:
    """Raises one `ConfigurationError` with all that is wrong."""
    found = await asyncio.gather(
        _check_kafka(settings, playbook, options), _check_database(settings, playbook, engine), return_exceptions=True
    )
    problems = [item for item in found if isinstance(item, BaseException)]
    for problem in problems:
        if not isinstance(problem, ConfigurationError):
            raise problem
    if problems:
        raise ConfigurationError("\n".join(str(problem) for problem in problems))


async def _check_kafka(settings: RouterSettings, playbook: Playbook, options: dict[str, Any]) -> None:
    topics = settings.topics
    wanted = [topics.events, topics.scores, topics.feedback, topics.stages, topics.alerts, topics.dead_letters]
    wanted += [topics.handoffs(department) for department in playbook.departments]
    known = await partition_counts(options)
    refuse_missing(known, wanted)
    refuse_unequal(known, [topics.events, topics.scores, topics.feedback])


async def _check_database(settings: RouterSettings, playbook: Playbook, engine: AsyncEngine) -> None:
    await refuse_other_schema(engine)
    stages = {stage.id for stage in playbook.stages}
    async with engine.connect() as connection:
        await refuse_another_key(connection, ErasureKey.of(settings.erasure_key))
        used = set(await connection.scalars(select(leads.c.stage).distinct()))
        owners = set(await connection.scalars(select(leads.c.department).distinct())) - {None}
        owners |= set(await connection.scalars(select(handoffs.c.receiver).distinct()))
    unknown = sorted(used - stages) + sorted(owners - set(playbook.departments))
    if unknown:
        raise ConfigurationError(
            f"leads are at stages or with departments that the playbook {playbook.id} does not have: "
            f"{', '.join(unknown)}; add them to it"
        )


def _hours(settings: RouterSettings, clock: Clock, consumer: Consumer) -> Callable[[int], datetime | None]:
    """On the clock of the events each lane has its own time: none is as far as the others, and the time of one says
    nothing about leads whose events are still to come."""
    return consumer.latest.get if settings.clock is ClockKind.EVENTS else lambda _: clock.now()


async def _clock(settings: RouterSettings, engine: AsyncEngine) -> Clock:
    async with engine.connect() as connection:
        if settings.clock is ClockKind.WALL:
            return DatabaseClock(await repository.now(connection))
        latest = await connection.scalar(select(func.max(leads.c.score_at)))
    return EventClock(latest or datetime.min.replace(tzinfo=UTC))
