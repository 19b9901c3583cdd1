"""What could not be processed: kept byte for byte, with the reason in the headers, so that it can be sent again.

A dead letter that was sent again stays where it is, since nothing in a log can be changed; a marker behind it says so.
Whoever reads the topic tells the two apart by `retried`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from shared.cloudevents import Headers, rfc3339

REASON, SERVICE, ORIGIN, TIME = "tasuki_reason", "tasuki_service", "tasuki_origin", "tasuki_time"
RETRIED = "tasuki_retried"
HTTP = "http:"


def headers(*, reason: str, service: str, origin: str, at: datetime, received: Headers | None = None) -> Headers:
    """`origin` is where it came from: `topic/partition/offset`, or `http:<source>`. Original headers follow."""
    return [
        (REASON, reason.encode()),
        (SERVICE, service.encode()),
        (ORIGIN, origin.encode()),
        (TIME, _time(at)),
        *(received or []),
    ]


def marker(place: str, at: datetime) -> Headers:
    """Of an empty record: the dead letter at `place` (`partition/offset`) was sent again at the moment `at`."""
    return [(RETRIED, place.encode()), (TIME, _time(at))]


def retried(headers: Iterable[tuple[str, bytes | str]]) -> str | None:
    """The place that a marker names; None: the record is a dead letter."""
    # The first header alone tells: further down are those of the original, which may have any name.
    name, value = next(iter(headers), ("", b""))
    if name != RETRIED:
        return None
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _time(at: datetime) -> bytes:
    return rfc3339(at.astimezone(UTC)).encode()
