"""Decisions as rows and messages, in the order of their `seq`. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import attrgetter

import msgspec

from services.router import messages
from services.router.alert_messages import alert_message
from services.router.batch import Decided, Row, Rows
from services.router.contact import storable
from services.router.deals import deals_of, merged
from services.router.lifecycle.decide import COUNTED
from services.router.lifecycle.fading import faded
from services.router.lifecycle.model import Alert, Decision, HandOffChange, Lead, StageChange
from services.router.lifecycle.recycling import RECYCLED
from services.router.lifecycle.rules import Rules
from services.router.messages import JOINED, HandOffMessage
from services.router.outbox import alert_row, event_row, handoff_rows, stage_row
from services.router.telling import Around, is_offer
from shared.scores import ScoreRecord
from shared.topics import Topics

Contact = Mapping[str, str]


class Scribe:
    """Writes into `rows`. `frozen` holds the messages, as they were offered, of hand-offs that change; it follows."""

    def __init__(
        self, rules: Rules, topics: Topics, frozen: dict[str, HandOffMessage], around: Around | None = None
    ) -> None:
        self._playbook, self._topics, self._frozen = rules.playbook, topics, frozen
        self._around = around or Around()
        self.rows = Rows()

    def write_leads(self, decided: Iterable[Decided], before: Mapping[str, Lead]) -> None:
        """The last state of each lead. `before` has those that have a row already: of most nothing has changed but the
        score, and of the others not much, and to write no more costs a third, or half."""
        last: dict[str, Decided] = {}
        changed: set[str] = set()
        for item in decided:
            lead_id = item.decision.lead.lead_id
            last[lead_id] = item
            if not item.counts_only or lead_id not in before:
                changed.add(lead_id)
        for lead_id, item in last.items():
            lead, (record, value) = item.decision.lead, item.score
            score = (record.total, record.time, value)
            if lead_id in changed:
                self.rows.leads.append((*_lead_values(lead), *score))
            elif (counted := _counted(lead)) != _counted(before[lead_id]):
                self.rows.counted.append((lead_id, lead.score_seq, *counted, *score))
            else:
                self.rows.scores.append((lead_id, lead.score_seq, *score))

    def write_scored(self, item: Decided, contact: Contact) -> None:
        """A decision on a score record: its deals, and all changes. `contact` is for new hand-offs."""
        record = item.score.record
        for deal in deals_of(record) if item.is_scored else ():
            key = (deal.lead_id, deal.deal_id)
            self.rows.deals[key] = merged(self.rows.deals[key], deal) if key in self.rows.deals else deal
        if item.counts_only:
            return
        if item.cooled:
            self.rows.cooled += 1
            # An offer tells the score with its contributions; the stage change, what was left of it by then.
            self.write(item.decision, faded(record, item.decision.stages[-1].at), contact)
        else:
            is_prompted = item.is_scored and not record.historical
            self.write(item.decision, record, contact, record.trigger.received_at if is_prompted else None)

    def write(
        self, decision: Decision, record: ScoreRecord, contact: Contact, received_at: datetime | None = None
    ) -> None:
        """All changes. `contact` is for new hand-offs and alerts; `received_at` starts the clock of the
        event-to-hand-off latency; None: nothing to measure."""
        lead = decision.lead
        for change in sorted((*decision.stages, *decision.handoffs, *decision.alerts), key=attrgetter("seq")):
            match change:
                case StageChange():
                    self._write_stage(change, lead, record)
                case HandOffChange():
                    self._write_handoff(change, lead, record, contact, received_at)
                case Alert():
                    alert = alert_message(change, lead, record, contact, self._playbook)
                    self.rows.outbox.append(alert_row(alert, lead, self._topics, None))
        self.rows.outbox.extend(event_row(event, lead, self._topics) for event in decision.events)

    def _write_stage(self, change: StageChange, lead: Lead, record: ScoreRecord) -> None:
        if any(leaf.condition == RECYCLED for leaf in change.reason):
            self.rows.stalled[lead.lead_id] = change.at
        reason = messages.encode(change.reason)
        self.rows.stages.append(
            (lead.lead_id, change.seq, change.source, change.target, change.at, reason, change.historical)
        )
        joint = self._around.joints.get(lead.attached_to or "")
        message = messages.stage_message(change, lead, record, self._playbook, joint)
        self.rows.outbox.append(stage_row(message, change, lead, self._topics))

    def _write_handoff(
        self, change: HandOffChange, lead: Lead, record: ScoreRecord, contact: Contact, received_at: datetime | None
    ) -> None:
        handoff = change.handoff
        id, state = handoff.handoff_id, JOINED if change.joined else handoff.status.value
        if is_offer(change):
            self._frozen[id] = messages.offer_message(change, record, contact, self._playbook)
        if (company := self._around.companies.get(id)) is not None:
            self._frozen[id] = msgspec.structs.replace(
                self._frozen[id], colleagues=company.colleagues, roles_covered=company.roles
            )
        frozen, reason = self._frozen[id], messages.encode(change.reason)
        # Re-inserted at the end: rows are written in the order of their last change, see `repository.save`.
        self.rows.handoffs.pop(id, None)
        self.rows.handoffs[id] = (*msgspec.structs.astuple(handoff), messages.encode(frozen))
        self.rows.handoff_changes.append(
            (lead.lead_id, change.seq, id, state, change.at, change.by, change.note, reason)
        )
        started = received_at if is_offer(change) else None
        turned = messages.turned_message(frozen, change)
        self.rows.outbox.extend(handoff_rows(turned, change, lead, self._topics, started))


_counted = attrgetter(*COUNTED)


def _lead_values(lead: Lead) -> Row:
    """A lead as a row, in the order of its fields. Channel and medium are foreign text."""
    values = msgspec.structs.asdict(lead)
    for name in ("channel", "medium"):
        if values[name]:
            values[name] = storable(values[name])
    return tuple(values.values())
