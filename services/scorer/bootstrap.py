"""Composition root of the scorer: settings, clients, lanes, Faust, and how the process ends.

It ends with 0 after SIGTERM or SIGINT, with 78 when the configuration is at fault, and with 70 after any failure to
commit, restore, or get on. It then does not try to mend itself: a supervisor starts it again (`tasuki up` does), and
it begins with what the topics hold.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from services.scorer import batching
from services.scorer.app import create_app
from services.scorer.apply import Applying
from services.scorer.deciding import Codec, Scoring
from services.scorer.lanes import Lane, Lanes
from services.scorer.metrics import ScorerMetrics
from services.scorer.playbooks import Playbooks
from services.scorer.progress import Watch
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from services.scorer.settings import ScorerSettings
from services.scorer.store import PartitionStore
from services.scorer.web import serving
from shared import logs
from shared.erasure import ErasureKey
from shared.kafka import client_options
from shared.playbook import Playbook, load_playbook
from shared.playbook_topic import read_playbooks
from shared.settings import ConfigurationError, load_settings
from shared.topic_check import partition_counts, refuse_missing, refuse_unequal
from shared.transaction_backoff import shorten_transaction_backoff

log = logging.getLogger(__name__)

FAILED = 70  # EX_SOFTWARE
MISCONFIGURED = 78  # EX_CONFIG
FAILURE_GRACE_SECONDS = 5.0


def serve() -> None:
    """Run the scorer until it is told to stop. Ends the process with the codes above."""
    try:
        settings = load_settings(ScorerSettings)
        scorer = Scorer(load_playbook(settings.playbook))
    except ConfigurationError as error:
        sys.exit(_misconfigured(error))
    run(settings, scorer, Codec(encode_state, decode_state, playbook_of), Scorer)


Make = Callable[[Playbook], Scoring[Any, Any]]
"""Scoring by another playbook."""


def run(settings: ScorerSettings, scoring: Scoring[Any, Any], codec: Codec[Any], make: Make | None = None) -> NoReturn:
    """Run a worker with any scoring; ends the process. Without `make` it scores by that one alone."""
    _configure_logging(settings.log_level)
    # A policy, because Faust's consumer makes the loop of its thread itself.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    shorten_transaction_backoff()
    # A batch makes tens of thousands of objects that all live until it is committed, and the defaults look for cycles
    # among them after every 700, which is a few events; cycles are rare here.
    gc.set_threshold(1_000_000, 20, 100)
    code = asyncio.run(_checked(settings, scoring, codec, make))
    logging.shutdown()
    # Threads of a consumer that did not stop would keep the process alive.
    os._exit(code)


async def _checked(settings: ScorerSettings, scoring: Scoring[Any, Any], codec: Codec[Any], make: Make | None) -> int:
    try:
        await _check_topics(settings)
    except ConfigurationError as error:
        return _misconfigured(error)
    with tempfile.TemporaryDirectory(prefix="tasuki-scorer-") as data_dir:
        return await Worker(settings, scoring, codec, make, Path(data_dir)).run()


async def _check_topics(settings: ScorerSettings) -> None:
    topics, known = settings.topics, await partition_counts(client_options(settings))
    together = [topics.events, topics.scores, topics.scorer_state]
    refuse_missing(known, [*together, topics.dead_letters, topics.playbooks])
    refuse_unequal(known, together)


class Worker:
    """One worker process: builds the parts, runs them, and brings them down in order."""

    def __init__(
        self,
        settings: ScorerSettings,
        scoring: Scoring[Any, Any],
        codec: Codec[Any],
        make: Make | None,
        data_dir: Path,
    ) -> None:
        self._settings = settings
        self._options = client_options(settings)
        self._ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self._metrics = ScorerMetrics()
        key = ErasureKey.of(settings.erasure_key)
        self._playbooks = Playbooks(
            Applying(settings.topics, scoring, codec, key),
            partial(read_playbooks, self._options, settings.topics.playbooks),
            None if make is None else lambda playbook: Applying(settings.topics, make(playbook), codec, key),
        )
        self._turn = asyncio.Lock()
        self._lanes = Lanes(self._lane, self._metrics)
        self._watch = Watch(self._lanes, self._metrics, self._options, settings.topics.events)
        self._app = create_app(settings, self._options, self._lanes, data_dir, self._fail)

    async def run(self) -> int:
        """Until a signal or a failure; the exit code."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, None)
        try:
            async with serving(
                settings.host, settings.scorer_port, self._metrics.registry, self._watch.unready
            ) as port:
                log.info("health and metrics at http://%s:%d", settings.host, port)
                tasks = [
                    asyncio.create_task(self._reporting(self._run_app())),
                    asyncio.create_task(self._reporting(self._watch.run(settings.scorer_stall_seconds))),
                ]
                failure = await self._ended
                await self._bring_down(tasks, failure)
        except OSError as error:
            where = f"{settings.host}:{settings.scorer_port}"
            return _misconfigured(ConfigurationError(f"cannot listen on {where} (TASUKI_SCORER_PORT): {error}"))
        if isinstance(failure, ConfigurationError):
            return _misconfigured(failure)  # what only the topics tell: somebody was erased, by a key that is not ours
        return 0 if failure is None else FAILED

    def _lane(self, partition: int) -> Lane:
        most = self._settings.scorer_batch_events
        return Lane(partition, self._open, self._playbooks, self._metrics, self._fail, most, self._turn)

    async def _open(self, partition: int) -> PartitionStore:
        topics = self._settings.topics
        return await PartitionStore.open(
            partition,
            options=self._options,
            source_topic=topics.events,
            state_topic=topics.scorer_state,
            group=self._settings.group,
            transaction_timeout=self._settings.scorer_transaction_timeout_seconds,
        )

    async def _run_app(self) -> None:
        await self._app.start()
        await self._app.wait_until_stopped()
        if not self._ended.done():
            raise RuntimeError(f"Faust stopped by itself: {self._app.crash_reason!r}") from self._app.crash_reason

    async def _reporting(self, part: Any) -> None:
        try:
            await part
        except Exception as error:  # noqa: BLE001 - every failure ends the worker
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._ended.done():
            log.warning("while ending: %s: %s", type(error).__name__, error)
            return
        log.critical("%s: %s", type(error).__name__, error, exc_info=error)
        self._end(error)

    def _end(self, reason: BaseException | None) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    async def _bring_down(self, tasks: list[asyncio.Task[None]], failure: BaseException | None) -> None:
        grace = FAILURE_GRACE_SECONDS + (0 if failure else self._settings.scorer_transaction_timeout_seconds)
        # Leaving the group lets another worker take over at once. But nothing depends on it, and whatever hangs
        # must not keep a worker half alive: its commits are over.
        deadline = threading.Timer(grace, os._exit, (FAILED,))
        deadline.daemon = True
        deadline.start()
        log.info("ending: %s", "told to" if failure is None else "failed")
        await self._lanes.stop()
        await self._app.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        deadline.cancel()


def _misconfigured(error: ConfigurationError) -> int:
    print(f"tasuki scorer: {error}", file=sys.stderr)  # noqa: T201 - before and apart from any logging
    return MISCONFIGURED


def _configure_logging(level: str) -> None:
    logs.set_up(level)
    # Faust's services log under the module of their class, so those in batching as well.
    for noisy in ("faust", "mode", "aiokafka", batching.__name__):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLogger().level))
