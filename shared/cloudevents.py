"""CloudEvents 1.0, Kafka binary mode: attributes in headers, JSON data in the value.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

from datetime import UTC, datetime

Headers = list[tuple[str, bytes]]


def headers(*, id: str, type: str, source: str, subject: str, time: datetime) -> Headers:
    """`subject` is the lead id; `time` must be timezone-aware."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_type", type.encode()),
        ("ce_source", source.encode()),
        ("ce_subject", subject.encode()),
        ("ce_time", rfc3339(time).encode()),
        ("content-type", b"application/json"),
    ]


def rfc3339(time: datetime) -> str:
    """UTC with milliseconds and a Z, as most clients write it."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
