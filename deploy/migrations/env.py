"""Alembic runs this; `services/router/migrate.py` calls Alembic (`tasuki db upgrade`)."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.router.tables import metadata


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        # Two `tasuki db upgrade` at once must not both create the tables.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7305823114)")
        context.run_migrations()


async def _run() -> None:
    engine = create_async_engine(context.config.attributes["database_url"], poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
            await connection.commit()
    finally:
        await engine.dispose()


asyncio.run(_run())
