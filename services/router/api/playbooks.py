"""/v1/playbooks: which playbook holds, and activating another one, everywhere at once (domain D6)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, Field
from sqlalchemy import select

from services.router.activation import Stranded, activate
from services.router.api.auth import Admin, Reader
from services.router.api.errors import ApiError, responses
from services.router.api.state import LedgerHere, ToldHere
from services.router.ledger import Ledger
from services.router.playbooks import rules_of
from services.router.tables import playbooks
from shared.playbook import PlaybookError
from shared.playbook.loader import parse_playbook

router = APIRouter(prefix="/v1/playbooks", tags=["playbooks"])
MOST_BYTES = 1_000_000


class ActivationInfo(BaseModel):
    """An activation of a playbook."""

    number: int = Field(description="the how manieth activation it was")
    playbook: str = Field(description="its id: name, version, digest of the content")
    activated_at: datetime
    activated_by: str = Field(description="the token's name")


class PlaybooksInfo(BaseModel):
    """Which playbook holds."""

    current: str = Field(description="id of the playbook by which leads are decided now")
    own: str = Field(description="the one that this router was started with; it holds until one is activated")
    activations: list[ActivationInfo] = Field(description="the latest first")


class ActivatedInfo(BaseModel):
    """What came of it."""

    number: int
    playbook: str
    activated_at: datetime
    notes: list[str] = Field(description="what to know of it")


@router.get("", response_model=PlaybooksInfo, responses=responses())
async def list_playbooks(_: Reader, ledger: LedgerHere) -> Any:
    """Which playbook holds, and all that were activated."""
    async with ledger.engine.connect() as connection:
        rows = (await connection.execute(select(playbooks).order_by(playbooks.c.number.desc()))).mappings().all()
    return {
        "current": ledger.rules.playbook.id,
        "own": ledger.playbooks.own.playbook.id,
        "activations": rows,
    }


@router.get("/{number}", responses=responses(404), response_model=str)
async def show_playbook(number: Annotated[int, Path(ge=1, lt=2**63)], _: Reader, ledger: LedgerHere) -> Any:
    """The text of an activated playbook."""
    return await _text_of(ledger, number)


@router.post("", response_model=ActivatedInfo, responses=responses(409))
async def activate_playbook(
    caller: Admin,
    ledger: LedgerHere,
    told: ToldHere,
    written: Annotated[str, Body(media_type="application/yaml", max_length=MOST_BYTES)],
) -> Any:
    """The playbook in the body (YAML, as text) holds from now on: scorers change at the same place of the log in each
    partition and score all leads anew, routers decide each score by the playbook that it was made with. No restart."""
    return await _activate(ledger, written, caller.name, told)


@router.post("/{number}/activate", response_model=ActivatedInfo, responses=responses(404, 409))
async def activate_again(
    number: Annotated[int, Path(ge=1, lt=2**63)], caller: Admin, ledger: LedgerHere, told: ToldHere
) -> Any:
    """One that held before holds again: how a change is taken back."""
    return await _activate(ledger, await _text_of(ledger, number), caller.name, told)


async def _activate(ledger: Ledger, written: str, by: str, told: ToldHere) -> Any:
    try:
        rules = rules_of(parse_playbook(written, "playbook"))
    except PlaybookError as error:
        raise ApiError(422, "invalid_playbook", str(error)) from error
    try:
        async with ledger.engine.begin() as connection:
            done = await activate(connection, written, rules, ledger.rules, by, ledger.clock.now(), told)
    except Stranded as stranded:
        raise ApiError(409, "stranded", str(stranded)) from stranded
    async with ledger.engine.connect() as connection:
        await ledger.playbooks.refresh(connection)
    return {"number": done.number, "playbook": done.playbook, "activated_at": done.at, "notes": list(done.notes)}


async def _text_of(ledger: Ledger, number: int) -> str:
    async with ledger.engine.connect() as connection:
        found = await connection.scalar(select(playbooks.c.text).where(playbooks.c.number == number))
    if found is None:
        raise ApiError(404, "not_found", f"there was no activation {number}")
    return str(found)
