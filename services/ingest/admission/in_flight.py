"""How much of what is being read, and waits for Kafka, is in memory: for all, and of each sender.

Without a share for each, one sender's flood would take all there is, and everybody else would hear "try later". A
browser's key is in its body: until that is read, it is nobody's.
"""

from __future__ import annotations

from collections import defaultdict
from types import TracebackType

NOBODY = ""
REQUEST_BYTES = 4 * 1024
"""What a request takes besides its body: its task, its headers, what is made of them."""


class Full(Exception):
    """There is no room for this request now; the message says whose room it is."""


class InFlight:
    """`limit` bytes for all; of these a sender may have a quarter, and those of whom nothing is known yet a half."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0
        self._of: defaultdict[str, int] = defaultdict(int)

    def of(self, sender: str) -> int:
        """What `sender` has now."""
        return self._of.get(sender, 0)

    def hold(self, sender: str) -> Hold:
        """For one request, as a context manager. Raises `Full`."""
        hold = Hold(self, sender)
        hold.add(REQUEST_BYTES)
        return hold

    def _add(self, sender: str, size: int) -> None:
        if self.total + size > self.limit:
            raise Full(f"{self.total} bytes of requests are in work, and no more than {self.limit} may be")
        share = self.limit // (2 if sender == NOBODY else 4)
        if self.of(sender) + size > share:
            raise Full(f"{self.of(sender)} bytes of this key's requests are in work, and no more than {share} may be")
        self._of[sender] += size
        self.total += size

    def _release(self, sender: str, size: int) -> None:
        self.total -= size
        self._of[sender] -= size
        if not self._of[sender]:
            del self._of[sender]


class Hold:
    """What one request has; given back when it is done."""

    def __init__(self, of: InFlight, sender: str) -> None:
        self._in_flight = of
        self._sender = sender
        self._size = 0

    def add(self, size: int) -> None:
        """Raises `Full`; what was had before stays."""
        self._in_flight._add(self._sender, size)
        self._size += size

    def move(self, sender: str) -> None:
        """What was nobody's is `sender`'s. Raises `Full`."""
        size, self._size = self._size, 0
        self._in_flight._release(self._sender, size)
        self._sender = sender
        self.add(size)

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_flight._release(self._sender, self._size)
