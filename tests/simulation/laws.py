"""What must hold at every step (domain N7, C5 to C7, D2): asked of what was decided and of the ledger, not of the code
that decides."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from services.router.batch import Decided
from services.router.lifecycle.model import HandOff, HandOffChange, Lead, StageChange, Status
from shared.playbook.handoffs import ResponseRule
from shared.playbook.values import WorkingTime
from tests.simulation.audit import is_not_contacted
from tests.simulation.ledger import MemoryLedger
from tests.working_time import day_length, worked

S = Status
ENDS = {S.COMPLETED, S.WITHDRAWN, S.MERGED}
EDGES: Mapping[Status | None, set[Status]] = {
    None: {S.WAITING, S.OFFERED, S.ACCEPTED},
    S.WAITING: {S.OFFERED, S.RETURNED, *ENDS},
    S.OFFERED: {S.ACCEPTED, S.REJECTED, S.EXPIRED, S.RETURNED, *ENDS},
    S.ACCEPTED: {S.EXPIRED, S.RETURNED, *ENDS},
}
"""From which state a hand-off may come into which; None: it is new. It begins as accepted where it is a member's that
goes on under the id of the lead."""
SECOND, MS = timedelta(seconds=1), timedelta(milliseconds=1)
PROSPECTS = ("hot", "appointment", "opportunity")
"""Stages at which sales is to do something."""
SILENCE = timedelta(days=30)
OFTEN, OFTEN_WITHIN = 3, timedelta(days=7)
"""Who was called so often in vain is left alone for so long."""
LONGEST_CHAIN = timedelta(days=45)
"""No longer do three offers last, of which each may be answered within a working day or two, and none be taken up."""


class Broken(AssertionError):
    """A law does not hold."""


class Laws:
    """Looks at each transaction after it was kept, in the order of time. `left_alone`: leads that nobody may approach
    any more, and since when, as they said themselves."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._places = {stage.id: place for place, stage in enumerate(ledger.rules.playbook.stages)}
        self._seq: dict[str, int] = {}
        self._epoch: dict[str, int] = {}
        self._status: dict[str, Status] = {}
        self._merged: set[str] = set()  # leads whose next record will tell what they rest on since they were merged
        self._deadlines: list[tuple[datetime, str]] = []
        self.left_alone: dict[str, datetime] = {}
        self._in_vain: defaultdict[str, list[datetime]] = defaultdict(list)
        self.looked_at = 0

    def called_in_vain(self, lead_id: str, now: datetime) -> None:
        """Somebody has tried to get in touch with the lead."""
        self._in_vain[lead_id].append(now)

    def answered(self, lead_id: str) -> None:
        """The lead has answered, or asked to be contacted."""
        self._in_vain.pop(lead_id, None)

    def see(self, decided: Iterable[Decided], now: datetime) -> None:
        """Raises `Broken`."""
        touched = set()
        for item in decided:
            lead_id = item.decision.lead.lead_id
            touched.add(lead_id)
            if item.merged or item.decision.lead.merged_into is not None:
                self._merged.add(lead_id)
            elif item.is_scored:
                self._merged.discard(lead_id)
            self._see_one(item, now)
        for lead_id in touched:
            self.lead(lead_id)
        self.nobody_is_late(now)
        self.looked_at += 1

    def everything(self, now: datetime) -> None:
        """The whole ledger. Raises `Broken`."""
        for lead_id in self._ledger.leads:
            self.lead(lead_id)
            self._does_not_wait_for_ever(self._ledger.leads[lead_id], now)
        opened = [one.lead_id for one in self._ledger.handoffs.values() if one.is_open]
        _hold(len(opened) == len(set(opened)), "a lead has two open hand-offs")
        _hold(set(opened) == set(self._ledger.opened), "an open hand-off is nobody's")
        self.nobody_is_late(now)

    def nobody_is_late(self, now: datetime) -> None:
        """No hand-off is offered, or waits, a second after it was to be answered; nor accepted, with nobody having got
        in touch by then."""
        while self._deadlines and self._deadlines[0][0] + SECOND < now:
            deadline, id = heapq.heappop(self._deadlines)
            one = self._ledger.handoffs[id]
            is_late = one.status in (S.OFFERED, S.WAITING) and one.respond_by == deadline
            is_late |= is_not_contacted(one, self._ledger.leads[one.lead_id], now)
            _hold(not is_late, f"{one.lead_id}: {one.status} since {one.offered_at}, to be answered by {deadline}")

    def lead(self, lead_id: str) -> None:
        """One lead, its owner and its open hand-off."""
        lead, opened = self._ledger.leads[lead_id], self._ledger.opened.get(lead_id)
        if lead.merged_into is None:
            _hold((lead.department is None) == (lead.acquired_at is None), f"{lead_id} is without an owner")
        if lead.person is not None:
            _hold(lead.team is not None, f"{lead_id} is {lead.person}'s, and of no team")
        if lead.attached_to is not None:
            self._is_attached(lead, opened)
        if opened is None:
            return
        if opened.status is S.ACCEPTED:
            owner, theirs = (lead.department, lead.team, lead.person), (opened.receiver, opened.team, opened.person)
            _hold(owner == theirs, f"{lead_id} is {owner}'s, and {theirs} have accepted it")
        else:
            _hold(lead.department == opened.giver, f"{lead_id} is offered, and its giver is not its owner")
            by, due = opened.respond_by, lead.due_at
            _hold(by is not None, f"{lead_id} may be offered for ever: {opened}")
            is_seen = lead_id in self._merged or (by is not None and due is not None and due <= by)
            _hold(is_seen, f"{lead_id} is to be answered by {by}, and looked at {due}")

    def _is_attached(self, lead: Lead, opened: HandOff | None) -> None:
        primary = self._ledger.opened.get(lead.attached_to or "")
        _hold(opened is None, f"{lead.lead_id} has joined a hand-off, and has one of its own")
        named = primary is not None and lead.lead_id in primary.attached
        _hold(named, f"{lead.lead_id} has joined {lead.attached_to}, whose hand-off does not name it")

    def _see_one(self, item: Decided, now: datetime) -> None:
        decision = item.decision
        lead_id, seq = decision.lead.lead_id, self._seq.get(decision.lead.lead_id, 0)
        for change in sorted((*decision.stages, *decision.handoffs, *decision.alerts), key=lambda one: one.seq):
            seq += 1
            _hold(change.seq == seq, f"{lead_id}: message {change.seq} comes where {seq} is next")
            match change:
                case StageChange():
                    self._rests_on_this_epoch(change, item)
                case HandOffChange():
                    self._changed(change, now, merged=item.merged)
        _hold(decision.lead.seq == seq, f"{lead_id} counts {decision.lead.seq} messages, of {seq}")
        self._seq[lead_id], self._epoch[lead_id] = seq, decision.lead.epoch

    def _rests_on_this_epoch(self, change: StageChange, item: Decided) -> None:
        """No stage rests on a total from before the lead was recycled."""
        if item.is_scored and any(leaf.condition == "total_over" and leaf.met for leaf in change.reason):
            is_new = item.score.record.epoch >= self._epoch.get(change.lead_id, 0)
            _hold(is_new, f"{change.lead_id} is at '{change.target}' for points from before it was recycled")

    def _changed(self, change: HandOffChange, now: datetime, *, merged: bool) -> None:
        one, before = change.handoff, self._status.get(change.handoff.handoff_id)
        if change.joined:
            _hold(one.status is before, f"{one.lead_id}: a colleague has made {before} {one.status}")
            return
        _hold(one.status in EDGES.get(before, ()), f"{one.lead_id}: {before or 'nothing'} became {one.status}")
        self._status[one.handoff_id] = one.status
        attempts = len(self._ledger.rules.playbook.handoffs.on_expiry) + 1
        _hold(1 <= one.attempt <= attempts, f"{one.lead_id}: offered for the {one.attempt}th time")
        if one.status in (S.OFFERED, S.WAITING) and one.respond_by is not None:
            heapq.heappush(self._deadlines, (one.respond_by, one.handoff_id))
        if one.contact_by is not None and one.status is S.ACCEPTED:
            heapq.heappush(self._deadlines, (one.contact_by, one.handoff_id))
        if merged:
            return  # it goes on under another id, with the deadlines that it had
        rule = self._ledger.rules.playbook.stages[self._places[one.stage]]
        if one.status is S.OFFERED:
            # Events are dated to the millisecond, and so is what follows from them with time.
            _hold(now - MS < one.offered_at <= now, f"{one.lead_id} is offered now, and says since {one.offered_at}")
            self._is_offered_rightly(one, now)
            self._is_counted_in_working_time(one, one.respond_by, rule.respond, now)
        if one.status is S.ACCEPTED:
            self._is_counted_in_working_time(one, one.contact_by, rule.contact, now)
        if one.status in (S.EXPIRED, S.RETURNED) and before is S.OFFERED:
            _hold(one.respond_by is not None and one.respond_by <= now, f"{one.lead_id} expired before its time")

    def _is_offered_rightly(self, one: HandOff, now: datetime) -> None:
        rules = self._ledger.rules
        team = rules.teams[one.receiver, one.team]
        if rules.stages[one.stage].stage.guarded:
            since = self.left_alone.get(one.lead_id)
            _hold(
                since is None or since >= now, f"{one.lead_id} is offered to {one.receiver}, to be left alone {since}"
            )
            lately = [at for at in self._in_vain[one.lead_id] if now - OFTEN_WITHIN + SECOND < at < now - SECOND]
            _hold(len(lately) < OFTEN, f"{one.lead_id} is offered to {one.receiver} after calls in vain: {lately}")
        if one.person is not None and (person := team.person(one.person)) is not None:
            _hold(one.person not in one.tried or person.weight == 0, f"{one.lead_id} is offered to {one.person} again")
            load = self._ledger.loads[one.receiver, one.team][one.person]
            most = person.max_load
            _hold(most is None or load <= most, f"{one.person} has {load} hand-offs, and may have {most}")
            begins = person.calendar.next_work(now)
            is_away = any(start <= begins < end for start, end in self._ledger.absences[one.person])
            _hold(not is_away, f"{one.lead_id} is offered to {one.person}, who is away")

    def _is_counted_in_working_time(
        self, one: HandOff, due: datetime | None, rules: Iterable[ResponseRule], now: datetime
    ) -> None:
        """Whether what is `due` is so by one of a stage's rules."""
        playbook = self._ledger.rules.playbook
        department = playbook.departments[one.receiver]
        member = one.person if one.person in department.teams[one.team].people else None
        hours = department.hours_of(one.team, member)
        if due is None or (hours.start, hours.end) != ("09:00", "18:00"):
            return  # where days differ in length, a day is no number of hours
        given, allowed = worked(playbook, hours, now, due), {_length(rule.within, day_length(hours)) for rule in rules}
        _hold(given in allowed, f"{one.lead_id}: {given} of working time until {due}, and not {allowed}")

    def _does_not_wait_for_ever(self, lead: Lead, now: datetime) -> None:
        """Where sales is to do something, something happens within a month, or the lead goes back."""
        if lead.merged_into is not None:
            return
        if lead.stage == "lost":
            until = lead.held_until
            _hold(until is not None and now <= until + SECOND, f"{lead.lead_id} waits at 'lost' since {lead.stage_at}")
        if lead.stage not in PROSPECTS:
            return
        signals = self._ledger.scores[lead.lead_id].record.signals
        shown = [signals[name].last for name in ("responded", "sales_activity") if name in signals]
        opened = self._ledger.opened.get(lead.attached_to or lead.lead_id)
        offered = [] if opened is None else [opened.offered_at]
        moments = [moment for moment in (*shown, *offered, lead.stage_at, lead.owned_at) if moment is not None]
        allowed = SILENCE + (LONGEST_CHAIN if opened is not None else SECOND)
        _hold(now <= max(moments) + allowed, f"{lead.lead_id} waits at '{lead.stage}' since {max(moments)}")


def _length(within: WorkingTime, day: timedelta) -> timedelta:
    return within.days * day + timedelta(hours=within.hours)


def _hold(holds: bool, message: str) -> None:
    if not holds:
        raise Broken(message)
