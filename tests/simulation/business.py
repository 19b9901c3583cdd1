"""Scorer and router as one company has them, in simulated time: the log, the clock, and who acts when.

What decides is the services' own pure code. Only Kafka is a call here, and Postgres a `MemoryLedger`. Each transaction
is looked at by the laws before anything else happens."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from services.router.batch import Decided, Hours, Known, Received, cool_until, decide_all, due_until, follow
from services.router.feedback.effects import Reported, contact_events, event_name, event_of
from services.router.lifecycle.answers import Refusal, accept, case_of, complete, reject
from services.router.lifecycle.case import Case
from services.router.lifecycle.contacting import contacted
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.rules import Rules
from services.router.outbox import emitted_event
from services.scorer.scoring import Scorer
from services.scorer.scoring.linked import Told
from services.scorer.scoring.state import LeadState
from shared.clock import EventClock
from shared.events import Event, Kind
from shared.feedback import AnyReport
from shared.identity import routing_identity
from shared.playbook import Playbook
from shared.scores import ScoreRecord
from tests.simulation.laws import Laws
from tests.simulation.ledger import MemoryLedger

Act = Callable[[], None]
Answer = Callable[[Lead, HandOff, Case], Decision]
DELAY = timedelta(milliseconds=50)
"""After which what scorer and router tell the log is read there."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Business:
    """`now` never goes back. `listeners` are told of each transaction; `events` counts what came into the log."""

    def __init__(self, playbook: Playbook, now: datetime, ledger: type[MemoryLedger] = MemoryLedger) -> None:
        self.rules, self.scorer, self.now = Rules(playbook), Scorer(playbook), now
        self.ledger = ledger(self.rules)
        self.laws = Laws(self.ledger)
        self.listeners: list[Callable[[Sequence[Decided]], None]] = []
        self.events, self.records = 0, 0
        self.alerts: Counter[str] = Counter()
        self._states: dict[str, LeadState] = {}
        self._contact_events = contact_events(playbook)
        self._agenda: list[tuple[datetime, int, Act]] = []
        self._moments: list[tuple[datetime, str]] = []
        self._numbers = count(1)

    def at(self, moment: datetime, act: Act) -> None:
        """Something is to happen then; at once, if that is over."""
        heapq.heappush(self._agenda, (max(moment, self.now), next(self._numbers), act))

    def every(self, period: timedelta, act: Act) -> None:
        """Again and again, as long as the simulation goes on. Here belongs whatever the router does by the clock beside
        the moments of its leads, as a valve that is looked at each hour."""

        def again() -> None:
            act()
            self.at(self.now + period, again)

        self.at(self.now + period, again)

    def run(self, until: datetime) -> None:
        """All that happens until then, in order. What time does to a lead comes first of what is at one moment."""
        while (moment := min((one[0][0] for one in (self._moments, self._agenda) if one), default=until)) < until:
            self.now = max(self.now, moment)
            self.laws.nobody_is_late(self.now)
            if self._moments and self._moments[0][0] <= self.now:
                self.time_has_come(heapq.heappop(self._moments)[1])
            else:
                heapq.heappop(self._agenda)[2]()
        self.now = until

    def hear(self, event: Event) -> None:
        """An event comes into the log: it is scored, and its lead decided about."""
        number = next(self._numbers)
        state = self._states.setdefault(event.key, self.scorer.new_state())
        heard = self.scorer.hear(event, number, (self.now - _EPOCH).days)
        told = self.scorer.score(state, [heard], 0, lambda _: event)
        self.events += 1
        records = [one for one in told if isinstance(one, ScoreRecord)]
        self.records += len(records)
        self._tell(told)
        if not records:
            return
        received = [Received(0, number, b"", b"", [], record) for record in records]
        hours = Hours(EventClock(self.now))
        self.transact(_named(records), lambda known: decide_all(received, known, self.rules, hours))

    def does(self, user_id: str | None, what: str, anonymous_id: str | None = None, **told: Any) -> None:
        """A person does something now. `what`: a path, `identify` with what is `told` as traits, or an event's name."""
        kind = Kind.PAGE if what.startswith("/") else Kind.IDENTIFY if what == "identify" else Kind.TRACK
        key = routing_identity(user_id, anonymous_id)
        assert key is not None, "somebody must do it"
        self.hear(
            Event(
                kind=kind,
                id=f"e{next(self._numbers)}",
                source="simulation",
                key=key,
                time=self.now,
                received_at=self.now,
                name=what if kind is Kind.TRACK else "",
                user_id=user_id,
                anonymous_id=anonymous_id,
                traits=told if kind is Kind.IDENTIFY else {},
                properties={"path": what} if kind is Kind.PAGE else told if kind is Kind.TRACK else {},
            )
        )

    def report(self, lead_id: str, report: AnyReport) -> None:
        """Somebody of sales reports on a lead: a first contact counts at once, the rest when it was scored."""
        reported = Reported(report, f"r{next(self._numbers)}", lead_id, self.now, self.now, "simulation")
        if event_name(report) in self._contact_events:
            self._decide_about(lead_id, self._contacted)
        event = event_of(reported)
        self.at(self.now + DELAY, lambda: self.hear(event))

    def accept(self, handoff_id: str, person: str | None) -> None:
        self.answer(handoff_id, lambda lead, one, case: accept(lead, one, person, "simulation", case))

    def reject(self, handoff_id: str, reason: str, team: str | None = None) -> None:
        refusal = Refusal(reason, "simulation", team=team)
        self.answer(handoff_id, lambda lead, one, case: reject(lead, one, refusal, case))

    def complete(self, handoff_id: str) -> None:
        self.answer(handoff_id, lambda lead, one, case: complete(lead, one, "simulation", case))

    def answer(self, handoff_id: str, answer: Answer) -> None:
        """Somebody answers to a hand-off. Raises `NotPossible`."""
        one = self.ledger.handoffs[handoff_id]
        self._decide_about(one.lead_id, lambda lead, _, case: answer(lead, one, case))

    def transact(self, ids: Collection[str], decide: Callable[[Known], list[Decided]]) -> list[Decided]:
        """One transaction of the router about these leads; what follows from it is put on the agenda."""
        decided = self.ledger.transact(ids, decide, self.now)
        self.laws.see(decided, self.now)
        for item in decided:
            lead = item.decision.lead
            self._look_again(lead)
            self.alerts.update(alert.kind.value for alert in item.decision.alerts)
            self._tell(emitted_event(emitted, lead.lead_id) for emitted in item.decision.events)
        for listener in self.listeners:
            listener(decided)
        return decided

    def _decide_about(self, lead_id: str, decide: Callable[[Lead, HandOff | None, Case], Decision]) -> None:
        def work(known: Known) -> list[Decided]:
            lead, score = known.leads[lead_id], known.scores[lead_id]
            case = case_of(lead, score.record, self.rules, self.now, known.around)
            decision = decide(lead, known.opened.get(lead_id), case)
            return follow(Decided(decision, score, answered=True), known, self.rules, self.now)

        self.transact([lead_id], work)

    def _contacted(self, lead: Lead, opened: HandOff | None, case: Case) -> Decision:
        return Decision(lead=contacted(lead, opened, self.now, case))

    def _tell(self, told: Iterable[Told]) -> None:
        for one in told:
            if isinstance(one, Event):
                self.at(self.now + DELAY, lambda event=one: self.hear(event))  # type: ignore[misc]

    def _look_again(self, lead: Lead) -> None:
        for moment in (lead.cools_at, lead.due_at):
            if moment is not None:
                heapq.heappush(self._moments, (moment, lead.lead_id))

    def time_has_come(self, lead_id: str) -> None:
        """As the router's timer does: first what time leads to, then what is due by the clock."""
        lead = self.ledger.leads[lead_id]
        if lead.cools_at is not None and lead.cools_at <= self.now:
            self.transact([lead_id], lambda known: list(cool_until(self.now, lead_id, known, self.rules)))
        lead = self.ledger.leads[lead_id]
        if lead.due_at is not None and lead.due_at <= self.now:
            self.transact([lead_id], lambda known: list(due_until(self.now, lead_id, known, self.rules)))


def _named(records: Iterable[ScoreRecord]) -> set[str]:
    """All leads that records are about."""
    return {id for one in records for id in (one.lead_id, one.merged_into, *one.members) if id is not None}
