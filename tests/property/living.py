"""Leads as scorer and router have them, from the same log as the oracle: in any batches, with what people answer, and
with what the router itself puts into the log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.ingest.reading.model import Arrival
from services.ingest.reading.parse import parse
from services.ingest.reading.segment import read_batch
from services.router.batch import Decided, Hours, Known, Received, cool_until, decide_all
from services.router.lifecycle.answers import Refusal, accept, case_of, reject
from services.router.lifecycle.model import Emitted, HandOff, Status
from services.router.lifecycle.rules import Rules
from services.router.outbox import emitted_event
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import LeadState, decode_state, encode_state
from shared.clock import EventClock
from shared.events import Event, Kind, Logged, decode_event, encode_event
from shared.points import to_micro
from shared.recycling import SOURCE
from shared.scores import ScoreRecord, decode_score, encode_score
from tests.fault.oracle import (
    Answered,
    ExpectedLead,
    HandOffStep,
    Recycled,
    RouterTold,
    Sent,
    SignalShown,
    StageStep,
    Told,
)
from tests.property import recyclings

START = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)
Entry = Told | Answered


def ms(moment: datetime) -> int:
    return (moment - EPOCH) // MS


@dataclass(frozen=True)
class Wish:
    """After so many entries of the log whoever has been offered `lead_id` answers, so much later than its latest
    event."""

    place: int
    lead_id: str
    rejected: str | None
    later: timedelta


@dataclass
class Life:
    """One lead. `told`: what the router has put into the log about it."""

    lead_id: str
    scorer: Scorer
    rules: Rules
    state: LeadState = field(init=False)
    known: Known = field(default_factory=lambda: Known({}, {}))
    records: list[ScoreRecord] = field(default_factory=list)
    stages: list[StageStep] = field(default_factory=list)
    handoffs: list[HandOffStep] = field(default_factory=list)
    told: list[Emitted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = self.scorer.new_state()

    def hear(self, batch: Sequence[tuple[int, Event]]) -> None:
        """Between two batches the state passes through its encoding, as after a crash, or is copied, as usually."""
        logged = [Logged(offset, 20_000, event) for offset, event in batch]
        made = [decode_score(encode_score(record)) for record in self.scorer.apply(self.state, logged, 0)]
        self.state = decode_state(encode_state(self.state))
        if batch[-1][0] % 2:
            self.state.follow("another playbook")  # what is derived is derived anew
        received = [Received(0, len(self.records) + n, b"", b"", [], record) for n, record in enumerate(made)]
        self.records += made
        self._follow(decide_all(received, self.known, self.rules, Hours(EventClock(START))))

    def wait(self, until: datetime) -> None:
        self._follow(cool_until(until, self.lead_id, self.known, self.rules))

    @property
    def offered(self) -> HandOff | None:
        opened = self.known.opened.get(self.lead_id)
        return opened if opened is not None and opened.status is Status.OFFERED else None

    @property
    def time(self) -> datetime:
        return self.records[-1].time

    def answer(self, answered: Answered) -> None:
        at = EPOCH + answered.at * MS
        self.wait(at)
        handoff = self.offered
        assert handoff is not None, "nobody is asked any more"
        lead, score = self.known.leads[self.lead_id], self.known.scores[self.lead_id]
        case = case_of(lead, score.record, self.rules, at, self.known.around)
        if answered.rejected is None:
            decision = accept(lead, handoff, None, "tool", case)
        else:
            decision = reject(lead, handoff, Refusal(answered.rejected, "tool"), case)
        self.known.follow(decision)
        self._follow([Decided(decision, score, answered=True)])

    def _follow(self, decided: Iterable[Decided]) -> None:
        for item in decided:
            trigger = "" if item.cooled or item.answered else item.score.record.trigger.event_id
            for one in item.decision.stages:
                self.stages.append(StageStep(one.source, one.target, ms(one.at), trigger, one.historical))
            self.handoffs += [_step(change.handoff, trigger) for change in item.decision.handoffs]
            for event in item.decision.events:
                assert event.kind is not Kind.RECYCLE or event.id == f"recycle:{self.lead_id}:{_back(item)}"
                self.told.append(event)

    def as_expected(self) -> ExpectedLead:
        lead, last = self.known.leads[self.lead_id], self.records[-1]
        return ExpectedLead(
            lead_id=self.lead_id,
            time=ms(last.time),
            attribute=to_micro(last.attribute),
            behaviour=to_micro(last.behaviour),
            total=to_micro(last.total),
            dimensions={name: to_micro(points) for name, points in last.dimensions.items()},
            grade=last.grade,
            ignored=last.ignored,
            level=last.level,
            list_kind=last.list_kind,
            fields=last.attributes,
            signals={
                name: SignalShown(
                    ms(signal.first),
                    ms(signal.last),
                    signal.times,
                    signal.event_id,
                    signal.kept,
                    tuple(map(ms, signal.recent)),
                )
                for name, signal in last.signals.items()
            },
            stage=lead.stage,
            stages=tuple(self.stages),
            handoffs=tuple(self.handoffs),
            owner=(lead.department, lead.team) if lead.department and lead.team else None,
            epoch=last.epoch,
            told=tuple(_told(event) for event in self.told),
        )


def _back(item: Decided) -> int:
    """The number of the stage change by which the lead went back."""
    return max((change.seq for change in item.decision.stages), default=item.decision.lead.seq)


def _step(handoff: HandOff, trigger: str) -> HandOffStep:
    names = ("handoff_id", "giver", "giver_team", "receiver", "team", "stage")
    return HandOffStep(**{n: getattr(handoff, n) for n in names}, status=handoff.status.value, event_id=trigger)


def _told(event: Emitted) -> RouterTold:
    kind = "recycle" if event.kind is Kind.RECYCLE else "rejected"
    return RouterTold(kind, ms(event.at), event.properties["reason"], event.properties.get("handoff_id", ""))


def events_of(log: Sequence[Entry]) -> list[tuple[int, Event | Answered]]:
    """Through the API's parsing and the log's encoding; every call must be accepted."""
    found: list[tuple[int, Event | Answered]] = []
    for offset, sent in enumerate(log):
        if isinstance(sent, Answered):
            found.append((offset, sent))
        elif isinstance(sent, Recycled):
            found.append((offset, decode_event(encode_event(recyclings.event_of(sent)))))
        elif sent.source == SOURCE:
            found.append((offset, decode_event(encode_event(_rejection(sent)))))
        else:
            envelope = read_batch(json.dumps({"batch": [sent.call], **sent.envelope}).encode())
            parsed = parse(envelope, Arrival(sent.source, sent.received_at, "/v1/batch", lambda: "unnamed"))
            assert parsed.rejected == []
            found += [(offset, decode_event(encode_event(event))) for event in parsed.accepted]
    return found


def lives(
    log: Sequence[Entry], cuts: set[int], scorer: Scorer, rules: Rules, until: datetime | None = None
) -> dict[str, Life]:
    """What becomes of the leads of a log whose batches begin at `cuts`, and in the time that passes afterwards. All of
    a lead's events are scored before it is answered for."""
    found: dict[str, Life] = {}
    waiting: dict[str, list[tuple[int, Event]]] = {}

    def hear(lead_id: str) -> None:
        if batch := waiting.pop(lead_id, None):
            found.setdefault(lead_id, Life(lead_id, scorer, rules)).hear(batch)

    for offset, entry in events_of(log):
        if offset in cuts:
            for lead_id in list(waiting):
                hear(lead_id)
        if isinstance(entry, Answered):
            hear(entry.lead_id)
            found[entry.lead_id].answer(entry)
        else:
            waiting.setdefault(entry.key, []).append((offset, entry))
    for lead_id in list(waiting):
        hear(lead_id)
    if until is not None:
        for life in found.values():
            life.wait(until)
    return found


