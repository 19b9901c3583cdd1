"""Server-sent events as bytes (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from services.router.stream.places import Places

HEARTBEAT = ": heartbeat\n"
GAP = "tasuki.stream.gap"


def message_frame(places: Places, type: str, data: bytes) -> bytes:
    """An event; `data` is JSON, which has line breaks only between its parts."""
    return f"id: {places}\nevent: {type}\n".encode() + b"data: " + b"\ndata: ".join(data.splitlines()) + b"\n\n"


def heartbeat_frame(places: Places) -> bytes:
    """No event, but it tells how far the stream is: whoever gets little need not read everything again."""
    return f"{HEARTBEAT}id: {places}\n\n".encode()
