"""What people report about a lead: the body of `POST /v1/leads/{id}/feedback`, and the value of topic `feedback`.

Each type is a struct; its `event` is the name under which it goes into the log of events, where the playbook's signals
look for it.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal, get_args

import msgspec
from msgspec import Meta

Id = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(min_length=1, max_length=4000)]
Moment = Annotated[datetime, Meta(tz=True)]
Money = Annotated[float, Meta(ge=0, le=1e15)]
DealId = Annotated[Id, Meta(description="as the sales tool calls the deal")]
Amount = Annotated[Money | None, Meta(description="in the one currency that you keep all amounts in; none: not told")]
Product = Annotated[Id | None, Meta(description="what is bought")]
Why = Annotated[Id | None, Meta(description="why, as a short code such as price or competitor")]
Case = Annotated[Id, Meta(description="as the support tool calls the case")]


class ReportInvalid(ValueError):
    """The bytes are no report; the text says what is wrong and what was expected."""


class Report(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="type"
):
    """What all types have."""

    event: ClassVar[str]
    report_id: Annotated[
        Id | None,
        Meta(description="yours, the same whenever you send this report again; no other report of any tool has it"),
    ] = None
    at: Annotated[Moment | None, Meta(description="when it happened; now, if left out")] = None
    by: Annotated[Id | None, Meta(description="the person who reports")] = None
    handoff_id: Annotated[Id | None, Meta(description="the hand-off that it is about, if it is about one")] = None
    inside_sales: Annotated[Id | None, Meta(description="who of inside sales took part")] = None
    field_sales: Annotated[Id | None, Meta(description="who of field sales took part")] = None
    partner: Annotated[Id | None, Meta(description="the partner that took part")] = None
    presales: Annotated[Id | None, Meta(description="who of presales took part")] = None
    note: Annotated[Text | None, Meta(description="anything else, for people")] = None


class Call(Report, frozen=True, tag="call"):
    """The lead was called."""

    event = "Call Answered"
    outcome: Annotated[Literal["answered", "unanswered"], Meta(description="whether the lead was reached")]
    interested: Annotated[bool | None, Meta(description="whether the lead is interested; none: it was not said")] = None


class Bant(Report, frozen=True, tag="bant"):
    """One of the four BANT points is confirmed."""

    event = "BANT Confirmed"
    point: Annotated[Literal["budget", "authority", "needs", "timeframe"], Meta(description="which of the four")]
    value: Annotated[Text | None, Meta(description="what was said of it")] = None


class PointsReport(Report, frozen=True, tag="points"):
    """The four things to understand for a deal; those that are left out stay as they were. At least one."""

    event = "Deal Points Told"
    issue: Annotated[Text | None, Meta(description="the business issue (経営課題)")] = None
    problem: Annotated[Text | None, Meta(description="the problem behind it (問題点)")] = None
    solution: Annotated[Text | None, Meta(description="what solves it (解決策)")] = None
    benefit: Annotated[Text | None, Meta(description="what that is worth to them (効果)")] = None


class Appointment(Report, frozen=True, tag="appointment"):
    """An appointment was made."""

    event = "Appointment Made"
    when: Annotated[Moment | None, Meta(description="when the appointment is")] = None
    with_whom: Annotated[Text | None, Meta(description="whom we meet")] = None


class Visit(Report, frozen=True, tag="visit"):
    """The lead was visited. Whoever passed the lead is told the result."""

    event = "Visit Made"
    result: Annotated[Text, Meta(description="how it went")]


class Proposal(Report, frozen=True, tag="proposal"):
    """A proposal was made."""

    event = "Proposal Made"
    deal_id: Annotated[DealId | None, Meta(description="the deal, if there is one already")] = None
    amount: Amount = None


class DealReport(Report, frozen=True, tag="deal"):
    """A deal is registered, or what is known of it has changed."""

    event = "Deal Registered"
    deal_id: DealId
    amount: Annotated[Money, Meta(description="expected, in the one currency that you keep all amounts in")]
    expected_date: Annotated[date, Meta(description="when the order is expected")]
    status: Annotated[
        Literal["registered", "quoted", "stalled"], Meta(description="stalled ones are not in the pipeline")
    ] = "registered"
    product: Product = None


class Quote(Report, frozen=True, tag="quote"):
    """A quote was made."""

    event = "Quote Made"
    deal_id: DealId
    amount: Amount = None


class Won(Report, frozen=True, tag="won"):
    """A deal is won. Whoever passed the lead is told."""

    event = "Deal Won"
    deal_id: DealId
    amount: Amount = None
    product: Product = None


class Lost(Report, frozen=True, tag="lost"):
    """A deal is lost. Whoever passed the lead is told."""

    event = "Deal Lost"
    deal_id: DealId
    reason: Why = None


class RenewalDue(Report, frozen=True, tag="renewal_due"):
    """A contract is to be renewed."""

    event = "Renewal Due"
    amount: Annotated[Money, Meta(description="to be renewed")]
    due_date: Annotated[date, Meta(description="when the contract ends")]


class Renewed(Report, frozen=True, tag="renewed"):
    """A contract was renewed."""

    event = "Renewed"
    amount: Annotated[Money, Meta(description="actually renewed")]
    due_date: Annotated[date | None, Meta(description="when the contract would have ended")] = None


class Churned(Report, frozen=True, tag="churned"):
    """The customer has left."""

    event = "Churned"
    reason: Why = None
    amount: Amount = None


class Upsold(Report, frozen=True, tag="upsold"):
    """A customer has bought more, or something else."""

    event = "Upsold"
    amount: Annotated[Money, Meta(description="of what came in addition")]
    deal_id: Annotated[DealId | None, Meta(description="the deal, if there is one")] = None
    product: Product = None


class Nps(Report, frozen=True, tag="nps"):
    """The customer would recommend us, from 0 (no) to 10."""

    event = "NPS Answered"
    score: Annotated[int, Meta(ge=0, le=10, description="the answer")]


class Usage(Report, frozen=True, tag="usage"):
    """How much the customer uses the product."""

    event = "Usage Reported"
    usage: Annotated[float, Meta(ge=0, le=1e9, description="usage score; of 80 or more in the default playbook, high")]


class Health(Report, frozen=True, tag="health"):
    """How the customer does."""

    event = "Health Reported"
    health: Annotated[float, Meta(ge=-1e9, le=1e9, description="health score, on your own scale")]


class CaseOpened(Report, frozen=True, tag="case_opened"):
    """The customer has asked support for something."""

    event = "Case Opened"
    case_id: Case


class CaseClosed(Report, frozen=True, tag="case_closed"):
    """Support has answered."""

    event = "Case Closed"
    case_id: Case


class Satisfaction(Report, frozen=True, tag="satisfaction"):
    """How content the customer is."""

    event = "Satisfaction Answered"
    score: Annotated[float, Meta(ge=0, le=100, description="the answer, on your own scale")]
    case_id: Annotated[Case | None, Meta(description="the case that was asked about, if it was one")] = None


class Onboarded(Report, frozen=True, tag="onboarded"):
    """The customer has been introduced to the product."""

    event = "Onboarding Completed"


class Suppress(Report, frozen=True, tag="suppress"):
    """The lead asks to be left alone."""

    event = "Contact Suppressed"
    reason: Why = None


class Excluded(Report, frozen=True, tag="excluded"):
    """The lead is no target, whatever its score."""

    event = "Lead Excluded"
    reason: Annotated[Id, Meta(description="why, as a short code such as competitor or student")]


class Note(Report, frozen=True, tag="note"):
    """Something to be remembered."""

    event = "Note Written"
    text: Annotated[Text, Meta(description="for people")]


AnyReport = (
    Call | Bant | PointsReport | Appointment | Visit | Proposal | DealReport | Quote | Won | Lost | RenewalDue | Renewed
    | Churned | Upsold | Nps | Usage | Health | CaseOpened | CaseClosed | Satisfaction | Onboarded | Suppress
    | Excluded | Note
)  # fmt: skip
TYPES: dict[str, type[Report]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyReport)}
encode_report = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[AnyReport] = msgspec.json.Decoder(AnyReport)


def parse_report(raw: bytes) -> AnyReport:
    """Raises `ReportInvalid`."""
    try:
        report = _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason = str(error)
        if "`$.type`" in reason or reason.endswith("field `type`"):
            reason += f"; expected one of {', '.join(TYPES)}"
        raise ReportInvalid(reason) from error
    told = msgspec.structs.asdict(report)
    if empty := [
        name for name, value in told.items() if isinstance(value, str) and (not value.strip() or "\0" in value)
    ]:
        raise ReportInvalid(f"{', '.join(empty)}: blank, or with a NUL character; leave out what is not known")
    if isinstance(report, PointsReport) and not any((report.issue, report.problem, report.solution, report.benefit)):
        raise ReportInvalid("a report of points needs at least one of issue, problem, solution, benefit")
    return report


def decode_report(raw: bytes) -> AnyReport:
    """One that `parse_report` has accepted."""
    return _decoder.decode(raw)


def type_of(report: Report) -> str:
    """As `type` in JSON."""
    return str(report.__struct_config__.tag)
