"""Topic names, and the settings each topic must have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

DAY_MS = 24 * 60 * 60 * 1000
EVENTS_DAYS = 90
BROKER_TIME = {"message.timestamp.type": "LogAppendTime"}
"""How long a record is kept must not depend on the clock of whoever wrote it; and Kafka would refuse the records of a
clock that is an hour ahead."""

DEAD_LETTER_BYTES = 6 * 1024 * 1024
"""An oversized event is kept as it came: up to ingest's limit for a whole request body."""


@dataclass(frozen=True)
class TopicSpec:
    """What `tasuki topics create` makes and checks."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Topics:
    """Every topic name, after the prefix."""

    prefix: str = "tasuki."

    @property
    def events(self) -> str:
        return self.prefix + "events"

    @property
    def scores(self) -> str:
        return self.prefix + "scores"

    @property
    def scorer_state(self) -> str:
        return self.prefix + "scorer-state"

    @property
    def stages(self) -> str:
        return self.prefix + "stages"

    @property
    def alerts(self) -> str:
        return self.prefix + "alerts"

    @property
    def feedback(self) -> str:
        return self.prefix + "feedback"

    @property
    def dead_letters(self) -> str:
        return self.prefix + "dead-letters"

    @property
    def playbooks(self) -> str:
        return self.prefix + "playbooks"

    def handoffs(self, department: str) -> str:
        return f"{self.prefix}handoffs.{department}"

    def specs(self, departments: Iterable[str], partitions: int) -> list[TopicSpec]:
        """All topics of an installation. `events`, `scores` and `scorer-state` must agree in partition count:
        a lead lives in the same partition number of all three."""
        compacted = BROKER_TIME | {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
        # A router that was away decides on every record it missed: a threshold passed and faded again happened all the
        # same. So nothing is compacted away for as long as `events` are kept.
        scores = compacted | {"min.compaction.lag.ms": str(EVENTS_DAYS * DAY_MS)}
        return [
            TopicSpec(self.events, partitions, _kept_for(EVENTS_DAYS)),
            TopicSpec(self.scores, partitions, scores),
            TopicSpec(self.scorer_state, partitions, compacted),
            TopicSpec(self.stages, partitions, _kept_for(90)),
            *(TopicSpec(self.handoffs(department), partitions, _kept_for(30)) for department in departments),
            TopicSpec(self.alerts, partitions, _kept_for(7)),
            TopicSpec(self.feedback, partitions, _kept_for(30)),
            TopicSpec(self.playbooks, 1, compacted),
            TopicSpec(self.dead_letters, 1, {**_kept_for(90), "max.message.bytes": str(DEAD_LETTER_BYTES)}),
        ]


def _kept_for(days: int) -> dict[str, str]:
    return BROKER_TIME | {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)}
