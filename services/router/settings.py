"""What the router is told by its environment."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, SecretStr, field_validator, model_validator

from shared.erasure import ErasureSecret
from shared.keys import KeyEntry, KeyKind, KeysFile, read_keys, tokens_from
from shared.settings import CommonSettings


class ClockKind(StrEnum):
    WALL = "wall"
    EVENTS = "events"


class RouterSettings(CommonSettings):
    """`TASUKI_…` variables; at least one of `keys_file` and `api_tokens` must name a token."""

    database_url: str = Field(
        pattern=r"^postgresql\+asyncpg://", description="postgresql+asyncpg://user:password@host:port/database"
    )
    router_port: int = Field(default=8082, ge=0, le=65535, description="0 takes a free port")
    clock: ClockKind = Field(
        default=ClockKind.WALL, description="what deadlines are counted on; `events` is for the demo: nothing expires"
    )
    keys_file: KeysFile | None = Field(default=None, description="list of keys as `tasuki keys create` writes it")
    api_tokens: SecretStr | None = Field(default=None, description="token=name:read+write,…: for development")
    router_batch_records: int = Field(default=2000, gt=0, description="most records in one database transaction")
    router_session_timeout_seconds: float = Field(
        default=10.0, ge=1, description="how long Kafka waits before it gives a dead worker's partitions to others"
    )

    router_cooling_grace_seconds: float = Field(
        default=0.0,
        ge=0,
        le=1e9,
        description="how much later than its score has faded a lead cools by the clock, for events that are told late",
    )

    router_webhooks_allow_private: bool = Field(
        default=False,
        description="webhooks may go to private addresses, and by plain http: for development",
    )
    router_webhooks_retry_seconds: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="first pause after a failed delivery; the next is three times it",
    )
    router_webhooks_disable_after_hours: float = Field(
        default=120.0, gt=0, le=720, description="a webhook that takes nothing for so long is disabled"
    )
    router_webhooks_most_waiting: int = Field(
        default=100_000, gt=0, description="a webhook for which more messages wait is disabled"
    )
    router_stream_most_clients: int = Field(default=100, ge=0, description="open streams of one router; 0: none")

    erasure_key: ErasureSecret | None = Field(
        default=None, description="secret by which erased people are known; the same as the scorer's"
    )
    router_erasure_settles_seconds: float = Field(
        default=60.0, ge=0, le=86_400, description="what a person does so long after being erased is erased, too"
    )

    @field_validator("api_tokens")
    @classmethod
    def _tokens_are_readable(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            tokens_from(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _someone_may_ask(self) -> RouterSettings:
        entries = self.entries_from_environment()
        if self.keys_file:
            entries += read_keys(self.keys_file)
        if not any(entry.kind is KeyKind.TOKEN for entry in entries):
            raise ValueError(
                "no token, so nobody could ask the router or answer a hand-off: set TASUKI_KEYS_FILE to a file with a "
                "token of `tasuki keys create --kind token`, or TASUKI_API_TOKENS=token=name:read+write for development"
            )
        return self

    @property
    def group(self) -> str:
        """Consumer group and start of the relays' transactional ids: `tasuki-router` under the default prefix.

        Two installations on one Kafka differ in their prefix, and must not fence each other."""
        return (self.topic_prefix.rstrip(".-_") or "tasuki") + "-router"

    def entries_from_environment(self) -> list[KeyEntry]:
        """Tokens given by variable."""
        return tokens_from(self.api_tokens.get_secret_value()) if self.api_tokens else []
