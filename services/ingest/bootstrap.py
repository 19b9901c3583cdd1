"""The one place where the ingest service is put together."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
import uvloop
from fastapi import FastAPI

from services.ingest.app import build_app
from services.ingest.endpoints import Collaborators
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import KafkaPublisher, Limits
from services.ingest.settings import IngestSettings
from services.ingest.webhooks.loading import load_webhooks
from services.ingest.webhooks.receiver import Webhooks
from shared import logs
from shared.kafka import client_options
from shared.key_file import ReloadingKeyRing
from shared.settings import ConfigurationError, load_settings

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
    publisher = await open_publisher(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, publisher),
            host=settings.host,
            port=settings.ingest_port,
            loop="uvloop",
            http="httptools",
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


async def open_publisher(settings: IngestSettings) -> KafkaPublisher:
    """Connected to Kafka. Raises `ConfigurationError`."""
    return await KafkaPublisher.open(
        client_options(settings),
        [settings.topics.events, settings.topics.dead_letters],
        Limits(settings.produce_timeout_seconds, settings.produce_linger_ms, settings.max_in_flight_bytes),
    )


def create_app(settings: IngestSettings, publisher: KafkaPublisher) -> FastAPI:
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
            keys=ReloadingKeyRing(settings.entries_from_environment(), settings.keys_file),
            publisher=publisher,
            topics=settings.topics,
            metrics=IngestMetrics(),
            webhooks=Webhooks(load_webhooks(settings.webhooks, os.environ), settings.ingest_public_url),
        ),
        lifespan,
    )
