"""The webhooks' rows: made, shown, enabled, rotated and deleted by the API."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import RowMapping, func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.router.tables import webhook_deliveries, webhooks
from services.router.webhooks.queue import CHANNEL
from services.router.webhooks.signing import SECRET_BYTES, secret_of


class WebhookUnknown(Exception):
    """There is no webhook of this id."""


class Registry:
    """Each change tells all routers at once. Methods that take an id raise `WebhookUnknown`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def create(self, values: dict[str, Any], by: str) -> tuple[RowMapping, str]:
        """A new webhook and its secret, which is not shown again. `values`: name, url, types, departments, teams."""
        secret = _new_secret()
        row = {**values, "webhook_id": f"wh_{uuid.uuid4().hex}", "secret": secret, "created_by": by}
        async with self._engine.begin() as connection:
            await connection.execute(webhooks.insert().values(**row, created_at=func.now()))
            await _tell(connection)
            (shown,) = await _shown(connection, row["webhook_id"])
        return shown, secret

    async def all(self) -> Sequence[RowMapping]:
        async with self._engine.connect() as connection:
            return await _shown(connection)

    async def one(self, id: str) -> RowMapping:
        async with self._engine.connect() as connection:
            return _first(await _shown(connection, id), id)

    async def secrets(self, id: str) -> tuple[str, list[str]]:
        """The URL, and the secrets that are valid now."""
        async with self._engine.connect() as connection:
            query = select(
                webhooks.c.url, webhooks.c.secret, webhooks.c.old_secret, webhooks.c.old_secret_until > func.now()
            ).where(webhooks.c.webhook_id == id)
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise WebhookUnknown(id)
        return row[0], [row[1], row[2]] if row[3] else [row[1]]

    async def delete(self, id: str) -> None:
        """With all that waits for it."""
        async with self._engine.begin() as connection:
            gone = await connection.execute(webhooks.delete().where(webhooks.c.webhook_id == id))
            await _tell(connection)
        if not gone.rowcount:
            raise WebhookUnknown(id)

    async def enable(self, id: str) -> RowMapping:
        """What still waits is sent at once, in its order."""
        cleared = {"disabled_at": None, "disabled_reason": None, "failing_since": None}
        again = (
            update(webhook_deliveries)
            .where(webhook_deliveries.c.webhook_id == id)
            .values(next_attempt_at=func.now(), first_failed_at=None, attempts=0)
        )
        async with self._engine.begin() as connection:
            await connection.execute(update(webhooks).where(webhooks.c.webhook_id == id).values(cleared))
            await connection.execute(again)
            await _tell(connection)
            return _first(await _shown(connection, id), id)

    async def rotate(self, id: str, overlap: timedelta) -> tuple[RowMapping, str]:
        """A new secret; the one before it signs as well until the overlap is over."""
        secret = _new_secret()
        values = {"secret": secret, "old_secret": webhooks.c.secret, "old_secret_until": func.now() + overlap}
        async with self._engine.begin() as connection:
            await connection.execute(update(webhooks).where(webhooks.c.webhook_id == id).values(values))
            await _tell(connection)
            return _first(await _shown(connection, id), id), secret


async def watch(connection: AsyncConnection) -> tuple[dict[str, int], int, float]:
    """For metrics: webhooks by state, how many messages wait, and the age of the oldest that is due in seconds."""
    states = {"well": 0, "failing": 0, "disabled": 0}
    for row in await _shown(connection):
        states["disabled" if row["disabled_at"] else "failing" if row["failing_since"] else "well"] += 1
    # Without webhooks nothing waits, and no table is read.
    waiting, oldest = (await connection.execute(_waiting)).one() if any(states.values()) else (0, None)
    return states, waiting, oldest or 0.0


_waiting = text(
    "SELECT count(*), EXTRACT(EPOCH FROM now() - min(d.created_at) FILTER (WHERE w.disabled_at IS NULL))::float "
    "FROM webhook_deliveries d JOIN webhooks w USING (webhook_id)"
)
_hidden = {"secret", "old_secret"}


async def _shown(connection: AsyncConnection, id: str | None = None) -> Sequence[RowMapping]:
    """Without secrets; with what waits."""
    of_it = webhook_deliveries.c.webhook_id == webhooks.c.webhook_id
    waiting = select(func.count()).where(of_it).scalar_subquery().label("waiting")
    oldest = select(func.min(webhook_deliveries.c.created_at)).where(of_it).scalar_subquery().label("oldest_waiting_at")
    columns = [column for column in webhooks.c if column.name not in _hidden]
    query = select(*columns, waiting, oldest).order_by(webhooks.c.created_at, webhooks.c.webhook_id)
    if id is not None:
        query = query.where(webhooks.c.webhook_id == id)
    return (await connection.execute(query)).mappings().all()


def _first(rows: Sequence[RowMapping], id: str) -> RowMapping:
    if not rows:
        raise WebhookUnknown(id)
    return rows[0]


async def _tell(connection: AsyncConnection) -> None:
    await connection.execute(select(func.pg_notify(literal(CHANNEL), literal(""))))


def _new_secret() -> str:
    return secret_of(secrets.token_bytes(SECRET_BYTES))
