"""What sales tools read: the values of `stages` and `handoffs.<department>` (JSON Schemas in shared/schemas)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from services.router.lifecycle.model import HandOffChange, Lead, StageChange, Status
from services.router.lifecycle.reasons import Leaf
from shared.playbook import Playbook
from shared.scores import BOUNDS, Contribution, ListKind, ScoreRecord, Trigger

STAGE_CHANGED = "tasuki.stage.changed"
SOURCE = "tasuki/router"
JOINED = "joined"
"""Of a hand-off: a colleague has joined it, or left; its status is as before."""
BANT = ("budget", "authority", "needs", "timeframe")
Label = dict[str, str]


def handoff_type(status: str) -> str:
    """The CloudEvents type of a hand-off that came into `status`."""
    return f"tasuki.handoff.{status}"


def handoff_types() -> tuple[str, ...]:
    """All types of messages about hand-offs that `HandOffMessage` describes."""
    return (*(handoff_type(status.value) for status in Status), handoff_type(JOINED))


class LabelledContribution(Contribution, frozen=True, kw_only=True):
    """A rule's points with its label in Japanese and English."""

    label: Label | None = None


class FrozenScore(msgspec.Struct, frozen=True, kw_only=True):
    """The score that decided; `contributions` add up to `total`."""

    total: float
    attribute: float
    behaviour: float
    contributions: list[LabelledContribution]
    grade: str | None = None
    dimensions: dict[str, float] = msgspec.field(default_factory=dict)
    exact: bool = True
    ignored: dict[str, int] = msgspec.field(default_factory=dict)


