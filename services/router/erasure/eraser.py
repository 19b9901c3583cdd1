"""Erases a person: all ids, in one transaction, and then their name wherever others' rows have it.

While the first transaction runs no offset moves, so that no batch, of whatever router, writes of the person what it has
read before. It takes its locks in the order of all others: offsets, ids, leads, companies, teams.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router import finding, repository
from services.router.batch import Decided, Known, follow
from services.router.erasure import rows
from services.router.erasure.redacting import impersonal
from services.router.ledger import Ledger
from services.router.lifecycle.erasing import erase
from services.router.lifecycle.joining import LeadsNeeded
from services.router.lifecycle.model import Lead
from services.router.outbox import log_row
from services.router.repository import OUTBOX_CHANNEL
from shared.erasure import Erasure, ErasureKey, erase_event
from shared.identity import known_identity

SETTLES = timedelta(minutes=1)
"""How long after an erasure what the person does still counts as erased: until then all partitions have heard of it."""
_notify = text(f"NOTIFY {OUTBOX_CHANNEL}")


class NotKnown(Exception):
    """Nobody is, or was, known by this id."""


class NoErasureKey(Exception):
    """Without a key nobody can be erased for good."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of an erasure: how many ids the person had, by table how many rows were removed, and the token by
    which it was asked for. What happened by `until` is denied."""

    erased_at: datetime
    until: datetime
    ids: int
    removed: dict[str, int]
    by: str


@dataclass(frozen=True, slots=True)
class Erased:
    """`again`: that was earlier."""

    erasure_id: int
    entry: Entry
    again: bool = False


class Eraser(Ledger):
    """A ledger from which people can be erased. `settles`: what they do so long after it still counts as erased."""

    settles = SETTLES

    @classmethod
    def of(cls, ledger: Ledger, settles: timedelta) -> Eraser:
        made = cls(ledger.engine, ledger.playbooks, ledger.topics, ledger.clock, ledger.denied.key)
        made.settles = settles
        return made

    async def erase(self, id: str, by: str) -> Erased:
        """Erase whom `id` names; `by`: the token. Whoever was erased before is looked for once more in others' rows.

        Raises `NotKnown`, `NoErasureKey`."""
        key = self.denied.key
        if key is None:
            raise NoErasureKey
        done, ids = await self._together(lambda connection, also: self._erase(connection, also, key, id, by))
        await self._together(lambda connection, also: self._take_out_names(connection, also, ids))
        return done

    async def _erase(
        self, connection: AsyncConnection, also: frozenset[str], key: ErasureKey, id: str, by: str
    ) -> tuple[Erased, set[str]]:
        await rows.hold_offsets(connection)
        ids = await self._ids(connection, id)
        if not ids:
            return await _earlier(connection, known_identity(id), key)
        await repository.lock_ids(connection, ids)
        leads, scores = await repository.lock_scored(connection, ids | also)
        known = Known(leads, await repository.open_handoffs(connection, leads), scores, asked=also)
        unsent = await rows.delete_unsent(connection, ids)
        ended = await self._withdraw(connection, known, ids)
        removed = await rows.delete_rows(connection, ids) | {"outbox": unsent}
        now = self.clock.now()
        entry = Entry(now, now + self.settles, len(ids), removed, by)
        erasure_id = await rows.enter(connection, {**asdict(entry), "key": key.check})
        numbers = {key.hash(id): (lead.seq, lead.handoffs) if (lead := ended.get(id)) else (0, 0) for id in ids}
        await rows.deny(connection, erasure_id, entry.until, numbers)
        erasure = Erasure(entry.until, key.check)
        events = [erase_event(id, f"erase:{erasure_id}", now, erasure) for id in sorted(ids)]
        # Any lane will do: the key decides the partition.
        lanes = {id: leads[id].lane for id in ids & leads.keys()}
        await repository.save_outbox(connection, [log_row(one, lanes.get(one.key, 0), self.topics) for one in events])
        await connection.execute(_notify)
        return Erased(erasure_id, entry), ids

    async def _ids(self, connection: AsyncConnection, id: str) -> set[str]:
        """All ids of whom `id` names, with addresses that nothing is known of but that they are theirs. Empty: the
        ledger knows nobody."""
        found = await finding.find(connection, id)
        ids = set(await finding.ids_of(connection, found["lead_id"] if found else known_identity(id)))
        if found and found["merged_into"]:  # a lead that has no row yet
            ids |= set(await finding.ids_of(connection, found["merged_into"]))
        if not await rows.is_known(connection, ids):
            return set()
        shared = {name.strip().casefold() for name in self.rules.playbook.identity.shared_mailboxes}
        addresses = await rows.own_addresses(connection, ids)
        mails = {known_identity(one) for one in addresses if one.split("@")[0].strip().casefold() not in shared}
        return ids | (mails - await rows.with_rows(connection, mails))

    async def _withdraw(self, connection: AsyncConnection, known: Known, ids: Collection[str]) -> dict[str, Lead]:
        """What the person's hand-off comes to, for its receiver and for colleagues; the leads as they were at last."""
        leads, opened = known.leads, known.opened
        own = [opened[id].handoff_id for id in ids if id in opened]
        frozen = await repository.frozen_messages(connection, own)
        await rows.redact(connection, {id: impersonal(message) for id, message in frozen.items()})
        now, mine = self.clock.now(), {id for id in ids if id in leads}

        def decide(again: Known, wanted: set[str]) -> list[Decided]:
            found = []
            for id in sorted(mine & wanted):
                decision = erase(again.leads[id], again.opened.get(id), now)
                found += follow(Decided(decision, again.scores[id], answered=True), again, self.rules, now)
            return found

        decided = await self._decided(connection, known, mine, decide, depend=True)
        await repository.save(connection, await self._rows(connection, decided, leads))
        return leads | {item.decision.lead.lead_id: item.decision.lead for item in decided}

    async def _take_out_names(self, connection: AsyncConnection, also: frozenset[str], ids: Collection[str]) -> None:
        """Colleagues' hand-offs name the person, and so do reasons of theirs. These leads are locked first, or one of
        their own transactions might write the name once more."""
        await repository.lock_leads(connection, also)
        found = await rows.naming(connection, ids, also)
        if unlocked := found.keys() - also:
            raise LeadsNeeded(unlocked)
        for statements in found.values():
            for statement, values in statements:
                await connection.execute(statement, values)


async def _earlier(connection: AsyncConnection, lead_id: str, key: ErasureKey) -> tuple[Erased, set[str]]:
    row: RowMapping | None = await rows.earlier(connection, key.hash(lead_id))
    if row is None:
        raise NotKnown
    return Erased(row["erasure_id"], Entry(**{one.name: row[one.name] for one in fields(Entry)}), again=True), {lead_id}
