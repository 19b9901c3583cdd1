"""POST /v1/leads/{id}/feedback: what people report about a lead (domain D4)."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Request

from services.router.api.auth import Writer
from services.router.api.errors import ApiError, responses
from services.router.api.report_schemas import ReportInfo, report_info
from services.router.api.state import DeskHere
from services.router.feedback.desk import Refused
from services.router.metrics import RouterMetrics
from shared.feedback import AnyReport, ReportInvalid, parse_report, type_of

router = APIRouter(prefix="/v1/leads", tags=["feedback"])

MOST_BYTES = 64 * 1024
_STATUS = {"unknown_lead": 404, "unknown_handoff": 404, "foreign_handoff": 409, "report_id_taken": 409}
_EXAMPLES = {
    "call": {"type": "call", "outcome": "answered", "interested": True, "by": "ito", "note": "話を聞きたい"},
    "bant": {"type": "bant", "point": "budget", "value": "来期予算 300万円"},
    "points": {"type": "points", "issue": "人手不足", "problem": "手入力", "solution": "自動化", "benefit": "月40時間"},
    "appointment": {"type": "appointment", "when": "2026-12-01T10:00:00+09:00", "inside_sales": "ito"},
    "visit": {"type": "visit", "result": "デモに好感触、見積を依頼された", "field_sales": "sato", "presales": "kato"},
    "deal": {"type": "deal", "deal_id": "D-17", "amount": 3000000, "expected_date": "2027-01-31", "partner": "商社A"},
    "won": {"type": "won", "deal_id": "D-17", "amount": 2800000, "product": "standard", "report_id": "crm:won:D-17"},
    "lost": {"type": "lost", "deal_id": "D-17", "reason": "price"},
    "nps": {"type": "nps", "score": 9},
    "note": {"type": "note", "text": "担当者は3月に異動予定"},
}


def _schema() -> dict[str, Any]:
    """Of all types, each in its place: OpenAPI looks for names elsewhere than JSON Schema does."""
    whole = msgspec.json.schema(AnyReport)
    kinds = [whole["$defs"][part["$ref"].rpartition("/")[2]] for part in whole["anyOf"]]
    return {"oneOf": kinds, "title": "Report"}


_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": _schema(), "examples": {name: {"value": one} for name, one in _EXAMPLES.items()}}
    },
}
_answers = responses(404, 409) | {413: {**responses()[422], "description": "the report is too large"}}
_answers[404] = {**_answers[404], "description": "no such lead (unknown_lead) or hand-off (unknown_handoff)"}
_answers[409] = {
    **_answers[409],
    "description": "the hand-off is another lead's (foreign_handoff), or another report has this id (report_id_taken)",
}


@router.post(
    "/{id}/feedback",
    response_model=ReportInfo,
    responses=_answers,
    openapi_extra={"requestBody": _BODY},
)
async def report(
    id: str,
    request: Request,
    caller: Writer,
    desk: DeskHere,
    idempotency_key: Annotated[
        str | None, Header(max_length=200, description="the report's id, if the body has no report_id")
    ] = None,
) -> Any:
    """Report something about a lead, by lead id, user id or e-mail address.

    The same report (by its report_id) may be sent any number of times, here or to the topic: it counts once, and the
    answer is the same. Without an id each one counts."""
    told = await _body(request)
    report_id = _report_id(told, idempotency_key)
    try:
        filed = await desk.take(id, msgspec.structs.replace(told, report_id=report_id), report_id, caller.name)
    except Refused as refused:
        raise ApiError(_STATUS[refused.code], refused.code, str(refused)) from None
    except ReportInvalid as invalid:
        raise ApiError(422, "invalid_report", str(invalid)) from None
    if not filed.again:
        metrics: RouterMetrics = request.app.state.watch.metrics
        metrics.reports.labels(type_of(told), "http").inc()
    return report_info(filed.reported)


async def _body(request: Request) -> AnyReport:
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > MOST_BYTES:
            raise ApiError(413, "too_large", f"a report has {MOST_BYTES} bytes at most")
    try:
        return parse_report(raw)
    except ReportInvalid as invalid:
        raise ApiError(422, "invalid_report", str(invalid)) from None


def _report_id(told: AnyReport, key: str | None) -> str:
    """Raises `ApiError` 422 when body and header differ."""
    if told.report_id and key and told.report_id != key:
        raise ApiError(422, "invalid_report", "report_id and Idempotency-Key differ: send one of them")
    return told.report_id or key or str(uuid.uuid4())
