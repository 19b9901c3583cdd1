"""What happens to the company: leads come and act, people answer, time passes. One seed, one history."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from services.router.batch import (
    Decided,
    Hours,
    Known,
    Received,
    ask_valve,
    cool_until,
    decide_all,
    due_until,
    follow,
)
from services.router.lifecycle import answers
from services.router.lifecycle.answers import Refusal, case_of
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Decision, HandOff, Lead, Status
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.valves import turned
from services.router.outbox import emitted_event
from services.router.valve_keeper import valves_of
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import LeadState
from shared.clock import EventClock
from shared.events import Event, Kind, Logged
from shared.playbook import Playbook
from tests.simulation.invariants import Watchman
from tests.simulation.memory import Memory

Act = Callable[[], None]
DAY = timedelta(days=1)


@dataclass
class Business:
    """`heard` is told of what was decided, after it was kept and found to be right."""

    playbook: Playbook
    now: datetime
    heard: list[Callable[[Sequence[Decided]], None]] = field(default_factory=list)
    states: dict[str, LeadState] = field(default_factory=dict)
    decided: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rules, self.scorer = Rules(self.playbook), Scorer(self.playbook)
        self.memory = Memory(self.rules)
        self._watchman = Watchman(self.memory)
        self._agenda: list[tuple[datetime, int, Act]] = []
        self._moments: list[tuple[datetime, str]] = []
        self._numbers, self._offsets = count(), count()

    def at(self, moment: datetime, act: Act) -> None:
        """Something is to happen."""
        heapq.heappush(self._agenda, (max(moment, self.now), next(self._numbers), act))

    def run(self, until: datetime) -> None:
        """Whatever happens until then, in order; what time does to a lead comes before what others do at a moment."""
        while True:
            moments = [one[0][0] for one in (self._moments, self._agenda) if one]
            if not moments or min(moments) > until:
                break
            self.now = max(self.now, min(moments))
            if self._moments and self._moments[0][0] <= self.now:
                self._pass_time(heapq.heappop(self._moments)[1])
            else:
                heapq.heappop(self._agenda)[2]()
        self.now = max(self.now, until)

    def happens(self, lead_id: str, name: str, *, traits: dict[str, Any] | None = None, **properties: Any) -> None:
        """An event of a lead comes into the log: a page if `name` is a path, else a track call; or who it is."""
        kind = Kind.IDENTIFY if traits else Kind.PAGE if name.startswith("/") else Kind.TRACK
        self.tell(
            Event(
                kind=kind,
                id=f"e{next(self._numbers)}",
                source="simulation",
                key=lead_id,
                time=self.now,
                received_at=self.now,
                name="" if kind is not Kind.TRACK else name,
                user_id=lead_id,
                traits=traits or {},
                properties={"path": name} if kind is Kind.PAGE else properties,
            )
        )

    def tell(self, event: Event) -> None:
        """The event is scored, and what follows from it is decided."""
        lead_id, offset = event.key, next(self._offsets)
        state = self.states.setdefault(lead_id, self.scorer.new_state())
        records = self.scorer.apply(state, [Logged(offset, 20_000, event)], 0)
        received = [Received(0, offset, b"", b"", [], record) for record in records]
        self._decide([lead_id], lambda known: decide_all(received, known, self.rules, Hours(EventClock(self.now))))

    def answer(self, handoff_id: str, answer: Callable[[Lead, HandOff, Case], Decision]) -> None:
        """Somebody answers to a hand-off. Raises `NotPossible`."""
        lead_id = self.memory.handoffs[handoff_id].lead_id

        def decide(known: Known) -> list[Decided]:
            lead, score = known.leads[lead_id], known.scores[lead_id]
            case = case_of(lead, score.record, self.rules, self.now, known.around)
            decision = answer(lead, self.memory.handoffs[handoff_id], case)
            return follow(Decided(decision, score, answered=True), known, self.rules, self.now)

        self._decide([lead_id], decide)

    def accepts(self, handoff_id: str, person: str | None) -> None:
        self.answer(handoff_id, lambda lead, one, case: answers.accept(lead, one, person, "simulation", case))

    def rejects(self, handoff_id: str, reason: str) -> None:
        refusal = Refusal(reason, "simulation")
        self.answer(handoff_id, lambda lead, one, case: answers.reject(lead, one, refusal, case))

    def look_at_valves(self) -> None:
        """As the router's valve keeper does."""
        for valve in valves_of(self.rules):
            state = self.memory.team(valve.key, self.now)
            after = turned(valve.rule, valve.team, state, self.now)
            if after is not state:
                self.memory.teams[valve.key] = after
            asked, stage = valve.rule.valve.threshold(after.valve_step), valve.rule.valve.stage
            waiting = [one for one in self._waiting(valve.key) if self._total(one.lead_id) > asked]
            waiting.sort(key=lambda one: (-self._total(one.lead_id), one.offered_at, one.lead_id))
            self.ask_valves([one.lead_id for one in waiting])
            if asked < valve.rule.valve.normal:
                stands = [id for id in self.memory.before_valves if self.memory.leads[id].valve_stage == stage]
                before = [id for id in stands if self._total(id) > asked]
                self.ask_valves(sorted(before, key=lambda id: (-self._total(id), id)))

    def ask_valves(self, lead_ids: Sequence[str]) -> None:
        """Look again at leads that stand before a valve, in this order."""
        for lead_id in lead_ids:
            self._decide([lead_id], lambda known, id=lead_id: ask_valve(id, known, self.rules, self.now))  # type: ignore[misc]

    def check_everything(self) -> None:
        """All invariants, of all leads. Raises `AssertionError`."""
        self._watchman.everything(self.now)

    def _waiting(self, key: tuple[str, str]) -> list[HandOff]:
        opened = self.memory.opened.values()
        return [one for one in opened if one.status is Status.WAITING and (one.receiver, one.team) == key]

    def _total(self, lead_id: str) -> float:
        return self.memory.scores[lead_id].record.total

    def _pass_time(self, lead_id: str) -> None:
        def decide(known: Known) -> list[Decided]:
            return [
                *cool_until(self.now, lead_id, known, self.rules),
                *due_until(self.now, lead_id, known, self.rules),
            ]

        lead = self.memory.leads[lead_id]
        if any(at is not None and at <= self.now for at in (lead.cools_at, lead.due_at)):
            self._decide([lead_id], decide)

    def _decide(self, ids: Sequence[str], decide: Callable[[Known], list[Decided]]) -> None:
        decided = self.memory.decide(ids, decide, self.now)
        self._watchman.see(decided, self.now)
        for item in decided:
            lead = item.decision.lead
            for at in (lead.cools_at, lead.due_at):
                if at is not None:
                    heapq.heappush(self._moments, (at, lead.lead_id))
            for emitted in item.decision.events:
                event = emitted_event(emitted, lead.lead_id)
                self.at(self.now, partial(self.tell, event))
        for heard in self.heard:
            heard(decided)
