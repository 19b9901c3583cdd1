"""The ledger: every change of a lead is one Postgres transaction, with its messages and the offsets it came from."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.router import repository, staffing
from services.router.batch import (
    Batch,
    Decided,
    Hours,
    Known,
    Received,
    Rows,
    ask_valve,
    cool_until,
    decide_all,
    due_until,
    follow,
)
from services.router.company_view import Contacts, around_of
from services.router.contact import ContactDatum
from services.router.erasure.deny_list import DenyList
from services.router.failures import described, is_about_values, sqlstate
from services.router.lifecycle.answers import case_of
from services.router.lifecycle.case import Case
from services.router.lifecycle.joining import LeadsNeeded
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Surroundings
from services.router.needs import cooling_before, kin_named, who_names
from services.router.outbox import OutboxRow, dead_letter_row
from services.router.parting import parts
from services.router.playbooks import Playbooks
from services.router.repository import OUTBOX_CHANNEL
from services.router.scribe import Scribe
from services.router.telling import reached_out, turned_handoffs
from shared.clock import Clock
from shared.erasure import ErasureKey
from shared.topics import Topics

log = logging.getLogger(__name__)

Answer = Callable[[Lead, HandOff, Case], Decision]
Deciding = Callable[[Known, set[str]], list[Decided]]
PassingTime = Callable[[datetime, str, Known, Rules], Iterable[Decided]]
Done = TypeVar("Done")
Work = Callable[[AsyncConnection, frozenset[str]], Awaitable[Done]]
"""In a transaction, with leads that are to be locked as well."""

TRIES = 5
"""Of an answer, when another transaction is in the way."""


class HandOffUnknown(Exception):
    """There is no hand-off of this id."""


class Ledger:
    """Applies batches, and answers that people give to hand-offs."""

    def __init__(
        self,
        engine: AsyncEngine,
        rules: Rules | Playbooks,
        topics: Topics,
        clock: Clock,
        erasure_key: ErasureKey | None = None,
    ) -> None:
        self.engine, self.topics, self.clock = engine, topics, clock
        self.playbooks = rules if isinstance(rules, Playbooks) else Playbooks(engine, rules)
        self.denied = DenyList(erasure_key)

    @property
    def rules(self) -> Rules:
        """Those that hold now."""
        return self.playbooks.current

    async def apply(self, batch: Batch) -> int:
        """Apply a batch, each score by the rules of the playbook that it was made with; where these are not known, by
        those that hold. As `apply_by_one` for each part."""
        current, ids = self.rules, {item.record.playbook for item in batch.scores}
        if ids <= {current.playbook.id}:
            return await self.apply_by_one(batch)
        await self.playbooks.deciding(ids)
        rules = {name: self.playbooks.rules(name) or current for name in ids}
        if len({id(one) for one in rules.values()}) == 1:
            return await self._by(next(iter(rules.values()))).apply_by_one(batch)
        found = parts(batch, self.topics.scores)
        messages = 0
        for name, part in found:
            messages += await self._by(rules[name]).apply_by_one(part)
        batch.take_parts([part for _, part in found])
        return messages

    def _by(self, rules: Rules) -> Ledger:
        """The same ledger, deciding by these."""
        ledger = Ledger(self.engine, rules, self.topics, self.clock)
        ledger.denied = self.denied
        return ledger

    async def apply_by_one(self, batch: Batch) -> int:
        """Apply a batch by the rules that hold, all or nothing; returns the number of messages that wait to be sent
        because of it.

        Raises `OffsetsMoved` when another worker owns one of the partitions, `DBAPIError` or `OSError` when Postgres
        is away. A score that Postgres refuses goes to the dead letters, refused contact data is left out, and the
        others are applied: `batch` tells afterwards how many of each were refused."""
        poison: list[OutboxRow] = []
        while True:
            try:
                return await self._together(lambda connection, also: self._apply(connection, also, batch, poison))
            except DBAPIError as error:
                if not is_about_values(error) or not (
                    await self._drop_refused_contacts(batch) or await self._drop_refused_score(batch, poison)
                ):
                    raise

    async def _together(self, work: Work[Done], *, kept: bool = True) -> Done:
        """Do `work` in a transaction, rolled back at any error and where it is not to be kept. Where it turns out to
        concern colleagues of its leads, it is begun again with all of them: locks are taken in one order only, or two
        transactions could wait for each other for ever. Few leads have colleagues who have joined them, and few
        records concern these."""
        also: frozenset[str] = frozenset()
        while True:
            try:
                async with self.engine.begin() if kept else self.engine.connect() as connection:
                    return await work(connection, also)
            except LeadsNeeded as needed:
                if needed.ids <= also:
                    raise RuntimeError("a lead has been locked, and is still not known") from needed
                also |= needed.ids

    async def _apply(
        self, connection: AsyncConnection, also: frozenset[str], batch: Batch, poison: list[OutboxRow]
    ) -> int:
        await self.denied.follow(connection, await repository.advance(connection, batch.offsets))
        self.denied.take_out(batch)
        await repository.save_contacts(connection, batch.contacts)
        rows = await self._decide(connection, also, batch.scores)
        batch.cooled = rows.cooled
        rows.outbox.extend((*batch.dead, *poison))
        await repository.save(connection, rows)
        return len(rows.outbox)

    async def _decide(self, connection: AsyncConnection, also: frozenset[str], scores: list[Received]) -> Rows:
        if not scores:
            return Rows()
        ids = {item.record.lead_id for item in scores}
        kin: set[str] = set()
        if named := kin_named(scores):
            # Of two that are one lead neither may have a row yet: two workers would not see each other's.
            await repository.lock_ids(connection, named | who_names(scores))
            leads, raw, kin = await repository.lock_kin(connection, ids | also, named)
        else:
            leads, raw = await repository.lock_leads(connection, ids | also)
        depend = bool(named or also)  # also where neither of two that are one lead has a row yet
        kin |= also
        passed = [lead.lead_id for lead in leads.values() if lead.handoffs]
        opened = await repository.open_handoffs(connection, passed) if passed else {}
        latest = repository.decoded(raw, [*cooling_before(leads, scores), *kin])
        known = Known(dict(leads), opened, latest, asked=also, begun=self.denied.begun(scores, leads, self.rules))
        hours = Hours(self.clock)

        def decide(again: Known, ids: set[str]) -> list[Decided]:
            return decide_all((item for item in scores if item.record.lead_id in ids), again, self.rules, hours)

        return await self._rows(connection, await self._decided(connection, known, ids, decide, depend), leads)

    async def _decided(
        self, connection: AsyncConnection, known: Known, ids: set[str], decide: Deciding, depend: bool = False
    ) -> list[Decided]:
        """What `decide` decides about leads; once more about those for which teams or companies must be known, when
        these have been asked. `depend`: the leads are not independent of each other, so that all are decided again."""
        done: list[Decided] = []
        around, again = Surroundings(), ids
        while again:
            decided = decide(known.with_(around), again)
            wanted = set(around.wanted)
            await staffing.ask(connection, around, self.rules)
            if wanted and (depend or not wanted <= ids or around.is_shared(wanted)):
                around.begin_again()
                done, again = [], ids
            else:
                done += [item for item in decided if item.decision.lead.lead_id not in wanted]
                again = wanted
        await staffing.save_turns(connection, around)
        return done

    async def cool(self, lane: int, until: datetime, most: int) -> list[Decided]:
        """Let time move up to `most` leads of a lane that it was to move by `until`, and that nobody else has locked;
        what was decided. Whoever does it: the lead's row is locked, and asked again whether it is due."""
        return await self._when_due(repository.COOLING, cool_until, lane, until, most)

    async def meet_deadlines(self, lane: int, until: datetime, most: int) -> list[Decided]:
        """The same for what is due by the clock: expiry, reminders, follow-ups."""
        return await self._when_due(repository.DEADLINES, due_until, lane, until, most)

    async def _when_due(
        self, timed: repository.Timed, pass_time: PassingTime, lane: int, until: datetime, most: int
    ) -> list[Decided]:
        due: set[str] = set()

        async def work(connection: AsyncConnection, also: frozenset[str]) -> list[Decided]:
            if also:
                # Begun again: the same leads, and these are waited for, as their colleagues must be.
                leads, scores = await repository.lock_scored(connection, due | also)
            else:
                leads, scores = await repository.lock_due(connection, timed, lane, until, most)
                due.update(leads)
            if not leads:
                return []
            known = Known(leads, await repository.open_handoffs(connection, leads), scores, asked=also)

            def decide(again: Known, ids: set[str]) -> list[Decided]:
                return [
                    item
                    for lead_id in sorted(ids & leads.keys())
                    for item in pass_time(until, lead_id, again, self.rules)
                ]

            decided = await self._decided(connection, known, set(due), decide, bool(also))
            await repository.save(connection, await self._rows(connection, decided, leads))
            return decided

        return await self._together(work)

    async def ask_valves(self, lead_ids: Sequence[str]) -> bool:
        """Look again at leads that stand before a valve, in this order; whether any of them went on."""

        async def work(connection: AsyncConnection, also: frozenset[str]) -> bool:
            leads, scores = await repository.lock_scored(connection, set(lead_ids) | also)
            known = Known(leads, await repository.open_handoffs(connection, leads), scores, asked=also)
            now = self.clock.now()

            def decide(again: Known, ids: set[str]) -> list[Decided]:
                asked = (lead_id for lead_id in lead_ids if lead_id in ids and lead_id in leads)
                return [item for lead_id in asked for item in ask_valve(lead_id, again, self.rules, now)]

            decided = await self._decided(connection, known, set(lead_ids), decide, bool(also))
            await repository.save(connection, await self._rows(connection, decided, leads))
            return any(not item.counts_only for item in decided)

        return await self._together(work)

    async def _rows(self, connection: AsyncConnection, decided: list[Decided], before: Mapping[str, Lead]) -> Rows:
        """What is to be written; `before`: the leads that have a row, as that has them."""
        ended = (item.decision.lead for item in decided)
        members = {lead.lead_id: lead.merged_into for lead in ended if lead.merged_into is not None}
        scribe, contacts = await self._scribe(connection, decided, members)
        scribe.write_leads(decided, before)
        for item in decided:
            scribe.write_scored(item, contacts.get(item.decision.lead.lead_id, {}))
        return scribe.rows

    async def _scribe(
        self, connection: AsyncConnection, decided: Sequence[Decided], members: Mapping[str, str]
    ) -> tuple[Scribe, Contacts]:
        """Who writes the decisions, and the contact data that is needed for it, by lead."""
        decisions = [item.decision for item in decided if not item.counts_only]
        told, turned = reached_out(decisions), turned_handoffs(decisions)
        frozen = await repository.frozen_messages(connection, turned) if turned else {}
        scored = [(item.decision, item.score.record) for item in decided]
        around, contacts = await around_of(connection, scored, told, members, self.rules, self.clock.now())
        return Scribe(self.rules, self.topics, frozen, around), contacts

    async def _drop_refused_contacts(self, batch: Batch) -> bool:
        """Whether there were any. The events themselves are in the log: nothing is kept of them here."""
        refused = {id(datum) for datum in await self._refused_contacts(batch.contacts)}
        if refused:
            log.warning("Postgres refused %d contact data; they are left out", len(refused))
            batch.contacts = [datum for datum in batch.contacts if id(datum) not in refused]
            batch.refused_contacts += len(refused)
        return bool(refused)

    async def _refused_contacts(self, data: list[ContactDatum]) -> list[ContactDatum]:
        """Found by halving, as there may be thousands of which one is refused."""
        if not data or await self._takes_contacts(data):
            return []
        if len(data) == 1:
            return data
        half = len(data) // 2
        return await self._refused_contacts(data[:half]) + await self._refused_contacts(data[half:])

    async def _takes_contacts(self, data: list[ContactDatum]) -> bool:
        try:
            async with self.engine.connect() as connection:  # rolled back at its end
                await repository.save_contacts(connection, data)
        except DBAPIError as error:
            if is_about_values(error):
                return False
            raise
        return True

    async def _drop_refused_score(self, batch: Batch, poison: list[OutboxRow]) -> bool:
        """The first score that fails by itself; whether there is one. Slow, and only for what should never come."""
        for item in batch.scores:
            try:
                await self._try(item)
            except DBAPIError as error:
                if not is_about_values(error):
                    raise
                log.warning("Postgres refused the score at offset %d: %s", item.offset, described(error))
                reason = f"Postgres refused it: {described(error)}"
                poison.append(dead_letter_row(self.topics, item.lane, item, reason, datetime.now(UTC)))
                batch.scores.remove(item)
                batch.refused_scores += 1
                return True
        return False

    async def _try(self, item: Received) -> None:
        """Apply one score, and take it back."""

        async def work(connection: AsyncConnection, also: frozenset[str]) -> None:
            await repository.save(connection, await self._decide(connection, also, [item]))

        await self._together(work, kept=False)

    async def answer(self, handoff_id: str, answer: Answer) -> HandOff:
        """A person's answer to a hand-off; returns the hand-off afterwards.

        Raises `HandOffUnknown`, and whatever `answer` raises (`NotPossible`). Another transaction may have been in the
        way (SQLSTATE class 40): then it is tried again, as whoever calls has nobody to do it for them."""
        for left in reversed(range(TRIES)):
            try:
                return await self._together(lambda connection, also: self._answer(connection, also, handoff_id, answer))
            except DBAPIError as error:
                if not (left and sqlstate(error).startswith("40")):
                    raise
        raise AssertionError("the last try returns or raises")

    async def _answer(
        self, connection: AsyncConnection, also: frozenset[str], handoff_id: str, answer: Answer
    ) -> HandOff:
        found = text("SELECT lead_id FROM handoffs WHERE handoff_id = :id")
        lead_id = await connection.scalar(found, {"id": handoff_id})
        if lead_id is None:
            raise HandOffUnknown(handoff_id)
        leads, scores = await repository.lock_scored(connection, {lead_id} | also)
        if lead_id not in leads:
            raise HandOffUnknown(handoff_id)  # the lead was erased just before it was locked
        handoff = await repository.handoff(connection, handoff_id)
        opened = await repository.open_handoffs(connection, leads)
        known = Known(leads, opened, scores, asked=also)
        now = self.clock.now()

        def decide(again: Known, _: set[str]) -> list[Decided]:
            lead, score = again.leads[lead_id], again.scores[lead_id]
            decision = answer(lead, handoff, case_of(lead, score.record, self.rules, now, again.around))
            return follow(Decided(decision, score, answered=True), again, self.rules, now)

        decided = await self._decided(connection, known, {lead_id}, decide, bool(also))
        await repository.save(connection, await self._rows(connection, decided, leads))
        await connection.execute(text(f"NOTIFY {OUTBOX_CHANNEL}"))
        changes = [change.handoff for item in decided for change in item.decision.handoffs]
        return next(one for one in reversed(changes) if one.handoff_id == handoff_id)
