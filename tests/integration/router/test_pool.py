"""Connections of the pool that died while nobody used them."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.router import pool


async def _closed_by_postgres(database_url: str) -> int:
    """Leave a dead connection in a pool, then ask for one; 1 when it answers."""
    engine, other = create_async_engine(database_url, pool_size=1), create_async_engine(database_url)
    pool.ask_idle_connections(engine)
    try:
        async with engine.connect() as connection:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        async with other.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        async with engine.connect() as connection:
            return int(await connection.scalar(text("SELECT 1")))
    finally:
        await engine.dispose()
        await other.dispose()


async def test_a_connection_that_died_idle_is_replaced(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "TRUSTED_SECONDS", 0.0)
    assert await _closed_by_postgres(database_url) == 1
