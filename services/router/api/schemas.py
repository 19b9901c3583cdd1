"""What the API answers. Times are UTC."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

from services.router.api.report_schemas import DealInfo, PointsInfo, ReportInfo
from shared.scores import ListKind

Label = dict[str, str]


class Part(BaseModel):
    """One part of a transition criterion and how it stands."""

    condition: str = Field(
        description="signal, total_over, attribute_at_least, grade_at_least, behaviour_at_least, level_at_least, "
        "field, rejected, cooled, merged, playbook (the rules have changed, not the lead)"
    )
    met: bool
    label: Label = Field(description="in Japanese (ja) and English (en)")
    name: str | None = Field(
        None,
        description="of the signal, field, rejection reason or playbook; what cooled: total_over or level_at_least",
    )
    wanted: Any = Field(None, description="what the criterion asks for")
    value: Any = Field(None, description="what it is now")
    at: datetime | None = Field(None, description="of what cooled, or of a change of the playbook: when")


class Owner(BaseModel):
    """Who is responsible for a lead now."""

    department: str | None = Field(description="none before contact data is obtained")
    team: str | None
    person: str | None


class Held(BaseModel):
    """Why a lead is not passed on to sales."""

    guard: str
    label: Label
    until: datetime | None = Field(None, description="when time alone lets the lead go; none: it does not")


class Contribution(BaseModel):
    """What one rule adds; all of them add up to the total."""

    rule: str
    dimension: str = Field(description="attribute, behaviour, bounds, or one of the playbook's, which the total lacks")
    points: float
    times: int
    last: datetime | None = None
    event_id: str = Field(default="", description="of the latest event")
    earned: float | None = Field(default=None, description="before it faded, where that is something else")
    uncapped: float | None = Field(default=None, description="what it would have earned without caps, where they cut")
    label: Label | None = None


class Score(BaseModel):
    """The lead's points at the time of its latest event."""

    total: float
    attribute: float
    behaviour: float
    at: datetime
    contributions: list[Contribution]
    grade: str | None = Field(default=None, description="of the attribute score, A to D")
    dimensions: dict[str, float] = Field(default_factory=dict, description="scores beside the total")
    ignored: dict[str, int] = Field(
        default_factory=dict,
        description="events worth nothing, by reason: crawler, internal_network, internal, mail_scanner",
    )
    exact: bool = Field(default=True, description="false: rules changed, and earlier events were read by other ones")


class StageInfo(BaseModel):
    id: str
    number: int = Field(description="1 to 8 of the revenue model")
    label: Label


class Contact(BaseModel):
    """What one needs to call. Personal data."""

    name: str | None = None
    title: str | None = None
    department: str | None = None
    phone: str | None = None
    email: str | None = None
    prefecture: str | None = None


class HandOffInfo(BaseModel):
    """A hand-off as it stands now."""

    handoff_id: str
    lead_id: str
    status: str = Field(
        description="waiting, offered, accepted, completed, rejected, expired, returned, withdrawn, merged"
    )
    giver: str = Field(serialization_alias="from", description="department that is responsible until it is accepted")
    receiver: str = Field(serialization_alias="to", description="department that is to take the lead over")
    team: str
    person: str | None
    stage: str
    offered_at: datetime
    respond_by: datetime | None = Field(description="by when the receiver must respond; until when it waits at most")
    priority: str = Field(description="high where the answer is due within working hours")
    reject_reason: str | None
    attempt: int = Field(description="the how manieth offer of the lead to this department it is")
    previous: str | None = Field(description="id of the offer before, which came to nothing")
    contact_by: datetime | None = Field(description="once it is accepted: by when to get in touch with the lead")
    queued: str | None = Field(
        description="why it was offered to the team's queue and to no person: no_people, all_excluded (they "
        "refused, or did not answer), all_absent, all_at_max_load"
    )
    giver_team: str | None = Field(description="of the department that is responsible until it is accepted")
    giver_person: str | None = Field(description="who has passed the lead")
    points: float | None = Field(description="the lead's total at the offer")
    valve: str | None = Field(
        description="what the receiver's valve said to it: waits, waited (and has passed), lowered (it has passed with "
        "less than usual), raised (more than usual was asked); null: nothing"
    )
    company: str | None = Field(description="key of the lead's company at the offer")
    attached: list[str] = Field(description="colleagues of the same department who have joined it, by lead id")


class LeadBrief(BaseModel):
    """A lead in a list."""

    lead_id: str
    stage: str
    owner: Owner
    total: float
    held_by: str | None
    channel: str | None
    medium: str | None
    score_at: datetime


