"""A lead is erased: what becomes of its hand-off. Nothing else of it lasts."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from services.router.lifecycle.model import Decision, HandOff, HandOffChange, Lead, Status
from services.router.lifecycle.offers import tell
from services.router.lifecycle.reasons import Leaf

ERASED = "erased"
_REASON = Leaf(condition=ERASED, met=True, label={"ja": "個人データの消去", "en": "Erased at the person's request"})


def erase(lead: Lead, opened: HandOff | None, now: datetime) -> Decision:
    """The lead as it is for the last time: nobody's hand-off, and with no colleagues. `opened`: its open one."""
    alone = replace(lead, attached_to=None, cools_at=None, due_at=None)
    if opened is None:
        return Decision(lead=alone)
    withdrawn = replace(opened, status=Status.WITHDRAWN)
    told, change = tell(alone, HandOffChange(handoff=withdrawn, seq=lead.seq + 1, at=now, reason=[_REASON]))
    return Decision(lead=told, handoffs=[change])
