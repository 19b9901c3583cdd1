"""The audit finds what must never be; here somebody has meddled with the rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router import auditing
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from shared.clock import EventClock
from shared.topics import Topics
from tests.ledgers import accept, apply, wants_a_visit
from tests.score_records import MONDAY
from tests.staffed import staffed


@pytest.fixture
async def ledger(engine: AsyncEngine) -> Ledger:
    """`a` is offered to field sales; `b` accepted by them."""
    made = Ledger(engine, Rules(staffed()), Topics("t."), EventClock(MONDAY))
    await apply(made, *wants_a_visit("a"), *wants_a_visit("b"))
    await accept(made, "b")
    return made


async def found(ledger: Ledger, now: datetime = MONDAY, **changes: str) -> dict[str, list[Any]]:
    """What the audit finds after a change of the rows, by table."""
    async with ledger.engine.connect() as connection:  # rolled back at its end
        for table, change in changes.items():
            await connection.execute(text(f"UPDATE {table} SET {change}"))
        findings = await auditing.findings(connection, now, 10)
    return {name: rows for name, rows in findings.items() if rows}


async def test_nothing_is_found_where_nothing_is_wrong(ledger: Ledger) -> None:
    assert await found(ledger) == {}


async def test_what_is_overdue_is_listed_and_counted(ledger: Ledger) -> None:
    later = MONDAY + timedelta(days=30)
    overdue = await found(ledger, later)
    assert {name: [row["lead_id"] for row in rows] for name, rows in overdue.items()} == {
        "overdue": ["a"],
        "contact_overdue": ["b"],
    }
    async with ledger.engine.connect() as connection:
        counted = await auditing.overdue(connection, later)
    assert counted == {("field-sales", "respond"): 1, ("field-sales", "contact"): 1}
    contacted = "contacted_at = now() + interval '100 years'"
    assert list(await found(ledger, later, leads=contacted)) == ["overdue"]
    customer = "due_at = now() - interval '100 years' WHERE lead_id = 'a'"
    ended = "status = 'withdrawn' WHERE lead_id = 'a'"
    (follow_up,) = (await found(ledger, leads=customer, handoffs=ended))["follow_up_overdue"]
    assert (follow_up["lead_id"], follow_up["department"]) == ("a", "marketing")


async def test_two_owners_of_one_lead_are_found(ledger: Ledger) -> None:
    taken_away = "department = 'inside-sales', person = 'x' WHERE lead_id = 'b'"
    ((name, (row,)),) = (await found(ledger, leads=taken_away)).items()
    assert (name, row["department"], row["receiver"]) == ("with_two_owners", "inside-sales", "field-sales")


async def test_leads_that_belong_to_nobody_are_found(ledger: Ledger) -> None:
    assert list(await found(ledger, leads="attached_to = 'b' WHERE lead_id = 'a'")) == [
        "attached_to_nobody",
        "with_two_owners",
    ]
    merged = "acquired_at = NULL, department = NULL, merged_into = 'nobody' WHERE lead_id = 'a'"
    assert (await found(ledger, leads=merged))["without_owner"] == ["a"]


async def test_two_offers_of_one_department_of_a_company_are_found(ledger: Ledger) -> None:
    async with ledger.engine.begin() as connection:
        await connection.execute(text("DROP INDEX one_open_handoff_for_all"))
    ((name, (row,)),) = (await found(ledger, handoffs="company = 'domain:acme.jp', company_part = '総務部'")).items()
    assert (name, row["receiver"], len(row["handoffs"])) == ("offered_twice", "field-sales", 2)
