"""What the scorer is told by its environment."""

from __future__ import annotations

from pydantic import Field

from shared.erasure import ErasureSecret
from shared.settings import CommonSettings


class ScorerSettings(CommonSettings):
    """Variables begin with `TASUKI_SCORER_`, except those common to all services."""

    scorer_port: int = Field(default=8081, ge=0, le=65535, description="health and metrics; 0 takes a free port")
    scorer_group: str | None = Field(
        default=None, min_length=1, description="consumer group and prefix of transactional ids; else from the prefix"
    )
    scorer_session_timeout_seconds: float = Field(
        default=10.0, ge=1, description="how long Kafka waits before it gives a dead worker's partitions to others"
    )
    scorer_transaction_timeout_seconds: float = Field(
        default=15.0, ge=1, le=900, description="a batch not committed by then ends the worker"
    )
    scorer_batch_events: int = Field(default=40_000, ge=1, le=100_000, description="most events in one transaction")
    scorer_stall_seconds: float = Field(
        default=60.0, ge=1, description="with lag and no progress for this long the worker ends, to be started again"
    )

    erasure_key: ErasureSecret | None = Field(
        default=None, description="secret by which erased people are known; the same as the router's"
    )

    @property
    def group(self) -> str:
        """Differs between installations on one Kafka, because transactional ids are made of it."""
        return self.scorer_group or f"{self.topic_prefix.rstrip('.')}-scorer".lstrip("-")