class Listed(BaseModel):
    """The list on which a lead was last."""

    at: datetime
    name: Any = Field(description="as the import told it")
    obtained: Any = Field(description="the day on which the list was obtained")


class Told(BaseModel):
    """When a field was told."""

    at: datetime
    stale: bool = Field(description="longer ago than the playbook's attribute.stale_after: ask again")


class Campaign(BaseModel):
    """What the lead did in one webinar, at one exhibition."""

    channel: str
    campaign: str = Field(description="as events name it")
    actions: list[str] = Field(description="of the catalogue, in order of time; absence included")
    labels: list[Label] = Field(description="of the channel and of these actions, as far as the playbook has them")
    level: int = Field(description="that these actions make, alone or together")
    last: datetime = Field(description="the latest action")


class GivingAction(BaseModel):
    """An action of the catalogue that gives a certainty level."""

    channel: str
    action: str
    level: int
    label: Label


class MissingPart(Part):
    """A part of a criterion that is not met."""

    short_by: float | None = Field(
        None, description="so many points more, rounded up to a tenth; for total_over it must be more than that"
    )
    actions: list[GivingAction] = Field(default_factory=list, description="that would give the level asked for")


class Missing(BaseModel):
    """What would take a lead to a stage."""

    text: Label | None = Field(
        description="all of it in words, with what is an alternative to what; none: the criterion is met, and only "
        "`held_by` keeps the lead from the stage"
    )
    parts: list[MissingPart]
    held_by: list[Held] = Field(description="guards that keep it from the stage, whatever else it does")
    counts_from: datetime | None = Field(
        None, description="until then its points do not count, as it was recycled; what it shows itself does"
    )


class Recycling(BaseModel):
    """Why a lead was last recycled."""

    rule: str = Field(description="of the playbook's `recycling`; or rejected, returned")
    label: Label | None = Field(description="none: the playbook of today does not know the rule")


class LeadDetail(BaseModel):
    """Everything about one lead."""

    lead_id: str
    stage: StageInfo
    reached: list[str] = Field(description="stages it has been at")
    owner: Owner
    held: Held | None = Field(
        description="why it is not passed on to sales, and would not be where sales has been offered it already"
    )
    score: Score
    level: int = Field(description="certainty level (確度), 0 is unclassified")
    level_until: datetime | None
    list_kind: ListKind = Field(
        description="outside: only known from a list that was bought or researched, it has done nothing yet itself"
    )
    listed: Listed | None = Field(description="the list on which it was last")
    campaigns: list[Campaign] = Field(description="the latest five in which it took part, the latest first")
    cools_at: datetime | None = Field(
        description="when it goes back to an earlier stage if nothing else happens; none: never, as far as is known now"
    )
    handoff: HandOffInfo | None = Field(description="the open one")
    bant: dict[str, datetime | None] = Field(description="when each of the four points was confirmed")
    points: PointsInfo
    deals: list[DealInfo]
    reports: list[ReportInfo] = Field(description="the latest ten, the latest first")
    contact: Contact
    company: str | None
    company_key: str | None = Field(
        description="for /v1/companies/{key}; none: neither name nor corporate mail is known"
    )
    attributes: dict[str, Any]
    told: dict[str, Told] = Field(description="the age of contact data and attributes, by field of the playbook")
    signals: dict[str, datetime] = Field(description="when each signal was last shown")
    channel: str | None
    medium: str | None
    acquired_at: datetime | None
    mql_at: datetime | None
    sal_at: datetime | None
    sql_at: datetime | None
    missing: dict[str, Missing] = Field(
        description="what would take it further, by stage that it may enter next; points as they are now"
    )
    recycled: int = Field(description="how often it went back into consideration")
    recycling: Recycling | None = Field(description="why, the last time")
    stage_at: datetime | None = Field(description="since when it is at its stage")
    owned_at: datetime | None = Field(description="since when it is its owner's")
    due_at: datetime | None = Field(
        description="the next moment at which something is due: an answer to its hand-off, the first contact, a "
        "reminder of these, the follow-up of a customer"
    )
    contacted_at: datetime | None = Field(
        description="when sales last got in touch with it, as far as they reported it"
    )
    held_until: datetime | None = Field(description="until then its total does not count, as it was recycled")
    attached_to: str | None = Field(description="the colleague whose open hand-off it has joined")
    attached: list[str] = Field(description="colleagues who have joined its open hand-off")
    playbook: str
    members: list[str] = Field(description="other ids of this lead, whose history is in its score")


