"""Of all routers one sends for each webhook: whoever holds its lock in Postgres.

The locks are a connection's: when a router is killed its connection ends, and another one goes on at once. Postgres
ends the connection of one that stands still.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import make_url

from services.router.interest import Interest
from services.router.migrate import unreachable
from services.router.webhooks.model import Subscription
from services.router.webhooks.queue import CHANNEL
from services.router.webhooks.sender import Sender
from services.router.webhooks.subscriptions import Subscriptions

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
AGAIN_SECONDS = 1.0
STANDS_STILL_SECONDS = 20.0
FORGET_EVERY_SECONDS = 3600.0
FORGET_AFTER = timedelta(days=30)
"""As long as hand-offs are kept in Kafka."""
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

_read = """
SELECT webhook_id, url, types, departments, teams, failing_since IS NOT NULL AS failing,
  CASE WHEN old_secret_until > now() THEN ARRAY[secret, old_secret] ELSE ARRAY[secret] END AS secrets
FROM webhooks WHERE disabled_at IS NULL ORDER BY created_at, webhook_id
"""
_forget = "DELETE FROM webhook_deliveries WHERE created_at < now() - $1::interval"
_lock = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_unlock = "SELECT pg_advisory_unlock(hashtextextended($1, 0))"


class Dispatcher:
    """Keeps `subscriptions` up to date, and a sender running for each webhook whose lock this router has."""

    def __init__(
        self, database_url: str, subscriptions: Subscriptions, new_sender: Callable[[Subscription], Sender]
    ) -> None:
        self._url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._subscriptions, self._new_sender = subscriptions, new_sender
        self._senders: dict[str, tuple[Sender, asyncio.Task[None]]] = {}
        self._changed, self._forgot_at = asyncio.Event(), 0.0

    async def run(self) -> None:
        """Until cancelled. Raises what a sender raises: that is a defect, and not a receiver's doing."""
        while True:
            try:
                await self._with_connection()
            except AWAY as error:
                log.info("webhooks: Postgres is away (%s); trying again", type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)

    async def load(self) -> None:
        """What there is at the start: the first message that is sent may be wanted. Raises `ConfigurationError` when
        Postgres does not answer."""
        try:
            connection = await asyncpg.connect(self._url)
            try:
                await self._read(connection)
            finally:
                await connection.close()
        except AWAY as error:
            raise unreachable(self._url, error) from error

    async def _with_connection(self) -> None:
        idle = {"idle_session_timeout": str(round(STANDS_STILL_SECONDS * 1000))}
        connection = await asyncpg.connect(self._url, server_settings=idle)
        try:
            await connection.add_listener(CHANNEL, self._noticed)
            while True:
                self._changed.clear()
                await self._read(connection)
                await self._keep_senders(connection)
                await self._forget(connection)
                await self._wait()
        finally:
            # Without the connection the locks are others'.
            await self._end(list(self._senders))
            connection.terminate()

    def _noticed(self, _connection: object, _pid: int, _channel: str, webhook_id: object) -> None:
        sender = self._senders.get(str(webhook_id))
        if sender:
            sender[0].wake.set()
        elif not webhook_id:
            self._changed.set()

    async def _read(self, connection: Any) -> None:
        self._subscriptions.current = tuple(_subscription(row) for row in await connection.fetch(_read))

    async def _keep_senders(self, connection: Any) -> None:
        wanted = {one.webhook_id: one for one in self._subscriptions.current}
        for id in [id for id, (_, task) in self._senders.items() if id not in wanted or task.done()]:
            await self._end([id])
            await connection.execute(_unlock, id)
        for id, subscription in wanted.items():
            running = self._senders.get(id)
            if running:
                running[0].subscription = subscription
            elif running is None and await connection.fetchval(_lock, id):
                sender = self._new_sender(subscription)
                self._senders[id] = (sender, asyncio.create_task(sender.run(), name=f"webhook {id}"))

    async def _end(self, ids: list[str]) -> None:
        """Raises what a sender has raised."""
        ended = [self._senders.pop(id)[1] for id in ids]
        for task in ended:
            task.cancel()
        for result in await asyncio.gather(*ended, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _forget(self, connection: Any) -> None:
        if time.monotonic() - self._forgot_at > FORGET_EVERY_SECONDS:
            self._forgot_at = time.monotonic()
            await connection.execute(_forget, FORGET_AFTER)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return


def _subscription(row: Any) -> Subscription:
    types, departments, teams = (frozenset(row[name]) for name in ("types", "departments", "teams"))
    return Subscription(
        webhook_id=row["webhook_id"],
        url=row["url"],
        interest=Interest(types, departments, teams),
        secrets=tuple(row["secrets"]),
        failing=row["failing"],
    )
