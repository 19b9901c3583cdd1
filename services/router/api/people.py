"""/v1/people/{person}/absences: who is away when. Nobody who is away is offered leads."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import delete, insert, select

from services.router.api.auth import Reader, Writer
from services.router.api.errors import ApiError, responses
from services.router.api.state import LedgerHere
from services.router.ledger import Ledger
from services.router.tables import absences

router = APIRouter(prefix="/v1/people", tags=["people"])
Who = Annotated[str, Path(description="as the playbook's teams name the person")]


class AbsenceBody(BaseModel):
    """From when until when; both with a time zone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"from": "2026-12-28T09:00:00+09:00", "to": "2027-01-05T09:00:00+09:00"}]},
    )

    start: AwareDatetime = Field(alias="from", description="the first moment of absence")
    end: AwareDatetime = Field(alias="to", description="the first moment of being back")

    @model_validator(mode="after")
    def _takes_time(self) -> AbsenceBody:
        if self.start >= self.end:
            raise ValueError("expected 'from' before 'to'")
        return self


class AbsenceInfo(BaseModel):
    """One absence."""

    absence_id: int
    person: str
    starts_at: AwareDatetime = Field(serialization_alias="from")
    ends_at: AwareDatetime = Field(serialization_alias="to", description="the first moment of being back")


@router.get("/{person}/absences", response_model=list[AbsenceInfo], responses=responses(404))
async def list_absences(person: Who, _: Reader, ledger: LedgerHere) -> Any:
    """Absences of a person that are not over, in order."""
    _refuse_unknown(person, ledger)
    query = select(absences).where(absences.c.person == person, absences.c.ends_at > ledger.clock.now())
    async with ledger.engine.connect() as connection:
        return (await connection.execute(query.order_by(absences.c.starts_at))).mappings().all()


@router.post("/{person}/absences", status_code=201, response_model=AbsenceInfo, responses=responses(404))
async def add_absence(person: Who, body: AbsenceBody, _: Writer, ledger: LedgerHere) -> Any:
    """A person will be away. Absences may overlap. What the person was offered before stays offered."""
    _refuse_unknown(person, ledger)
    row = {"person": person, "starts_at": body.start, "ends_at": body.end}
    async with ledger.engine.begin() as connection:
        return (await connection.execute(insert(absences).values(row).returning(absences))).mappings().one()


@router.delete("/{person}/absences/{absence_id}", status_code=204, responses=responses(404))
async def delete_absence(
    person: Who, absence_id: Annotated[int, Path(ge=1, lt=2**63)], _: Writer, ledger: LedgerHere
) -> None:
    """The person is not away after all."""
    mine = delete(absences).where(absences.c.absence_id == absence_id, absences.c.person == person)
    async with ledger.engine.begin() as connection:
        if (await connection.execute(mine)).rowcount == 0:
            raise ApiError(404, "not_found", f"'{person}' has no absence {absence_id}")


def _refuse_unknown(person: str, ledger: Ledger) -> None:
    departments = ledger.rules.playbook.departments.values()
    if not any(person in team.people for department in departments for team in department.teams.values()):
        raise ApiError(404, "not_found", f"'{person}' is in no team of the playbook {ledger.rules.playbook.id}")
