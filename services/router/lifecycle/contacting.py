"""Somebody has got in touch with the lead: then the deadline for that is met."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.settling import settled


def contacted(lead: Lead, opened: HandOff | None, at: datetime, case: Case) -> Lead:
    """The lead after a contact at `at`; the same one if a later contact is known. `opened` is its open hand-off."""
    if lead.contacted_at is not None and lead.contacted_at >= at:
        return lead
    return settled(Decision(lead=replace(lead, contacted_at=at)), opened, case).lead
