"""What could not be processed: kept byte for byte, with the reason in the headers, so that it can be sent again."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.cloudevents import Headers, rfc3339


def headers(*, reason: str, service: str, origin: str, at: datetime, received: Headers | None = None) -> Headers:
    """`origin` is where it came from: `topic/partition/offset`, or `http:<source>`. Original headers follow."""
    return [
        ("tasuki_reason", reason.encode()),
        ("tasuki_service", service.encode()),
        ("tasuki_origin", origin.encode()),
        ("tasuki_time", rfc3339(at.astimezone(UTC)).encode()),
        *(received or []),
    ]