class StageName(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    number: int
    label: Label


class StageMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A lead entered a stage. `seq` numbers all messages about a lead, without gaps but for expired topics.

    `attached_to`: the colleague whose hand-off (`handoff_id`) it has joined instead of being offered itself."""

    lead_id: str
    seq: int
    source: StageName = msgspec.field(name="from")
    target: StageName = msgspec.field(name="to")
    at: datetime
    reason: list[Leaf]
    department: str | None
    team: str | None
    person: str | None
    held_by: str | None
    historical: bool
    score: float
    level: int
    trigger: Trigger
    playbook: str
    attached_to: str | None = None
    handoff_id: str | None = None


class Party(msgspec.Struct, frozen=True, kw_only=True):
    department: str
    team: str | None
    label: Label
    person: str | None = None


class ContactData(msgspec.Struct, frozen=True, kw_only=True):
    """What one needs to call."""

    name: str | None = None
    title: str | None = None
    department: str | None = None
    phone: str | None = None
    email: str | None = None
    prefecture: str | None = None


class Company(msgspec.Struct, frozen=True, kw_only=True):
    name: str | None = None
    industry: Any = None
    employees: Any = None


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who is responsible for a lead."""

    department: str | None
    team: str | None
    person: str | None


class Colleague(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else of the lead's company who is being worked: a lead with an open hand-off, or (`attached`) one that
    has joined this one. `roles` are ids of the buying group's roles that they cover."""

    lead_id: str
    name: str | None
    title: str | None
    department: str | None
    roles: list[str]
    stage: str
    owner: Owner
    attached: bool
    handoff_id: str | None = None


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """The four things to understand for a deal (domain D5)."""

    issue: str | None = None
    problem: str | None = None
    solution: str | None = None
    benefit: str | None = None


POINTS = {name: f"points.{name}" for name in Points.__struct_fields__}
"""Under which field of the contact data each of them is kept."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """The list on which the lead was last: `name` and `obtained` (a day) as the import told them."""

    at: datetime
    name: Any = None
    obtained: Any = None


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why this hand-off: the stage, and the parts of its criterion that held."""

    stage: Label
    met: list[Leaf]


class HandOffMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A hand-off in one of its states. What was known at the offer stays frozen through all later states, but for the
    colleagues, who are as they were when one of them joined or left for the last time.

    `attached` are leads of the same department of the same company who have joined it: they are for the same receiver,
    and follow what becomes of it."""

    handoff_id: str
    lead_id: str
    seq: int
    status: str
    changed_at: datetime
    changed_by: str | None
    change_reason: list[Leaf]
    note: str | None
    attached: list[str]
    giver: Party = msgspec.field(name="from")
    receiver: Party = msgspec.field(name="to")
    team: str
    person: str | None
    reason: Reason
    trigger: Trigger
    stage: StageName
    score: FrozenScore
    level: int
    bant: dict[str, datetime | None]
    points: Points
    contact: ContactData
    company: Company
    respond_by: datetime | None
    offered_at: datetime
    priority: str
    playbook: str
    attempt: int = 1
    """The how manieth offer of this lead to this department it is; `previous` is the hand-off before."""
    previous: str | None = None
    contact_by: datetime | None = None
    """Once it is accepted: by when to get in touch with the lead."""
    valve: str | None = None
    list_kind: ListKind = "house"
    """`outside`: only known from a list that was bought or researched, the lead itself has done nothing yet."""
    listed: Listed | None = None
    colleagues: list[Colleague] = []
    roles_covered: list[str] = []
    """Ids of the buying group's roles that the lead and its colleagues cover."""


encode = msgspec.json.Encoder().encode
decode_handoff = msgspec.json.Decoder(HandOffMessage).decode


def stage_name(id: str, playbook: Playbook) -> StageName:
    """One that the playbook has no more goes by its id."""
    stage = next((one for one in playbook.stages if one.id == id), None)
    if stage is None:
        return StageName(id=id, number=playbook.stages[0].number, label={"ja": id, "en": id})
    return StageName(id=id, number=stage.number, label=stage.label.model_dump())


def stage_message(
    change: StageChange, lead: Lead, record: ScoreRecord, playbook: Playbook, handoff_id: str | None = None
) -> StageMessage:
    """`lead` is as it is after all changes of the decision, `record` its latest score; `handoff_id` is the open
    hand-off of whom it is attached to."""
    return StageMessage(
        lead_id=change.lead_id,
        seq=change.seq,
        source=stage_name(change.source, playbook),
        target=stage_name(change.target, playbook),
        at=change.at,
        reason=change.reason,
        department=lead.department,
        team=lead.team,
        person=lead.person,
        held_by=lead.held_by,
        historical=change.historical,
        score=record.total,
        level=record.level,
        trigger=record.trigger,
        playbook=playbook.id,
        attached_to=lead.attached_to,
        handoff_id=handoff_id,
    )


def offer_message(
    change: HandOffChange, record: ScoreRecord, contact: Mapping[str, str], playbook: Playbook
) -> HandOffMessage:
    """A new hand-off with all that is known now."""
    handoff, fields = change.handoff, record.attributes
    stage = stage_name(handoff.stage, playbook)
    return HandOffMessage(
        handoff_id=handoff.handoff_id,
        lead_id=handoff.lead_id,
        seq=change.seq,
        status=handoff.status.value,
        changed_at=change.at,
        changed_by=change.by,
        change_reason=change.reason,
        note=change.note,
        attached=list(handoff.attached),
        giver=_party(handoff.giver, handoff.giver_team, handoff.giver_person, playbook),
        receiver=_party(handoff.receiver, handoff.team, handoff.person, playbook),
        team=handoff.team,
        person=handoff.person,
        reason=Reason(stage=stage.label, met=change.reason),
        trigger=record.trigger,
        stage=stage,
        score=frozen_score(record, playbook),
        level=record.level,
        bant={point: _first_shown(f"bant_{point}", record) for point in BANT},
        points=points(contact),
        contact=contact_data(contact),
        company=Company(
            name=contact.get("company.name"),
            industry=fields.get("company.industry"),
            employees=fields.get("company.employees"),
        ),
        respond_by=handoff.respond_by,
        offered_at=handoff.offered_at,
        priority=handoff.priority,
        playbook=playbook.id,
        attempt=handoff.attempt,
        previous=handoff.previous,
        valve=handoff.valve,
        list_kind=record.list_kind,
        listed=listed(record),
    )


def turned_message(frozen: HandOffMessage, change: HandOffChange) -> HandOffMessage:
    """The same hand-off in its new state."""
    return msgspec.structs.replace(
        frozen,
        seq=change.seq,
        status=change.handoff.status.value,
        changed_at=change.at,
        changed_by=change.by,
        change_reason=change.reason,
        note=change.note,
        person=change.handoff.person,
        contact_by=change.handoff.contact_by,
        attached=list(change.handoff.attached),
    )


def contact_data(contact: Mapping[str, str]) -> ContactData:
    return ContactData(**{name: contact.get(name) for name in ContactData.__struct_fields__})


def points(contact: Mapping[str, str]) -> Points:
    return Points(**{name: contact.get(field) for name, field in POINTS.items()})


def listed(record: ScoreRecord) -> Listed | None:
    """By the signal of this name."""
    signal = record.signals.get("listed")
    if signal is None:
        return None
    kept = signal.kept
    return Listed(at=signal.last, name=kept.get("name"), obtained=kept.get("obtained"))


def frozen_score(record: ScoreRecord, playbook: Playbook) -> FrozenScore:
    """The score with the labels of its rules."""
    labels: dict[str, Label] = {rule.id: rule.label.model_dump() for rule in playbook.attribute.rules}
    labels |= {rule.id: rule.label.model_dump() for rule in playbook.behaviour.rules}
    labels[BOUNDS] = {"ja": "合計の上限と下限", "en": "Bounds of the total"}
    return FrozenScore(
        total=record.total,
        attribute=record.attribute,
        behaviour=record.behaviour,
        contributions=[
            LabelledContribution(**msgspec.structs.asdict(part), label=labels.get(part.rule))
            for part in record.contributions
        ],
        grade=record.grade,
        dimensions=record.dimensions,
        exact=record.exact,
        ignored=record.ignored,
    )


def _party(department: str, team: str | None, person: str | None, playbook: Playbook) -> Party:
    label = playbook.departments[department].label.model_dump()
    return Party(department=department, team=team, label=label, person=person)


def _first_shown(name: str, record: ScoreRecord) -> datetime | None:
    signal = record.signals.get(name)
    return signal.first if signal else None
