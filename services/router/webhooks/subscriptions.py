"""The webhooks that there are now, and what they want of messages that have been sent to Kafka."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router import repository
from services.router.interest import Addressing
from services.router.outbox import decode_headers
from services.router.webhooks import queue
from services.router.webhooks.model import Delivery, Subscription
from shared.cloudevents import structured


class Subscriptions:
    """`current` is replaced as a whole by the dispatcher; without any, messages cost nothing more than before."""

    def __init__(self, addressing: Addressing) -> None:
        self.current: tuple[Subscription, ...] = ()
        self._addressing = addressing

    async def delete_and_queue(self, connection: AsyncConnection, rows: Sequence[RowMapping]) -> None:
        """Messages of the outbox that Kafka has: deleted, and queued for the webhooks that want them."""
        ids = [row["id"] for row in rows]
        wanted = [delivery for row in rows for delivery in self._wanted(row)] if self.current else []
        if wanted:
            await queue.move(connection, ids, wanted)
        else:
            await repository.delete_outbox(connection, ids)

    def _wanted(self, row: RowMapping) -> list[Delivery]:
        headers = decode_headers(row["headers"])
        known = dict(headers)
        if "ce_id" not in known:
            return []  # events and dead letters are not told to subscribers
        addressed = self._addressing.read(row["topic"], known["ce_type"].decode(), row["value"])
        interested = [one for one in self.current if addressed and one.interest.wants(addressed)]
        if not interested or addressed is None:
            return []
        body, id = structured(headers, row["value"]), known["ce_id"].decode()
        return [Delivery(one.webhook_id, row["id"], addressed.lead_id, id, body) for one in interested]
