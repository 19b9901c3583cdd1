"""Large requests of one sender are taken apart one after the other, so that others have every second turn."""

from __future__ import annotations

import asyncio
from collections import defaultdict

LARGE_BYTES = 64 * 1024


class Turns:
    """A lock for each sender."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def of(self, sender: str, body: bytes) -> asyncio.Lock | None:
        """None for a body that costs less than waiting for others. What is compressed may be of any size."""
        is_plain = body[:1] in (b"{", b"[")
        return None if is_plain and len(body) <= LARGE_BYTES else self._locks[sender]
