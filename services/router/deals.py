"""Deals as sales people report them: the facts that the signals `deal_registered`, `deal_won` and `deal_lost` keep of
an event, and what reports tell (`feedback.effects`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec

from services.router.contact import storable
from shared.events import happened
from shared.playbook.checks import as_number
from shared.scores import ScoreRecord


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a deal; None: not told. `…_at` is when that last happened, but for `expected_at`: the day on
    which the order is expected, in UTC.

    Its status follows from these dates (`tables.deals`), so that it does not depend on the order of arrival."""

    lead_id: str
    deal_id: str
    amount: Decimal | None = None
    inside_sales: str | None = None
    field_sales: str | None = None
    registered_at: datetime | None = None
    won_at: datetime | None = None
    expected_at: datetime | None = None
    product: str | None = None
    lost_at: datetime | None = None
    lost_reason: str | None = None
    partner: str | None = None
    presales: str | None = None
    quoted_at: datetime | None = None
    stalled_at: datetime | None = None


_DATES = ("registered_at", "won_at", "lost_at", "quoted_at", "stalled_at")
_TOLD = ("amount", "inside_sales", "field_sales", "expected_at", "product", "lost_reason", "partner", "presales")


def _latest_of(row: str) -> str:
    return f"GREATEST({', '.join(f'{row}.{name}' for name in _DATES)})"


_later = f"({_latest_of('EXCLUDED')} >= {_latest_of('deals')})"
ON_REPEATED = ", ".join(
    [
        f"{name} = CASE WHEN {_later} THEN COALESCE(EXCLUDED.{name}, deals.{name}) "
        f"ELSE COALESCE(deals.{name}, EXCLUDED.{name}) END"
        for name in _TOLD
    ]
    + [f"{name} = GREATEST(EXCLUDED.{name}, deals.{name})" for name in _DATES]
)
"""`merged` in SQL, where GREATEST passes over NULL: the assignments for a deal that is in the table already."""


def deals_of(record: ScoreRecord) -> list[Deal]:
    """What the record's own event reports, at its own time. The record's signals hold only the latest deal of each
    kind: one that happened before it and arrives after it would be lost. A deal without an id is taken for the lead's
    only one."""
    if not record.reported:
        return []
    at = happened(record.trigger.time, record.trigger.received_at)
    return [
        _deal(record.lead_id, kept, name, at)
        for signal, name in (("deal_registered", "registered_at"), ("deal_won", "won_at"), ("deal_lost", "lost_at"))
        if (kept := record.reported.get(signal)) is not None
    ]


def merged(known: Deal, told: Deal) -> Deal:
    """One deal told of twice, in any order of arrival: what the later report names, else what the earlier one did.

    `repository` does the same with what Postgres holds, by `ON_REPEATED`."""
    earlier, later = (known, told) if _reported(told) >= _reported(known) else (told, known)
    known_by_now: dict[str, Any] = {
        name: getattr(earlier if getattr(later, name) is None else later, name) for name in _TOLD
    } | {name: _latest((getattr(earlier, name), getattr(later, name))) for name in _DATES}
    return msgspec.structs.replace(later, **known_by_now)


def _reported(deal: Deal) -> datetime:
    """When it was last reported: every deal comes from a report, which gave it one of the dates."""
    dates: Iterable[datetime | None] = (getattr(deal, name) for name in _DATES)
    return max(at for at in dates if at is not None)


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((at for at in moments if at is not None), default=None)


def _deal(lead_id: str, kept: Mapping[str, Any], happened_at: str, at: datetime) -> Deal:
    facts: dict[str, Any] = {
        name: _text(kept.get(name)) for name in ("inside_sales", "field_sales", "product", "partner", "presales")
    }
    return Deal(
        lead_id=lead_id,
        deal_id=_text(kept.get("deal_id")) or lead_id,
        amount=amount(kept.get("amount")),
        expected_at=midnight(kept.get("expected_date")),
        lost_reason=_text(kept.get("reason")),
        **facts | {happened_at: at},
    )


def _text(value: Any) -> str | None:
    return storable(str(value)) or None if isinstance(value, str | int | float) else None


def amount(value: Any) -> Decimal | None:
    """Of a number, also of one sent as text; None for anything else."""
    number = as_number(value)
    return Decimal(str(number)) if number is not None and math.isfinite(number) else None


def midnight(value: Any) -> datetime | None:
    """Of an ISO date, or of a moment its day as it is written; in UTC."""
    try:
        return datetime.combine(date.fromisoformat(str(value)[:10]), time(), UTC)
    except ValueError:
        return None
