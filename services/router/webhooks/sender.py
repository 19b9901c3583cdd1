"""Sends what waits for one webhook, until it is cancelled or disables the webhook.

Of all routers one sends for a webhook (`dispatcher`), so what is being sent need not be marked. A message is deleted
when it was taken: if the router dies in between it is sent again, with the same id.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.router.failures import PostgresAway, told_apart
from services.router.metrics import RouterMetrics
from services.router.webhooks import queue, signing
from services.router.webhooks.backoff import pause
from services.router.webhooks.model import Delivery, Outcome, Subscription
from services.router.webhooks.post import Poster

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Messages of different leads that are sent side by side."""
DOWN_AFTER = 5
"""Failures in a row after which the receiver itself is taken to be down, and asked with one message at a time."""
LOOK_SECONDS = 30.0
SHORT_SECONDS = 1.0
COUNT_EVERY_SECONDS = 10.0
CONTENT = {"content-type": "application/json"}


@dataclass(frozen=True)
class Limits:
    """When a webhook is given up. `retry_seconds`: the first pause after a failure."""

    retry_seconds: float
    disable_after: timedelta
    most_waiting: int


class Sender:
    """`subscription` may be replaced while it runs (another secret); `wake` is set when there may be something new."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it works with, and what it is told by
        self,
        subscription: Subscription,
        engine: AsyncEngine,
        poster: Poster,
        limits: Limits,
        metrics: RouterMetrics,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`engine` commits each statement by itself."""
        self.subscription, self.wake = subscription, asyncio.Event()
        self._engine, self._poster, self._limits, self._chance = engine, poster, limits, chance
        self._attempts = metrics.webhook_attempts
        self._failing, self._in_a_row, self._not_before, self._counted_at = subscription.failing, 0, 0.0, 0.0

    @property
    def _id(self) -> str:
        return self.subscription.webhook_id

    async def run(self) -> None:
        try:
            while True:
                self.wake.clear()
                try:
                    if not await self._round():
                        return
                except PostgresAway as away:
                    log.info("webhook %s: %s; trying again", self._id, away)
                    await asyncio.sleep(SHORT_SECONDS)
        finally:
            await self._poster.close()

    async def _round(self) -> bool:
        """Send what is due, or wait. False: the webhook is disabled now."""
        silence = self._not_before - time.monotonic()
        if silence > 0:
            await asyncio.sleep(min(silence, COUNT_EVERY_SECONDS))
            return await self._within_limits()
        with told_apart():
            async with self._engine.connect() as connection:
                found = await queue.due(connection, self._id, AT_ONCE if self._in_a_row < DOWN_AFTER else 1)
                until_next = None if found else await queue.seconds_until_next(connection, self._id)
        if not found:
            await self._rest(until_next)
            return await self._within_limits()
        # When one raises, the others are waited for: a send left running would send beside the next round.
        done = await asyncio.gather(*(self._send(one) for one in found), return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException):
                raise result
        return all(done) and await self._within_limits()

    async def _rest(self, until_next: float | None) -> None:
        seconds = LOOK_SECONDS if until_next is None else until_next
        if seconds <= 0:
            seconds = SHORT_SECONDS  # a lead's later message is due, but the one before it is not yet
        try:
            async with asyncio.timeout(min(seconds, LOOK_SECONDS)):
                await self.wake.wait()
        except TimeoutError:
            return

    async def _send(self, delivery: Delivery) -> bool:
        """One attempt. False: the webhook is disabled because of it."""
        signed = signing.headers(self.subscription.secrets, delivery.message_id, int(time.time()), delivery.body)
        outcome = await self._poster.post(CONTENT | signed, delivery.body)
        self._attempts.labels(outcome.kind).inc()
        if outcome.error is None:
            await self._taken(delivery)
            return True
        return await self._refused(delivery, outcome, outcome.error)

    async def _taken(self, delivery: Delivery) -> None:
        self._in_a_row = 0
        with told_apart():
            async with self._engine.connect() as connection:
                await queue.delivered(connection, delivery)
                if self._failing:
                    await queue.is_well(connection, self._id)
                    self._failing = False
                    log.info("webhook %s takes messages again", self._id)

    async def _refused(self, delivery: Delivery, outcome: Outcome, error: str) -> bool:
        self._in_a_row += 1
        seconds = max(pause(delivery.attempts + 1, self._limits.retry_seconds, self._chance()), outcome.asked_for)
        if self._in_a_row >= DOWN_AFTER or outcome.asked_for:
            rest = pause(max(1, self._in_a_row - DOWN_AFTER + 1), self._limits.retry_seconds, self._chance())
            self._not_before = time.monotonic() + max(rest, outcome.asked_for)
        with told_apart():
            async with self._engine.connect() as connection:
                age = await queue.failed(connection, delivery, error, seconds)
        if not self._failing:
            self._failing = True
            log.warning("webhook %s: %s; trying again", self._id, error)
        if outcome.is_gone:
            return await self._disable("the receiver answered 410: it wants no more")
        if age >= self._limits.disable_after:
            hours = self._limits.disable_after.total_seconds() / 3600
            return await self._disable(f"a message was not taken for {hours:g} hours; the last attempt: {error}")
        return True

    async def _within_limits(self) -> bool:
        """A receiver that takes less than there is for it must not fill the database."""
        if time.monotonic() - self._counted_at < COUNT_EVERY_SECONDS:
            return True
        self._counted_at = time.monotonic()
        with told_apart():
            async with self._engine.connect() as connection:
                beyond = await queue.has_more_than(connection, self._id, self._limits.most_waiting)
        if beyond:
            return await self._disable(f"more than {self._limits.most_waiting} messages waited")
        return True

    async def _disable(self, reason: str) -> bool:
        with told_apart():
            async with self._engine.connect() as connection:
                await queue.disable(connection, self._id, reason)
        log.error("webhook %s is disabled: %s", self._id, reason)
        return False
