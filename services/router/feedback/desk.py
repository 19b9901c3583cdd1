"""Takes reports: each is one transaction with all that it comes to, however often it is sent, and by whichever way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router import finding, repository
from services.router.batch import Place, Rows
from services.router.failures import described, is_about_values
from services.router.feedback import effects, reports
from services.router.feedback.effects import Reported
from services.router.feedback.told import reported_message, reported_row
from services.router.ledger import Ledger
from services.router.lifecycle.answers import case_of
from services.router.lifecycle.contacting import contacted
from services.router.lifecycle.model import Lead
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Surroundings
from services.router.messages import decode_handoff
from services.router.outbox import KafkaRecord, dead_letter_row, log_row
from services.router.repository import OUTBOX_CHANNEL
from shared.acceptance import MAX_KEY_BYTES
from shared.feedback import AnyReport, ReportInvalid, parse_report
from shared.identity import known_identity

BY_TOPIC = "feedback"
"""By whom a report came that was read from the topic."""
_notify = text(f"NOTIFY {OUTBOX_CHANNEL}")


class Refused(Exception):
    """A report that cannot be taken. `code`: unknown_lead, unknown_handoff, foreign_handoff or report_id_taken."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Filed:
    """A report as it was taken; `again`: nothing was written, as that was earlier, or as it is of somebody who has been
    erased since."""

    reported: Reported
    again: bool = False


