"""When an event happened: reading ISO 8601 as senders write it, and correcting their clocks."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_time(text: str) -> datetime:
    """ISO 8601 or RFC 3339 as UTC; a time without an offset is taken as UTC, digits beyond microseconds are cut.

    Raises `ValueError` for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # RFC 3339 allows a lower-case t and z, and some senders put spaces around.
        moment = datetime.fromisoformat(text.strip().upper())
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("outside of the years 1 to 9999") from error


def event_time(timestamp: datetime | None, sent_at: datetime | None, received_at: datetime) -> datetime:
    """`received_at − (sent_at − timestamp)` (Segment's rule): both by the sender's clock, so its error cancels out.

    Without `sent_at` nothing is known about that clock and `timestamp` stands; without either, it is now.
    Raises `ValueError` when the result is no date."""
    if timestamp is None:
        return received_at
    if sent_at is None:
        return timestamp
    try:
        return received_at - (sent_at - timestamp)
    except OverflowError as error:
        raise ValueError("sentAt and timestamp are too far apart") from error