@dataclass
class Composing:
    """A log in the making: what the router tells comes into it `delay` entries later."""

    scorer: Scorer
    rules: Rules
    delay: int
    log: list[Entry] = field(default_factory=list)
    due: list[tuple[int, Entry]] = field(default_factory=list)
    found: dict[str, Life] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """One more, and what is due by then."""
        self.log.append(entry)
        for _, event in events_of([entry]):
            assert not isinstance(event, Answered)
            life = self.found.setdefault(event.key, Life(event.key, self.scorer, self.rules))
            before = len(life.told)
            life.hear([(len(self.log), event)])
            self._note(life, before)
        while self.due and self.due[0][0] <= len(self.log):
            self.add(self.due.pop(0)[1])

    def wish(self, wish: Wish) -> None:
        life = self.found.get(wish.lead_id)
        if life is None or life.offered is None:
            return
        at = life.time + wish.later
        before = len(life.told)
        life.wait(at)
        if life.offered is not None:
            answered = Answered(wish.lead_id, ms(at), wish.rejected)
            self.log.append(answered)
            life.answer(answered)
        self._note(life, before)

    def rest(self, until: datetime | None) -> None:
        """What has not come yet comes, and what time leads to afterwards."""
        while True:
            while self.due:
                self.add(self.due.pop(0)[1])
            for life in self.found.values() if until is not None else ():
                before = len(life.told)
                life.wait(until or START)
                self._note(life, before)
            if not self.due:
                return

    def _note(self, life: Life, before: int) -> None:
        for event in life.told[before:]:
            self.due.append((len(self.log) + self.delay, _entry(life.lead_id, event)))


def composed(  # noqa: PLR0913, PLR0917 - a log, what people and router do about it, and by which rules
    log: Sequence[Told],
    wishes: Sequence[Wish],
    delay: int,
    scorer: Scorer,
    rules: Rules,
    until: datetime | None,
) -> list[Entry]:
    """The log with the answers that could be given, and with what the router tells."""
    composing = Composing(scorer, rules, delay)
    for place, entry in enumerate(log):
        composing.add(entry)
        for wish in wishes:
            if wish.place == place:
                composing.wish(wish)
    composing.rest(until)
    return composing.log


def _entry(lead_id: str, event: Emitted) -> Told:
    if event.kind is Kind.RECYCLE:
        return Recycled(lead_id, event.id, ms(event.at))
    call = {"type": "track", "userId": lead_id, "messageId": event.id, "event": event.name}
    call |= {"timestamp": event.at.isoformat(), "properties": event.properties}
    return Sent(call, event.at, SOURCE)


def _rejection(sent: Sent) -> Event:
    call: Mapping[str, str] = sent.call
    emitted = Emitted(
        id=call["messageId"],
        kind=Kind.TRACK,
        at=sent.received_at,
        name=call["event"],
        properties=sent.call["properties"],
    )
    return emitted_event(emitted, call["userId"])
