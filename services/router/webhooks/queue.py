"""What waits to be delivered, in Postgres. Times are Postgres's, whichever router asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router.webhooks.model import Delivery

CHANNEL = "tasuki_webhooks"
"""Notices: the id of a webhook that has something new to send; empty when webhooks have changed."""

# Deleted from the outbox and queued in one statement: either both have happened or none. The join leaves out webhooks
# that are gone or disabled by now, and rows that another relay has deleted (and queued) already.
_move = text(f"""
WITH gone AS (DELETE FROM outbox WHERE id = ANY(CAST(:ids AS bigint[])) RETURNING id),
given AS (
  SELECT * FROM unnest(
    CAST(:webhooks AS text[]), CAST(:positions AS bigint[]), CAST(:leads AS text[]), CAST(:messages AS text[]),
    CAST(:bodies AS bytea[])
  ) AS g (webhook_id, position, lead_id, message_id, body)
),
queued AS (
  INSERT INTO webhook_deliveries
    (webhook_id, position, lead_id, message_id, body, created_at, attempts, next_attempt_at)
  SELECT g.webhook_id, g.position, g.lead_id, g.message_id, g.body, now(), 0, now()
  FROM given g JOIN gone ON gone.id = g.position
  JOIN webhooks w ON w.webhook_id = g.webhook_id AND w.disabled_at IS NULL
  RETURNING webhook_id
)
SELECT pg_notify('{CHANNEL}', webhook_id) FROM (SELECT DISTINCT webhook_id FROM queued) AS told
""")
# Of each lead only the first: a later message is not sent before an earlier one was taken.
_due = text("""
SELECT webhook_id, position, lead_id, message_id, body, attempts, first_failed_at FROM webhook_deliveries d
WHERE webhook_id = :webhook AND next_attempt_at <= now() AND NOT EXISTS (
  SELECT 1 FROM webhook_deliveries b
  WHERE b.webhook_id = d.webhook_id AND b.lead_id = d.lead_id AND b.position < d.position
)
ORDER BY next_attempt_at, position LIMIT :limit
""")
_next = text(
    "SELECT EXTRACT(EPOCH FROM min(next_attempt_at) - now())::float FROM webhook_deliveries WHERE webhook_id = :webhook"
)
_delivered = text("DELETE FROM webhook_deliveries WHERE webhook_id = :webhook AND position = :position")
_well = text("UPDATE webhooks SET failing_since = NULL WHERE webhook_id = :webhook")
# The lead's later messages wait with the one that failed, so that they are not looked at again and again.
_failed = text("""
WITH waiting AS (
  UPDATE webhook_deliveries SET
    next_attempt_at = now() + :pause,
    attempts = attempts + CASE WHEN position = :position THEN 1 ELSE 0 END,
    first_failed_at = CASE WHEN position = :position THEN COALESCE(first_failed_at, now()) ELSE first_failed_at END
  WHERE webhook_id = :webhook AND lead_id = :lead
  RETURNING position, first_failed_at
),
failing AS (
  UPDATE webhooks SET failing_since = COALESCE(failing_since, now()), last_error = :error, last_error_at = now()
  WHERE webhook_id = :webhook RETURNING failing_since
)
SELECT now() - LEAST(
  (SELECT failing_since FROM failing), (SELECT first_failed_at FROM waiting WHERE position = :position)
)
""")
_disable = text(f"""
WITH disabled AS (
  UPDATE webhooks SET disabled_at = now(), disabled_reason = :reason
  WHERE webhook_id = :webhook AND disabled_at IS NULL RETURNING 1
)
SELECT pg_notify('{CHANNEL}', '') FROM disabled
""")
_beyond = text("SELECT EXISTS (SELECT 1 FROM webhook_deliveries WHERE webhook_id = :webhook OFFSET :most)")


async def move(connection: AsyncConnection, ids: Sequence[int], deliveries: Sequence[Delivery]) -> None:
    """Delete rows of the outbox; what webhooks want of them waits for them from now on."""
    columns = {
        "webhooks": [one.webhook_id for one in deliveries],
        "positions": [one.position for one in deliveries],
        "leads": [one.lead_id for one in deliveries],
        "messages": [one.message_id for one in deliveries],
        "bodies": [one.body for one in deliveries],
    }
    await connection.execute(_move, {"ids": list(ids), **columns})


async def due(connection: AsyncConnection, webhook_id: str, limit: int) -> list[Delivery]:
    """What may be sent now, at most one message of each lead."""
    rows = await connection.execute(_due, {"webhook": webhook_id, "limit": limit})
    return [Delivery(*row) for row in rows]


async def seconds_until_next(connection: AsyncConnection, webhook_id: str) -> float | None:
    """None: nothing waits."""
    seconds: float | None = await connection.scalar(_next, {"webhook": webhook_id})
    return seconds


async def delivered(connection: AsyncConnection, delivery: Delivery) -> None:
    await connection.execute(_delivered, {"webhook": delivery.webhook_id, "position": delivery.position})


async def is_well(connection: AsyncConnection, webhook_id: str) -> None:
    """A message was taken after others had failed."""
    await connection.execute(_well, {"webhook": webhook_id})


async def failed(connection: AsyncConnection, delivery: Delivery, error: str, pause_seconds: float) -> timedelta:
    """Try again after the pause. Returns for how long this delivery, or all of the webhook's, have failed."""
    values = {
        "webhook": delivery.webhook_id,
        "position": delivery.position,
        "lead": delivery.lead_id,
        "error": error,
        "pause": timedelta(seconds=pause_seconds),
    }
    age: timedelta | None = await connection.scalar(_failed, values)
    return age or timedelta(0)


async def disable(connection: AsyncConnection, webhook_id: str, reason: str) -> None:
    """From now on nothing is queued or sent. What waits stays, until the webhook is enabled or deleted."""
    await connection.execute(_disable, {"webhook": webhook_id, "reason": reason})


async def has_more_than(connection: AsyncConnection, webhook_id: str, most: int) -> bool:
    """Whether more than `most` messages wait."""
    return bool(await connection.scalar(_beyond, {"webhook": webhook_id, "most": most}))
