"""DELETE /v1/leads/{id}: a person asks to be forgotten; GET /v1/erasures: that it was done."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from services.router.api.auth import Erasing
from services.router.api.errors import ApiError, responses
from services.router.api.state import EraserHere
from services.router.erasure.eraser import NoErasureKey, NotKnown
from services.router.tables import erasures

router = APIRouter(prefix="/v1", tags=["erasure"])
_answers = responses(404, 409)
_answers[409] = {**_answers[409], "description": "this installation has no key by which erased people are known"}


class ErasureInfo(BaseModel):
    """What was removed; no personal data."""

    erasure_id: int
    erased_at: datetime
    until: datetime = Field(description="what the person did by then is not taken any more; later, it is a new lead")
    ids: int = Field(description="how many ids the person had")
    removed: dict[str, int] = Field(description="rows by table", examples=[{"leads": 2, "contacts": 5}])
    by: str = Field(description="name of the token")


class ErasedLead(ErasureInfo):
    """The answer to a request."""

    again: bool = Field(description="that was earlier, and there was nothing more to be removed")


class ErasurePage(BaseModel):
    """The latest first; `cursor` gives the next page."""

    erasures: list[ErasureInfo]
    cursor: int | None


@router.get("/erasures", response_model=ErasurePage, responses=responses())
async def list_erasures(
    _: Erasing,
    eraser: EraserHere,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[int | None, Query(description="of the page before", ge=0, le=2**63 - 1)] = None,
) -> Any:
    """The audit: every erasure, without a word about whose it was."""
    query = select(erasures).order_by(erasures.c.erasure_id.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(erasures.c.erasure_id < cursor)
    async with eraser.engine.connect() as connection:
        rows = (await connection.execute(query)).mappings().all()
    return {"erasures": rows[:limit], "cursor": rows[limit - 1]["erasure_id"] if len(rows) > limit else None}


@router.delete("/leads/{id}", response_model=ErasedLead, responses=_answers)
async def erase_lead(id: str, caller: Erasing, eraser: EraserHere) -> Any:
    """Erase a person, by lead id, user id or e-mail address, with all ids of theirs; for good.

    May be repeated. Scores and states follow within a second; messages that were sent stay for as long as their topics
    are kept."""
    try:
        erased = await eraser.erase(id, caller.name)
    except NotKnown:
        # Not the id: an address does not belong into answers about somebody who is not there.
        raise ApiError(404, "not_found", "no lead has this id or e-mail address, and none was erased") from None
    except NoErasureKey:
        message = "nobody can be erased without TASUKI_ERASURE_KEY: set it to the same secret for scorers and routers"
        raise ApiError(409, "no_erasure_key", message) from None
    return {"erasure_id": erased.erasure_id, **asdict(erased.entry), "again": erased.again}
