"""A batch of what was read, and what it comes to: rows for one database transaction. No I/O; the clock is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from services.router.contact import ContactDatum
from services.router.deals import Deal
from services.router.lifecycle.answers import case_of
from services.router.lifecycle.decide import decide, is_stale, new_lead
from services.router.lifecycle.due import tick
from services.router.lifecycle.handoffs import open_after
from services.router.lifecycle.joining import is_joint, regroup
from services.router.lifecycle.merging import absorb, given_back, has_something, left, returned
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.passing import look_again
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.settling import move, moves_at, settled, timed
from services.router.lifecycle.surroundings import Surroundings
from services.router.outbox import OutboxRow
from shared.clock import Clock
from shared.scores import ScoreRecord

Row = tuple[Any, ...]
Place = tuple[str, int]


class Received(msgspec.Struct, frozen=True):
    """A score record as it came, and where from."""

    lane: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Iterable[tuple[str, bytes]]
    record: ScoreRecord


@dataclass(slots=True)
class Batch:
    """Contact data is complete up to the position of each score. `offsets`: place → (expected, next).

    What Postgres refused is taken out when the batch is applied, and counted in `refused_…`, and so is in `denied` what
    is of somebody who was erased; `cooled` are the leads that cooled before one of the scores was decided, or because
    of it."""

    contacts: list[ContactDatum] = field(default_factory=list)
    scores: list[Received] = field(default_factory=list)
    dead: list[OutboxRow] = field(default_factory=list)
    offsets: dict[Place, tuple[int, int]] = field(default_factory=dict)
    refused_contacts: int = 0
    refused_scores: int = 0
    denied: int = 0
    cooled: int = 0

    def take_parts(self, parts: Sequence[Batch]) -> None:
        """It was applied in these parts: what Postgres refused was taken out of them."""
        self.scores = [item for part in parts for item in part.scores]
        for name in ("refused_contacts", "refused_scores", "denied", "cooled"):
            setattr(self, name, sum(getattr(part, name) for part in parts))


class Hours:
    """When each record is decided, by the clock: asked once, and the same if it is decided once more."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[tuple[int, int], datetime] = {}

    def of(self, received: Received) -> datetime:
        place = (received.lane, received.offset)
        moment = self._of.get(place)
        if moment is None:
            self._clock.witness(received.record.time)
            self._of[place] = moment = self._clock.now()
        return moment


class Scored(NamedTuple):
    """A score record, and its bytes as they were received."""

    record: ScoreRecord
    value: bytes


@dataclass(slots=True)
class Known:
    """What the ledger holds about the leads of a batch. `scores`: the latest of each lead that may have cooled,
    or is another's member or its lead. `asked`: leads that were looked for because of their colleagues. `begun`: how
    leads begin whose id was another one's before."""

    leads: dict[str, Lead]
    opened: dict[str, HandOff]
    scores: dict[str, Scored] = field(default_factory=dict)
    around: Surroundings = field(default_factory=Surroundings)
    asked: frozenset[str] = frozenset()
    begun: Mapping[str, Lead] = field(default_factory=dict)

    def with_(self, around: Surroundings) -> Known:
        """The same as the ledger has it, for deciding in other surroundings."""
        return Known(dict(self.leads), dict(self.opened), dict(self.scores), around, self.asked, self.begun)

    def root(self, lead_id: str) -> str:
        """The lead that an id is part of, as far as is known."""
        seen = {lead_id}
        while (lead := self.leads.get(lead_id)) is not None and lead.merged_into and lead.merged_into not in seen:
            lead_id = lead.merged_into
            seen.add(lead_id)
        return lead_id

    def follow(self, decision: Decision) -> None:
        """Know what has been decided."""
        lead = decision.lead
        self.leads[lead.lead_id] = lead
        if decision.handoffs:
            opened = open_after(self.opened.pop(lead.lead_id, None), decision.handoffs)
            if opened is not None:
                self.opened[lead.lead_id] = opened
        if lead.handoffs:
            self.around.follow(lead, [change.handoff for change in decision.handoffs], self.opened.get(lead.lead_id))


