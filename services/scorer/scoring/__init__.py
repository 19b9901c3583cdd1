"""The score as a pure function of a lead's events: no clock, no I/O. `Scorer` is the way in."""

from services.scorer.scoring.scorer import Scorer
from services.scorer.scoring.state import LeadState

__all__ = ["LeadState", "Scorer"]
