"""/v1/handoffs: what waits for a department, and its answers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from sqlalchemy import select

from services.router.api import schemas
from services.router.api.auth import Reader, Writer
from services.router.api.errors import ApiError, responses
from services.router.api.state import LedgerHere
from services.router.ledger import Answer, HandOffUnknown, Ledger
from services.router.lifecycle import answers
from services.router.lifecycle.answers import Refusal
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Decision, HandOff, Lead, NotPossible, Status
from services.router.tables import handoffs

router = APIRouter(prefix="/v1/handoffs", tags=["hand-offs"])


@router.get("", response_model=schemas.HandOffPage, responses=responses())
async def list_handoffs(  # noqa: PLR0913, PLR0917 - each parameter is one of the query's
    _: Reader,
    ledger: LedgerHere,
    department: Annotated[str | None, Query(description="receiving department")] = None,
    team: Annotated[str | None, Query(description="receiving team")] = None,
    status: Annotated[Status | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(description="of the page before")] = None,
) -> Any:
    """Hand-offs in order of their ids."""
    query = select(handoffs).order_by(handoffs.c.handoff_id).limit(limit + 1)
    for given, condition in (
        (department, handoffs.c.receiver == department),
        (team, handoffs.c.team == team),
        (status, handoffs.c.status == (status.value if status else None)),
        (cursor, handoffs.c.handoff_id > (cursor or "")),
    ):
        query = query if given is None else query.where(condition)
    async with ledger.engine.connect() as connection:
        rows = (await connection.execute(query)).mappings().all()
    return {"handoffs": rows[:limit], "cursor": rows[limit - 1]["handoff_id"] if len(rows) > limit else None}


@router.post("/{id}/accept", response_model=schemas.HandOffInfo, responses=responses(404, 409))
async def accept(id: str, caller: Writer, ledger: LedgerHere, body: schemas.Acceptance | None = None) -> Any:
    """The receiver takes the lead over and is responsible from now on."""
    person = body.person if body else None

    def answer(lead: Lead, handoff: HandOff, case: Case) -> Decision:
        return answers.accept(lead, handoff, person, caller.name, case)

    return await _answer(ledger, id, answer)


@router.post("/{id}/reject", response_model=schemas.HandOffInfo, responses=responses(404, 409))
async def reject(id: str, body: schemas.RejectionBody, caller: Writer, ledger: LedgerHere) -> Any:
    """The giver keeps the lead, which goes back to the stage that the playbook names."""
    allowed = ledger.rules.playbook.rejection.reasons
    if body.reason not in allowed:
        raise ApiError(
            422, "unknown_reason", f"'{body.reason}' is no reason code; expected one of {', '.join(sorted(allowed))}"
        )
    refusal = Refusal(reason=body.reason, by=caller.name, note=body.note)

    def answer(lead: Lead, handoff: HandOff, case: Case) -> Decision:
        return answers.reject(lead, handoff, refusal, case)

    return await _answer(ledger, id, answer)


@router.post("/{id}/complete", response_model=schemas.HandOffInfo, responses=responses(404, 409))
async def complete(id: str, caller: Writer, ledger: LedgerHere) -> Any:
    """The receiver has done what the hand-off was for, and stays the owner."""

    def answer(lead: Lead, handoff: HandOff, case: Case) -> Decision:
        return answers.complete(lead, handoff, caller.name, case)

    return await _answer(ledger, id, answer)


async def _answer(ledger: Ledger, id: str, answer: Answer) -> Any:
    try:
        return msgspec.structs.asdict(await ledger.answer(id, answer))
    except HandOffUnknown:
        raise ApiError(404, "not_found", f"there is no hand-off '{id}'") from None
    except NotPossible as error:
        raise ApiError(409, "not_possible", str(error)) from None