class Decided(msgspec.Struct, frozen=True):
    """A decision and the lead's latest score. It was not that score which led to it, but: `cooled`: time, as the score
    foretells; `merged`: that ids are one lead, or no more; `due`: a deadline; `joined`: what became of a colleague;
    `answered`: a person."""

    decision: Decision
    score: Scored
    cooled: bool = False
    merged: bool = False
    due: bool = False
    joined: bool = False
    answered: bool = False

    @property
    def is_scored(self) -> bool:
        """Whether the score has led to it."""
        return not (self.cooled or self.merged or self.due or self.joined or self.answered)

    @property
    def counts_only(self) -> bool:
        """Nothing has changed but the score and what `COUNTED` names."""
        decision = self.decision
        return not (
            self.merged or self.joined or decision.stages or decision.handoffs or decision.alerts or decision.events
        )


@dataclass(slots=True)
class Rows:
    """What a transaction writes. Of each lead and hand-off only the last state is written.

    `leads` are written as a whole; of those in `counted` what a record may change that leads to no stage, of those in
    `scores` only their score. `stalled`: leads that have gone
    back into consideration, and when; their open deals leave the pipeline."""

    leads: list[Row] = field(default_factory=list)
    counted: list[Row] = field(default_factory=list)
    scores: list[Row] = field(default_factory=list)
    stages: list[Row] = field(default_factory=list)
    handoffs: dict[str, Row] = field(default_factory=dict)
    handoff_changes: list[Row] = field(default_factory=list)
    deals: dict[tuple[str, str], Deal] = field(default_factory=dict)
    stalled: dict[str, datetime] = field(default_factory=dict)
    outbox: list[OutboxRow] = field(default_factory=list)
    cooled: int = 0


def decide_all(scores: Iterable[Received], known: Known, rules: Rules, hours: Hours) -> list[Decided]:
    """Decide each record in order; `known` follows. Stale records decide nothing.

    A lead that was to cool by the record's time cools first, by what was known until then; and afterwards, if the
    record itself has taken away what its stage rested on."""
    decided: list[Decided] = []
    for received in scores:
        record = received.record
        lead_id = record.lead_id
        lead = known.leads.get(lead_id) or known.begun.get(lead_id) or new_lead(lead_id, received.lane, rules)
        if is_stale(lead, record):
            continue
        now = hours.of(received)
        if record.merged_into is not None:
            decided += _member(received, lead, known, rules, now)
            continue
        if lead.merged_into is not None:
            decided.append(_back(received, lead, known, rules, now))
            continue
        if _cools_by(lead, record.time):
            decided += cool_until(record.time, lead_id, known, rules)
            lead = known.leads[lead_id]
        decision = decide(lead, known.opened.get(lead_id), record, rules, now, known.around)
        known.scores[lead_id] = score = Scored(record, received.value)
        decided += follow(Decided(decision, score), known, rules, now)
        if _cools_by(decision.lead, record.time):
            decided += cool_until(record.time, lead_id, known, rules)
        for member in record.members:
            decided += _absorb(lead_id, member, known, rules, now)
    return decided


def follow(item: Decided, known: Known, rules: Rules, now: datetime) -> list[Decided]:
    """Know what has been decided, and what it means for colleagues. Raises `LeadsNeeded`."""
    decision = item.decision
    lead_id = decision.lead.lead_id
    was, had = known.leads.get(lead_id), known.opened.get(lead_id)
    known.follow(decision)
    if not is_joint(was, had, decision.lead):
        return [item]
    if was is not None and was.attached_to != decision.lead.attached_to and item.counts_only:
        item = replace(item, joined=True)
    return [item, *_colleagues(was, had, decision, known, rules, now)]


def _colleagues(  # noqa: PLR0913, PLR0917 - a lead before and after, and what is around it
    was: Lead | None, had: HandOff | None, decision: Decision, known: Known, rules: Rules, now: datetime
) -> Iterator[Decided]:
    for change in regroup(was, had, decision, known, rules, now):
        yield Decided(change, known.scores[change.lead.lead_id], joined=True)


def _member(received: Received, lead: Lead, known: Known, rules: Rules, now: datetime) -> list[Decided]:
    """The lead is a member of another one from now on."""
    record = received.record
    decision = Decision(lead=left(lead, record))
    known.follow(decision)
    known.scores[lead.lead_id] = score = Scored(record, received.value)
    return [Decided(decision, score), *_absorb(known.root(record.merged_into or ""), lead.lead_id, known, rules, now)]


