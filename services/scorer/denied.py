"""The deny-list of one partition: ids that were erased, by keyed hash. Pure.

An id is looked up only where an event is as old as the newest erasure; so live events cost two comparisons. It is kept
in the partition's state topic, under keys that no lead id can have, and written by the transaction that erases.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from shared.erasure import Erasure, ErasureKey, ErasureKeyError
from shared.events import LINK, MEMBER, Event

DENIED_PREFIX = b"\xffdenied:"
"""No UTF-8 text has this byte."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Erasure).decode


class Denied:
    """`newest`: no erased id is denied anything later."""

    def __init__(self, key: ErasureKey | None, stored: Mapping[bytes, bytes]) -> None:
        """`stored`: what the state topic has, by its keys. Raises `ErasureKeyError` if it was made by another key."""
        self._key, self._until, self.newest = key, dict[bytes, datetime](), _NEVER
        for stored_key, value in stored.items():
            erasure = _decode(value)
            self._made_by(erasure.key)
            self._keep(stored_key.removeprefix(DENIED_PREFIX), erasure.until)

    def __len__(self) -> int:
        return len(self._until)

    def add(self, lead_id: str, erasure: Erasure) -> tuple[bytes, bytes]:
        """From now on the id is denied; key and value for the state topic. Raises `ErasureKeyError`."""
        hashed = self._made_by(erasure.key).hash(lead_id)
        until = self._keep(hashed, erasure.until)
        return DENIED_PREFIX + hashed, _encode(Erasure(until, erasure.key))

    def covers(self, event: Event) -> bool:
        """Whether the event is of somebody who was erased, and of before. What partitions tell each other is as old as
        its receipt: the sender may go on with a history of its own."""
        if self._key is None or not self._until:
            return False
        is_between = event.kind is LINK or event.kind is MEMBER
        at = event.received_at if is_between else event.happened
        return at <= self.newest and at <= self._until.get(self._key.hash(event.key), _NEVER)

    def _made_by(self, check: str) -> ErasureKey:
        if self._key is None:
            raise ErasureKeyError.missing()
        self._key.refuse_another(check)
        return self._key

    def _keep(self, hashed: bytes, until: datetime) -> datetime:
        known = self._until[hashed] = max(until, self._until.get(hashed, until))
        self.newest = max(self.newest, known)
        return known
