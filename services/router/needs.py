"""Which leads and scores a batch needs beside those of its own records. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from services.router.batch import Received
from services.router.lifecycle.model import Lead


def kin_named(scores: list[Received]) -> set[str]:
    """Ids that are one lead with another one of the batch: few records name any."""
    named = {id for item in scores for id in item.record.members if item.record.members}
    return named | {item.record.merged_into for item in scores if item.record.merged_into}


def who_names(scores: list[Received]) -> set[str]:
    """Leads whose records name others that are the same lead."""
    return {item.record.lead_id for item in scores if item.record.members or item.record.merged_into}


def cooling_before(leads: Mapping[str, Lead], scores: list[Received]) -> list[str]:
    """Leads that are to cool before one of `scores` is decided: only for these the score of before is asked for."""
    cooling = {lead.lead_id: lead.cools_at for lead in leads.values() if lead.cools_at is not None}
    if not cooling:
        return []
    times = ((item.record.lead_id, item.record.time) for item in scores)
    return sorted({lead_id for lead_id, time in times if lead_id in cooling and cooling[lead_id] <= time})
