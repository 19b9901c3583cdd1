"""What must hold at every step (domain N7): nobody without owner, nobody with two, nothing that circles or waits for
ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction

from msgspec.structs import replace

from services.router.batch import Decided
from services.router.lifecycle.criteria import all_facts
from services.router.lifecycle.facts import facts_of
from services.router.lifecycle.model import HandOff, HandOffChange, Status
from services.router.lifecycle.valves import Said
from tests.simulation.memory import Memory

_MAY_FOLLOW: dict[Status | None, set[Status]] = {
    None: {Status.WAITING, Status.OFFERED},
    Status.WAITING: {Status.OFFERED, Status.RETURNED, Status.WITHDRAWN, Status.COMPLETED, Status.MERGED},
    Status.OFFERED: {
        *(Status.ACCEPTED, Status.REJECTED, Status.EXPIRED, Status.RETURNED, Status.WITHDRAWN, Status.COMPLETED),
        Status.MERGED,
    },
    Status.ACCEPTED: {Status.COMPLETED, Status.EXPIRED, Status.RETURNED, Status.WITHDRAWN, Status.MERGED},
}
SECOND = timedelta(seconds=1)
MORE_THAN_ANY = 2**62
"""Micro-points."""


class Watchman:
    """Looks at each decision after it was kept. `now` never goes back."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._status: dict[str, Status] = {}
        self._seq: Counter[str] = Counter()

    def see(self, decided: Iterable[Decided], now: datetime) -> None:
        """Raises `AssertionError`."""
        for item in decided:
            decision, id = item.decision, item.decision.lead.lead_id
            for change in sorted((*decision.stages, *decision.handoffs, *decision.alerts), key=lambda one: one.seq):
                assert change.seq == self._seq[id] + 1, f"{id}: {change.seq} comes after {self._seq[id]}"
                self._seq[id] = change.seq
                if isinstance(change, HandOffChange):
                    first = change.handoff.handoff_id not in self._status
                    self._state(change, now)
                    if first and item.is_scored:
                        self._valve(change.handoff)
        for id in {item.decision.lead.lead_id for item in decided}:
            self.look_at(id)

    def look_at(self, id: str) -> None:
        """One lead, its owner, and its open hand-off."""
        lead, opened = self._memory.leads[id], self._memory.opened.get(id)
        assert (lead.department is None) == (lead.acquired_at is None), f"{id} has no owner"
        if opened is not None:
            owner = opened.receiver if opened.status is Status.ACCEPTED else opened.giver
            assert lead.department == owner, f"{id} is {lead.department}'s, and its hand-off says {owner}"
            assert opened.attempt <= len(self._memory.rules.playbook.handoffs.on_expiry) + 1, f"{id} circles"
            self._may_be_there(opened)
        if lead.attached_to is not None:
            primary = self._memory.opened.get(lead.attached_to)
            assert opened is None, f"{id} has a hand-off, and has joined another"
            assert primary is not None, f"{id} has joined nothing"
            assert id in primary.attached, f"{id} has joined what does not name it"

    def everything(self, now: datetime) -> None:
        """All leads; nobody is asked, or waits, for longer than was said."""
        for id in self._memory.leads:
            self.look_at(id)
        by_lead = Counter(one.lead_id for one in self._memory.handoffs.values() if one.is_open)
        assert all(number == 1 for number in by_lead.values()), "two open hand-offs"
        for one in self._memory.opened.values():
            if one.status in (Status.OFFERED, Status.WAITING):
                assert one.respond_by is not None, f"{one.lead_id} may wait for ever"
                assert now <= one.respond_by + SECOND, f"{one.lead_id} is {one.status} since {one.offered_at}"

    def _state(self, change: HandOffChange, now: datetime) -> None:
        one = change.handoff
        before = self._status.get(one.handoff_id)
        if not change.joined:
            assert one.status in _MAY_FOLLOW.get(before, set()), f"{one.lead_id}: {before} → {one.status}"
        if one.status is Status.OFFERED and not change.joined:
            assert one.offered_at == now
            self._may_be_offered(one, now)
        if before is None and one.attempt == 1 and self._memory.rules.stages[one.stage].stage.guarded:
            self._may_reach_sales(one)
        if one.status is Status.RETURNED and one.respond_by is not None and before is not Status.ACCEPTED:
            assert now - one.respond_by <= SECOND, f"{one.lead_id} comes back late"
        self._status[one.handoff_id] = one.status

    def _may_reach_sales(self, one: HandOff) -> None:
        known = all_facts(self._memory.scores[one.lead_id].record)
        held = [guard.id for guard, when in self._memory.rules.guards if when.holds(known)]
        assert not held, f"{one.lead_id} reaches sales, although {held}"

    def _valve(self, one: HandOff) -> None:
        """A team above its high mark gets, beside those who never wait, only such as are over a raised threshold."""
        memory, rules = self._memory, self._memory.rules
        rule, team = rules.valves.get((one.giver, one.receiver, one.stage)), rules.teams[one.receiver, one.team]
        when = rules.stages[one.stage].when
        if rule is None or one.attempt > 1 or one.status is not Status.OFFERED or when is None:
            return
        lead, record = memory.leads[one.lead_id], memory.scores[one.lead_id].record
        facts = facts_of(lead, record, rules)[1]
        by_total = not when.holds(replace(facts, valve=(one.stage, MORE_THAN_ANY)))
        asked = rule.never_holds is not None and rule.never_holds.holds(facts)
        before = sum(memory.loads[one.receiver, one.team].values()) - 1
        if by_total and not asked and team.capacity is not None and Fraction(before, team.capacity) >= rule.high:
            assert one.valve == Said.RAISED.value, f"{one.team} is full, and gets {one.lead_id} for {record.total}"

    def _may_be_offered(self, one: HandOff, now: datetime) -> None:
        """Nobody is offered a lead who is away when they would begin."""
        rule = self._memory.rules.teams[one.receiver, one.team]
        if one.person is None or (person := rule.person(one.person)) is None:
            return
        begins = person.calendar.next_work(now)
        spans = self._memory.absences.get(one.person, [])
        assert not any(start <= begins < end for start, end in spans), f"{one.person} is away"

    def _may_be_there(self, opened: HandOff) -> None:
        """Who asked to be contacted does not wait."""
        lead, record = self._memory.leads[opened.lead_id], self._memory.scores[opened.lead_id].record
        if opened.status is Status.WAITING:
            assert opened.valve == Said.WAITS.value
            rule = self._memory.rules.valves[opened.giver, opened.receiver, opened.stage]
            shown = record.signals.get("contact_requested")
            asked = shown is not None and (lead.line_at is None or shown.last > lead.line_at)
            assert rule.never_holds is None or not asked, f"{opened.lead_id} asked to be contacted, and waits"
