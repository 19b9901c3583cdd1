"""Deals as sales people report them: the facts that `deal_registered` and `deal_won` keep of an event."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from services.router.contact import storable
from shared.events import happened
from shared.playbook.checks import as_number
from shared.scores import ScoreRecord


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """None: not told."""

    lead_id: str
    deal_id: str
    amount: Decimal | None
    inside_sales: str | None
    field_sales: str | None
    registered_at: datetime | None = None
    won_at: datetime | None = None


_later = "(GREATEST(EXCLUDED.registered_at, EXCLUDED.won_at) >= GREATEST(deals.registered_at, deals.won_at))"
ON_REPEATED = ", ".join(
    [
        f"{name} = CASE WHEN {_later} THEN COALESCE(EXCLUDED.{name}, deals.{name}) "
        f"ELSE COALESCE(deals.{name}, EXCLUDED.{name}) END"
        for name in ("amount", "inside_sales", "field_sales")
    ]
    + [f"{name} = GREATEST(EXCLUDED.{name}, deals.{name})" for name in ("registered_at", "won_at")]
)
"""`merged` in SQL, where GREATEST passes over NULL: the assignments for a deal that is in the table already."""


def deals_of(record: ScoreRecord) -> list[Deal]:
    """What the record's own event reports, at its own time. The record's signals hold only the latest deal of each
    kind: one that happened before it and arrives after it would be lost. A deal without an id is taken for the lead's
    only one."""
    if not record.reported:
        return []
    trigger = record.trigger
    at = happened(trigger.time, trigger.received_at)
    found = []
    if (registered := record.reported.get("deal_registered")) is not None:
        found.append(_deal(record, registered, registered_at=at, won_at=None))
    if (won := record.reported.get("deal_won")) is not None:
        found.append(_deal(record, won, registered_at=None, won_at=at))
    return found


def merged(known: Deal, told: Deal) -> Deal:
    """One deal told of twice, in any order of arrival: what the later report names, else what the earlier one did.

    `repository` does the same with what Postgres holds, by `ON_REPEATED`."""
    earlier, later = (known, told) if _reported(told) >= _reported(known) else (told, known)
    return Deal(
        lead_id=later.lead_id,
        deal_id=later.deal_id,
        amount=earlier.amount if later.amount is None else later.amount,
        inside_sales=later.inside_sales or earlier.inside_sales,
        field_sales=later.field_sales or earlier.field_sales,
        registered_at=_latest(earlier.registered_at, later.registered_at),
        won_at=_latest(earlier.won_at, later.won_at),
    )


def _reported(deal: Deal) -> datetime:
    """When it was last reported: every deal comes from a report, which gave it one of the dates."""
    return max(at for at in (deal.registered_at, deal.won_at) if at is not None)


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)


def _deal(
    record: ScoreRecord, kept: Mapping[str, Any], *, registered_at: datetime | None, won_at: datetime | None
) -> Deal:
    return Deal(
        lead_id=record.lead_id,
        deal_id=_text(kept.get("deal_id")) or record.lead_id,
        amount=_amount(kept.get("amount")),
        inside_sales=_text(kept.get("inside_sales")),
        field_sales=_text(kept.get("field_sales")),
        registered_at=registered_at,
        won_at=won_at,
    )


def _text(value: Any) -> str | None:
    return storable(str(value)) or None if isinstance(value, str | int | float) else None


def _amount(value: Any) -> Decimal | None:
    number = as_number(value)
    return Decimal(str(number)) if number is not None and math.isfinite(number) else None
