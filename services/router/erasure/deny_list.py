"""Who has been erased, as a router knows it: what is older than the erasure is not applied any more.

The list is kept in memory. Every transaction that moves an offset is told the number of the latest erasure, and no
erasure happens until that transaction ends: so a router asks for the list when there is something new on it, and never
else, and misses nothing that another router has erased.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router.batch import Batch, Received
from services.router.lifecycle.decide import new_lead
from services.router.lifecycle.model import Lead
from services.router.lifecycle.rules import Rules
from shared.erasure import ErasureKey, ErasureKeyError

_NEVER = datetime.min.replace(tzinfo=UTC)
_newer = text(
    "SELECT d.hash, d.until, d.seq, d.handoffs, e.key FROM denied d JOIN erasures e USING (erasure_id) "
    "WHERE erasure_id > :known"
)
_latest = text("SELECT COALESCE(max(erasure_id), 0) FROM erasures")
_keys = text("SELECT DISTINCT key FROM erasures")


class _Denied(NamedTuple):
    until: datetime
    seq: int
    handoffs: int


class DenyList:
    """Without a key it must be empty."""

    def __init__(self, key: ErasureKey | None) -> None:
        self.key, self._latest, self._newest = key, 0, _NEVER
        self._by_hash: dict[bytes, _Denied] = {}

    async def follow(self, connection: AsyncConnection, latest: int) -> None:
        """Know all erasures up to the `latest`. Raises `ErasureKeyError`."""
        if latest <= self._latest:
            return
        for row in await connection.execute(_newer, {"known": self._latest}):
            _made_by(self.key, row.key)
            self._by_hash[row.hash] = _Denied(row.until, row.seq, row.handoffs)
            self._newest = max(self._newest, row.until)
        self._latest = latest

    async def ask(self, connection: AsyncConnection) -> None:
        """For whoever moves no offset: know all erasures until now. Raises `ErasureKeyError`."""
        await self.follow(connection, (await connection.execute(_latest)).scalar_one())

    def covers(self, lead_id: str, at: datetime) -> bool:
        """Whether what happened at that moment is of somebody who has been erased."""
        if at > self._newest:
            return False
        denied = self._of(lead_id)
        return denied is not None and at <= denied.until

    def take_out(self, batch: Batch) -> None:
        """Of a batch what is of erased people."""
        if not self._by_hash:
            return
        before = len(batch.contacts) + len(batch.scores)
        batch.contacts = [one for one in batch.contacts if not self.covers(one.lead_id, one.at)]
        batch.scores = [one for one in batch.scores if not self.covers(one.record.lead_id, one.record.time)]
        batch.denied += before - len(batch.contacts) - len(batch.scores)

    def begun(self, scores: Iterable[Received], existing: Container[str], rules: Rules) -> dict[str, Lead]:
        """How leads without a row begin whose id was erased: their messages and hand-offs have numbers, and so ids, of
        their own."""
        if not self._by_hash:
            return {}
        lanes = {item.record.lead_id: item.lane for item in scores if item.record.lead_id not in existing}
        return {
            lead_id: replace(new_lead(lead_id, lane, rules), seq=denied.seq, handoffs=denied.handoffs)
            for lead_id, lane in lanes.items()
            if (denied := self._of(lead_id)) is not None
        }

    def _of(self, lead_id: str) -> _Denied | None:
        return None if self.key is None else self._by_hash.get(self.key.hash(lead_id))


async def refuse_another_key(connection: AsyncConnection, key: ErasureKey | None) -> None:
    """Raises `ErasureKeyError` unless all that were erased can be known again by this key."""
    for check in await connection.scalars(_keys):
        _made_by(key, check)


def _made_by(key: ErasureKey | None, check: str) -> None:
    if key is None:
        raise ErasureKeyError.missing()
    key.refuse_another(check)
