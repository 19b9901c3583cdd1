"""What the parts of webhooks tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.router.interest import Interest


@dataclass(frozen=True)
class Subscription:
    """A webhook that is not disabled. `secrets` are those that are valid now, the newest first."""

    webhook_id: str
    url: str
    interest: Interest
    secrets: tuple[str, ...]
    failing: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message for a webhook. `position` orders a lead's deliveries."""

    webhook_id: str
    position: int
    lead_id: str
    message_id: str
    body: bytes
    attempts: int = 0
    first_failed_at: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """Of one attempt. `error`: None if it was taken, otherwise what happened, in words fit for a log. `asked_for`: how
    many seconds the receiver wants to be left alone."""

    seconds: float
    status: int | None = None
    error: str | None = None
    asked_for: float = 0.0

    @property
    def kind(self) -> str:
        """For metrics: delivered, refused (an answer that is not 2xx), or failed (no answer)."""
        if self.error is None:
            return "delivered"
        return "failed" if self.status is None else "refused"

    @property
    def is_gone(self) -> bool:
        """410: the receiver wants no more, for good."""
        return self.status == 410
