"""Deals as sales people report them: from the facts that the signals `deal_registered` and `deal_won` keep."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from services.router.contact import storable
from shared.playbook.checks import as_number
from shared.scores import ScoreRecord, Signal


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """None: not told."""

    lead_id: str
    deal_id: str
    amount: Decimal | None
    inside_sales: str | None
    field_sales: str | None
    registered_at: datetime | None = None
    won_at: datetime | None = None


def deals_of(record: ScoreRecord) -> list[Deal]:
    """The latest deal registered and the latest won. A deal without an id is taken for the lead's only one."""
    found = []
    if registered := record.signals.get("deal_registered"):
        found.append(_deal(record, registered, registered_at=registered.last, won_at=None))
    if won := record.signals.get("deal_won"):
        found.append(_deal(record, won, registered_at=None, won_at=won.last))
    return found


def merged(earlier: Deal, later: Deal) -> Deal:
    """One deal told of twice: what the later report names, else what the earlier one did."""
    pairs = zip(msgspec.structs.astuple(earlier), msgspec.structs.astuple(later), strict=True)
    values = [before if after is None else after for before, after in pairs]
    return Deal(**dict(zip(Deal.__struct_fields__, values, strict=True)))


def _deal(record: ScoreRecord, signal: Signal, *, registered_at: datetime | None, won_at: datetime | None) -> Deal:
    kept = signal.kept
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
