"""Webhooks as the API takes and shows them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class NewWebhook(BaseModel):
    """Where messages shall go, and which. An empty list: all."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="https://…; a public address", examples=["https://crm.example/tasuki"])
    name: str = Field(default="", max_length=100, description="for people")
    types: list[str] = Field(
        default=[],
        max_length=50,
        description="types of messages; one that ends in `.*` means all that begin so",
        examples=[["tasuki.handoff.offered", "tasuki.alert.*"]],
    )
    departments: list[str] = Field(
        default=[], max_length=50, description="hand-offs to them, outcomes for them, changes and alerts of their leads"
    )
    teams: list[str] = Field(default=[], max_length=200, description="of these departments, only these teams")


class Webhook(BaseModel):
    """A webhook and how it goes."""

    webhook_id: str
    name: str
    url: str
    types: list[str]
    departments: list[str]
    teams: list[str]
    created_at: datetime
    created_by: str = Field(description="name of the token that made it")
    old_secret_until: datetime | None = Field(description="until then messages are signed with the old secret, too")
    disabled_at: datetime | None = Field(description="since then nothing is queued or sent")
    disabled_reason: str | None
    failing_since: datetime | None = Field(description="nothing was taken since")
    last_error: str | None = Field(description="of the latest attempt that failed")
    last_error_at: datetime | None
    waiting: int = Field(description="messages that wait to be delivered")
    oldest_waiting_at: datetime | None


class WebhookWithSecret(Webhook):
    """Shown once."""

    secret: str = Field(description="whsec_…: verify signatures with it; it is not shown again")


class Rotation(BaseModel):
    """How the secret changes."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: float = Field(default=24, ge=0, le=720, description="how long the old secret signs as well")


class Tried(BaseModel):
    """What became of a message of type `tasuki.webhook.test`."""

    delivered: bool
    status: int | None = Field(description="the receiver's answer; none: there was none")
    error: str | None
    seconds: float
