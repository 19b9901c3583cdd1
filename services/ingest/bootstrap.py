"""The one place where the ingest service is put together."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI

from services.ingest.admission.gate import Gate
from services.ingest.admission.in_flight import InFlight
from services.ingest.app import build_app
from services.ingest.collaborators import Collaborators
from services.ingest.metrics import IngestMetrics
from services.ingest.protocol import impatient
from services.ingest.publisher import KafkaPublisher, Limits
from services.ingest.publishing import Publisher
from services.ingest.settings import IngestSettings
from services.ingest.spool.publisher import SpooledPublisher
from services.ingest.spool.spool import Spool
from services.ingest.webhooks.loading import load_webhooks
from services.ingest.webhooks.receiver import Webhooks
from shared import logs
from shared.kafka import KafkaAway, client_options
from shared.key_file import ReloadingKeyRing
from shared.settings import ConfigurationError, load_settings

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 10


def serve() -> None:
    """Runs until SIGTERM or SIGINT. Exits with a message where the configuration, Kafka or a topic is missing."""
    try:
        settings = load_settings(IngestSettings)
        logs.set_up(settings.log_level)
        uvloop.run(run(settings))
    except ConfigurationError as error:
        sys.exit(f"tasuki ingest: {error}")


async def run(settings: IngestSettings) -> None:
    """Raises `ConfigurationError` before the port is opened."""
    metrics = IngestMetrics()
    publisher = await open_publisher(settings, metrics)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, publisher, metrics),
            host=settings.host,
            port=settings.ingest_port,
            loop="uvloop",
            http=impatient(settings.request_seconds),
            access_log=False,  # addresses and write keys in queries do not belong into logs
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            lifespan="on",
        )
    )
    # Requests make and drop many objects without cycles: looking for cycles cost a sixth of the throughput and
    # doubled the p99.
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    await server.serve()


async def open_publisher(settings: IngestSettings, metrics: IngestMetrics) -> Publisher:
    """Connected to Kafka, or with a spool that was once. Raises `ConfigurationError`."""
    options, topics = client_options(settings), settings.topics
    limits = Limits(settings.produce_timeout_seconds, settings.produce_linger_ms, settings.max_in_flight_bytes)
    names = [topics.events, topics.dead_letters]
    if settings.spool_dir is None:
        log.warning("without TASUKI_SPOOL_DIR senders get 429 while Kafka is away")
        return await KafkaPublisher.open(options, names, limits)
    spool = Spool.open(settings.spool_dir, settings.spool_max_bytes, metrics.sync_seconds.observe)
    metrics.watch(spool)
    limits = replace(limits, patience=settings.spool_after_seconds)
    kafka = await connect(spool, options, names, limits)
    return SpooledPublisher(kafka, spool, topics.dead_letters)


async def connect(spool: Spool, options: dict[str, Any], topics: Sequence[str], limits: Limits) -> KafkaPublisher:
    """A first start needs Kafka, so that a wrong address is noticed; later ones do not. Raises `ConfigurationError`."""
    try:
        kafka = await KafkaPublisher.open(options, topics, limits)
    except KafkaAway as error:
        if not spool.serves(topics):
            raise
        log.warning("%s; starting with the spool in %s", error, spool.directory)
        return KafkaPublisher.connect_later(options, limits)
    spool.serve(topics)
    return kafka


def create_app(settings: IngestSettings, publisher: Publisher, metrics: IngestMetrics) -> FastAPI:
    """The app, which closes `publisher` when it stops.

    That is done here and not after `serve`: uvicorn repeats the signal that stopped it as soon as it is done."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await publisher.close()

    return build_app(
        Collaborators(
            gate=Gate(
                ReloadingKeyRing(settings.entries_from_environment(), settings.keys_file),
                metrics,
                InFlight(settings.max_in_flight_bytes),
            ),
            publisher=publisher,
            topics=settings.topics,
            metrics=metrics,
            script_dir=settings.analytics_js,
            truncates_ip=settings.truncate_ip,
            public_url=settings.ingest_public_url,
            webhooks=Webhooks(load_webhooks(settings.webhooks, os.environ), settings.ingest_public_url),
        ),
        lifespan,
    )
