"""Asks a pooled connection whether it still lives, but only one that was not used for a while.

SQLAlchemy's `pool_pre_ping` asks each time, which is three round trips: as many as half of what the relay itself has to
say. The consumer and the relay take a connection a hundred times a second, and try again when it is dead.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine

TRUSTED_SECONDS = 1.0


def ask_idle_connections(engine: AsyncEngine) -> None:
    """From now on a connection of `engine` that was idle for longer than a second, and is dead, is replaced."""
    dialect = engine.sync_engine.dialect

    @event.listens_for(engine.sync_engine, "checkin")
    def used(_: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def ask(connection: Any, record: Any, _: Any) -> None:
        idle = time.monotonic() - record.info.get("used_at", time.monotonic())
        if idle <= TRUSTED_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise DisconnectionError(f"a connection to Postgres has died: {error}") from error