class LeadPage(BaseModel):
    leads: list[LeadBrief]
    cursor: str | None = Field(description="give it back for the next page; none: this was the last one")


class Moment(BaseModel):
    """A stage change, a change of a hand-off, or a report."""

    seq: int = Field(description="order of what happened to this lead; of a report, the latest message's when it came")
    at: datetime
    kind: str = Field(description="stage, handoff or report")
    reason: list[Part]
    source: str | None = Field(None, serialization_alias="from", description="stage left")
    target: str | None = Field(None, serialization_alias="to", description="stage entered")
    historical: bool | None = None
    handoff_id: str | None = None
    status: str | None = None
    by: str | None = Field(None, description="name of the token that answered; of a report, the person")
    note: str | None = None
    report: dict[str, Any] | None = Field(None, description="as it was sent")


class Timeline(BaseModel):
    lead_id: str
    moments: list[Moment]


class HandOffPage(BaseModel):
    handoffs: list[HandOffInfo]
    cursor: str | None = Field(description="give it back for the next page; none: this was the last one")


class Acceptance(BaseModel):
    """Body of an acceptance; may be left out."""

    person: str | None = Field(None, max_length=200, description="who of the team takes it")


class RejectionBody(BaseModel):
    """Body of a rejection."""

    reason: str = Field(description="a reason code of the playbook, such as no_need")
    note: str | None = Field(None, max_length=2000)


class ChannelRow(BaseModel):
    """Leads acquired by one channel and medium, and what became of them."""

    channel: str | None
    medium: str | None
    leads: int
    prospects: int = Field(description="reached stage 4 or further")
    won: int = Field(description="deals won")
    amount: Decimal


class DealsOf(BaseModel):
    person: str | None = Field(description="none: not told")
    won: int
    amount: Decimal


class DepartmentRow(BaseModel):
    department: str
    offered: int = Field(description="hand-offs ever offered to it")
    accepted: int
    rejected: int
    completed: int
    open: int


class Departments(BaseModel):
    departments: list[DepartmentRow]
    inside_sales: list[DealsOf] = Field(description="deals won by the inside-sales person who passed the lead")
    field_sales: list[DealsOf] = Field(description="deals won by the field-sales person")


class FunnelRow(BaseModel):
    stage: str
    number: int
    label: Label
    now: int = Field(description="leads at this stage now")
    ever: int = Field(description="leads that have been at it or further (excluded: at it)")
    conversion: float | None = Field(description="share of those that went on to the next stage of the way")


class TwoOwners(BaseModel):
    """A lead whose owner is not the one that its hand-off, or that of the colleague whom it has joined, names."""

    lead_id: str
    department: str | None = Field(description="that is responsible by the lead")
    team: str | None
    person: str | None
    handoff_id: str | None
    receiver: str | None = Field(description="department that is responsible by the hand-off")
    its_team: str | None
    its_person: str | None


class OfferedTwice(BaseModel):
    """Open hand-offs of one department of a company to the same receiver."""

    company: str = Field(description="key of the company")
    company_part: str = Field(description="the company's department, as compared")
    receiver: str = Field(serialization_alias="to")
    handoffs: list[str] = Field(description="ids")


class Overdue(BaseModel):
    """A customer whose follow-up was due, and whose owner has not been told yet."""

    lead_id: str
    stage: str
    due_at: datetime
    department: str | None
    team: str | None
    person: str | None


class Audit(BaseModel):
    """The first five must be empty, always. What is overdue is the work of people, or of a timer that does not run: an
    offer expires, and an owner is told, within a second. Of each the oldest first."""

    without_owner: list[str] = Field(
        description="leads with contact data that nobody is responsible for, also such as were merged into none"
    )
    attached_to_nobody: list[str] = Field(
        description="leads that have joined a colleague's hand-off which is not open, or does not name them"
    )
    with_two_handoffs: list[str] = Field(description="leads with more than one open hand-off")
    with_two_owners: list[TwoOwners] = Field(description="leads for which two are responsible")
    offered_twice: list[OfferedTwice] = Field(
        description="ten leads of one department of one company are one opportunity: these were offered as several"
    )
    overdue: list[HandOffInfo] = Field(description="offered, and the deadline to answer has passed")
    contact_overdue: list[HandOffInfo] = Field(
        description="accepted, and nobody has got in touch with the lead by the deadline"
    )
    follow_up_overdue: list[Overdue] = Field(description="customers whose follow-up was due")
    waiting: list[HandOffInfo] = Field(description="at the valve of the receiver, however long")
