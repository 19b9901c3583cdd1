"""Postgres's NOTIFY wakes the relay that owns a lane when another process has left a message in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import asyncpg
from sqlalchemy import make_url

from services.router.repository import OUTBOX_CHANNEL

log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0


async def listen(database_url: str, wake: Callable[[], None]) -> None:
    """Until cancelled. While Postgres is away the relay still looks by itself."""
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            connection = await asyncpg.connect(url)
        except (OSError, asyncpg.PostgresError) as error:
            log.info("cannot listen for notices (%s); trying again", type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)
            continue
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _, closed=closed: closed.set())
        try:
            await connection.add_listener(OUTBOX_CHANNEL, lambda *_: wake())
            wake()  # for what was said before anybody listened
            await closed.wait()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.info("lost the connection for notices: %s", type(error).__name__)
        finally:
            connection.terminate()