def _absorb(lead_id: str, member_id: str, known: Known, rules: Rules, now: datetime) -> list[Decided]:
    """What a member has goes to its lead, if both are known by now and that has not happened yet."""
    lead, member = known.leads.get(lead_id), known.leads.get(member_id)
    if lead is None or member is None or lead is member or member.merged_into is None:
        return []
    if member.merged_into == lead_id and not has_something(member, rules):
        return []
    its = known.opened.get(member_id)
    opened = known.opened.get(lead_id)
    decisions = absorb(lead, opened, member, its, rules, now)
    found = []
    for decision in reversed(decisions):  # first what ends
        known.follow(decision)
        found.append(Decided(decision, known.scores[decision.lead.lead_id], merged=True))
    # What the lead rests on by now is in its next record, unless this one includes the member.
    after, score = known.leads[lead_id], known.scores[lead_id]
    if member_id in score.record.members:
        after = timed(after, known.opened.get(lead_id), score.record, rules)
    else:
        after = replace(after, cools_at=None)
    known.follow(Decision(lead=after))
    found.append(Decided(Decision(lead=after), score, merged=True))
    for decision, was, had in zip(decisions, (lead, member), (opened, its), strict=True):
        if is_joint(was, had, decision.lead):
            found += _colleagues(was, had, replace(decision, lead=known.leads[was.lead_id]), known, rules, now)
    return found


def _back(received: Received, lead: Lead, known: Known, rules: Rules, now: datetime) -> Decided:
    """The lead is one of its own again. What it did is history: it moves stages, and offers nothing."""
    record = received.record
    past = replace(record, historical=True)
    decision = decide(returned(lead, rules), None, past, rules, now, known.around)
    decision = replace(decision, lead=given_back(decision.lead, rules))
    known.follow(decision)
    known.scores[lead.lead_id] = score = Scored(record, received.value)
    return Decided(decision, score, merged=True)


def _cools_by(lead: Lead, moment: datetime) -> bool:
    return lead.cools_at is not None and lead.cools_at <= moment


def cool_until(moment: datetime, lead_id: str, known: Known, rules: Rules) -> Iterator[Decided]:
    """Let a lead cool as often as it does by `moment`; `known` follows, and must hold its latest score if it is due."""
    while _cools_by(lead := known.leads[lead_id], moment):
        opened, score = known.opened.get(lead_id), known.scores[lead_id]
        # Asked again, as what the ledger says may be from a program or a playbook of before.
        at = moves_at(lead, opened, score.record, rules)
        if at is None or at > moment:
            decision = Decision(lead=replace(lead, cools_at=at))
        else:
            decision = move(lead, opened, score.record, rules, at, known.around)
        yield from follow(Decided(decision, score, cooled=True), known, rules, at or moment)


def due_until(moment: datetime, lead_id: str, known: Known, rules: Rules) -> Iterator[Decided]:
    """Do all that is due for a lead by `moment`; `known` follows, and must hold its latest score."""
    while (lead := known.leads[lead_id]).due_at is not None and lead.due_at <= moment:
        opened, score = known.opened.get(lead_id), known.scores[lead_id]
        case = case_of(lead, score.record, rules, moment, known.around)
        # What the ledger says may be from a playbook of before: where nothing is due any more, the moment is put right.
        decision = settled(tick(lead, opened, case), opened, case)
        decided = Decided(decision, score, due=True)
        yield from follow(decided, known, rules, moment)
        if decided.counts_only and decision.lead.due_at == lead.due_at:
            raise RuntimeError(f"a deadline of a lead at stage '{lead.stage}' comes to no end")


def ask_valve(lead_id: str, known: Known, rules: Rules, now: datetime) -> list[Decided]:
    """Look again at a lead that stands before a valve; `known` follows, and must hold its latest score."""
    lead, opened, score = known.leads[lead_id], known.opened.get(lead_id), known.scores[lead_id]
    decision = look_again(lead, opened, score.record, rules, now, known.around)
    if decision == Decision(lead=lead):
        return []
    return follow(Decided(decision, score, due=True), known, rules, now)