class Desk:
    """Where reports are handed in."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._topics = ledger, ledger.topics

    @property
    def _rules(self) -> Rules:
        return self._ledger.rules

    async def take(self, id: str, report: AnyReport, report_id: str, by: str) -> Filed:
        """A report by HTTP about the lead that `id` names. Raises `Refused` or `ReportInvalid`."""
        async with self._ledger.engine.begin() as connection:
            found = await finding.find(connection, id)
            if found is None:
                raise Refused("unknown_lead", f"no lead has the id or e-mail address '{id}'")
            reported = self._reported(report, report_id, found["lead_id"], by)
            await self._ledger.denied.ask(connection)
            if self._ledger.denied.covers(reported.lead_id, reported.at):
                raise Refused("unknown_lead", "who had this id then has been erased")
            filed = await self._file(connection, reported, found["lane"], must_exist=True)
            await connection.execute(_notify)
        return filed

    async def take_record(self, place: Place, expected: int, record: KafkaRecord) -> Filed | None:
        """A record of topic `feedback`, exactly once: the place goes on from `expected` in the same transaction. None:
        it went to the dead letters.

        Raises `OffsetsMoved` when another worker owns the partition, `DBAPIError` or `OSError` when Postgres is
        away."""
        try:
            async with self._ledger.engine.begin() as connection:
                latest = await repository.advance(connection, {place: (expected, record.offset + 1)})
                await self._ledger.denied.follow(connection, latest)
                filed = await self._file_record(connection, place, record)
                await connection.execute(_notify)
        except (Refused, ReportInvalid) as refused:
            reason = str(refused)
        except DBAPIError as error:
            if not is_about_values(error):
                raise
            reason = f"Postgres refused it: {described(error)}"
        else:
            return filed
        async with self._ledger.engine.begin() as connection:
            await repository.advance(connection, {place: (expected, record.offset + 1)})
            row = dead_letter_row(self._topics, place[1], record, f"no report: {reason}", datetime.now(UTC), place[0])
            await repository.save_outbox(connection, [row])
            await connection.execute(_notify)
        return None

    async def _file_record(self, connection: AsyncConnection, place: Place, record: KafkaRecord) -> Filed:
        id, report, report_id = _read(record)
        found = await finding.find(connection, id)
        # Of a lead that nobody knows yet: its history may begin with this report.
        lead_id, lane = (found["lead_id"], found["lane"]) if found else (known_identity(id), place[1])
        reported = self._reported(report, report_id, lead_id, BY_TOPIC)
        if self._ledger.denied.covers(lead_id, reported.at):
            return Filed(reported, again=True)  # no dead letter: that would keep what people wrote
        return await self._file(connection, reported, lane)

    def _reported(self, report: AnyReport, report_id: str, lead_id: str, by: str) -> Reported:
        clock = self._ledger.clock
        if report.at is not None:
            # On the clock of the events a report tells the time as events do, but none that is still to come.
            clock.witness(min(report.at, datetime.now(UTC)))
        now = clock.now()
        return Reported(report, report_id, lead_id, effects.moment_of(report, now), now, by)

    async def _file(
        self, connection: AsyncConnection, reported: Reported, lane: int, must_exist: bool = False
    ) -> Filed:
        """Write the report and all that it comes to; nothing, if it has been written before."""
        known = lead = await finding.lock(connection, reported.lead_id)
        if lead is None and must_exist:
            raise Refused("unknown_lead", "the lead has just been erased")
        if lead is not None:
            reported, lane = replace(reported, lead_id=lead.lead_id), lead.lane
        ids = await finding.ids_of(connection, reported.lead_id)
        named = await _named(connection, reported.report.handoff_id, ids)
        rows = Rows()
        if lead is not None:
            lead = await self._contacted(connection, lead, reported)
            lead = await self._tell_giver(connection, lead, reported, ids, named, rows)
        if not await reports.insert_report(connection, reported, lead.seq if lead else 0):
            before = await reports.same_report(connection, reported, ids)
            if before is None:
                message = f"another report has the id '{reported.report_id}': give each report an id of its own"
                raise Refused("report_id_taken", message)
            return Filed(before, again=True)
        if lead is not None and lead is not known:
            await repository.update_lead(connection, lead)
        if (deal := effects.deal_of(reported)) is not None:
            rows.deals[deal.lead_id, deal.deal_id] = deal
        await repository.save_contacts(connection, effects.points_of(reported))
        rows.outbox.append(log_row(effects.event_of(reported), lane, self._topics))
        await repository.save(connection, rows)
        return Filed(reported)

    async def _contacted(self, connection: AsyncConnection, lead: Lead, reported: Reported) -> Lead:
        """A deadline for the first contact is met at once: the report's own score may come too late for it."""
        if (
            effects.event_name(reported.report) not in effects.contact_events(self._rules.playbook)
            or lead.merged_into is not None
        ):
            return lead
        opened = (await repository.open_handoffs(connection, [lead.lead_id])).get(lead.lead_id)
        record = await repository.latest_score(connection, lead.lead_id)
        case = case_of(lead, record, self._rules, reported.received_at, Surroundings())
        return contacted(lead, opened, reported.at, case)

    async def _tell_giver(  # noqa: PLR0913, PLR0917 - a report, and what it is about
        self,
        connection: AsyncConnection,
        lead: Lead,
        reported: Reported,
        ids: Sequence[str],
        named: RowMapping | None,
        rows: Rows,
    ) -> Lead:
        """The lead with one more message, if there is somebody to be told."""
        of_customer = effects.is_of_customer(reported.report, self._rules.stages[lead.stage].stage.number)
        if of_customer is None:
            return lead
        found = [named] if named is not None else await reports.handoffs_worked(connection, ids)
        frozen = {row["handoff_id"]: row["message"] for row in found}
        passed = map(repository.handoff_of, found)
        handoff = next(passed) if named is not None else effects.passed_by(passed, of_customer, self._rules)
        if handoff is None or handoff.giver not in self._rules.playbook.departments:
            return lead
        lead = msgspec.structs.replace(lead, seq=lead.seq + 1)
        contact = (await repository.contacts_of(connection, [lead.lead_id])).get(lead.lead_id, {})
        message = reported_message(
            reported, lead, handoff, decode_handoff(frozen[handoff.handoff_id]), contact, self._rules.playbook
        )
        rows.outbox.append(reported_row(message, lead, self._topics))
        return lead


def _read(record: KafkaRecord) -> tuple[str, AnyReport, str]:
    """Whom it is about, the report and its id. Raises `ReportInvalid`."""
    try:
        id = (record.key or b"").decode().strip()
    except UnicodeDecodeError as error:
        raise ReportInvalid(f"the key is no text, expected the lead id: {error}") from error
    if not id or len(id.encode()) > MAX_KEY_BYTES or "\0" in id:
        raise ReportInvalid(f"the key must be the lead id: 1 to {MAX_KEY_BYTES} bytes without NUL")
    report = parse_report(record.value or b"")
    if report.report_id is None:
        raise ReportInvalid("report_id is missing: without one, a record that is sent twice would count twice")
    return id, report, report.report_id


async def _named(connection: AsyncConnection, handoff_id: str | None, ids: Sequence[str]) -> RowMapping | None:
    """The hand-off that a report names. Raises `Refused` unless it is one of this lead."""
    if handoff_id is None:
        return None
    row = await reports.handoff_named(connection, handoff_id)
    if row is None:
        raise Refused("unknown_handoff", f"there is no hand-off '{handoff_id}'")
    if row["lead_id"] not in ids:
        raise Refused("foreign_handoff", f"the hand-off '{handoff_id}' is another lead's")
    return row
