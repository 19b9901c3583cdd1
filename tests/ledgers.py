"""A ledger in tests, without Kafka: records and contact data go in as a router's batch does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from services.router import repository
from services.router.batch import Batch, Received
from services.router.contact import ContactDatum, canonical
from services.router.ledger import Ledger
from services.router.lifecycle import answers
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Decision, HandOff, Lead
from shared.scores import ScoreRecord, encode_score
from tests.score_records import MONDAY, Story


async def apply(ledger: Ledger, *records: ScoreRecord, contacts: list[ContactDatum] | None = None) -> None:
    """One batch of the first record's partition."""
    lane = records[0].position.partition if records else 0
    async with ledger.engine.begin() as connection:
        place = (ledger.topics.scores, lane)
        before = (await repository.starting_offsets(connection, [place]))[place]
    received = [Received(lane, before + n, b"k", encode_score(one), [], one) for n, one in enumerate(records)]
    await ledger.apply(
        Batch(contacts=contacts or [], scores=received, offsets={place: (before, before + len(records))})
    )


def told(lead_id: str, at: datetime = MONDAY, **fields: str) -> list[ContactDatum]:
    """Contact data; `company` is the company's name."""
    named = {"company.name" if name == "company" else name: value for name, value in fields.items()}
    return [ContactDatum(lead_id, name, value, at, lead_id, canonical(name, value)) for name, value in named.items()]


def wants_a_visit(lead_id: str, lane: int = 0) -> list[ScoreRecord]:
    """A lead in Osaka, from the first touch to field sales."""
    story = Story(lead_id, partition=lane, at=MONDAY - timedelta(days=1))
    return [
        story.record("contact_obtained", attributes={"prefecture": "大阪府"}),
        story.record("appointment_made"),
    ]


async def accept(ledger: Ledger, lead_id: str, person: str | None = None) -> HandOff:
    """Its open hand-off is accepted."""
    id = await scalar(ledger, "SELECT handoff_id FROM handoffs WHERE status = 'offered' AND lead_id = :id", id=lead_id)

    def answer(lead: Lead, handoff: HandOff, case: Case) -> Decision:
        return answers.accept(lead, handoff, person, "tool", case)

    return await ledger.answer(id, answer)


async def rows(ledger: Ledger, query: str, **values: Any) -> list[tuple[Any, ...]]:
    async with ledger.engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query), values)]


async def scalar(ledger: Ledger, query: str, **values: Any) -> Any:
    ((value,),) = await rows(ledger, query, **values)
    return value
