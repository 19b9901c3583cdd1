"""What others can see of the router: whether it can do its job now, and how it goes."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.router.metrics import RouterMetrics


@dataclass(slots=True)
class Status:
    """None: it can. Otherwise the reason, in words."""

    consumer: str | None = "starting"
    relay: str | None = None
    kafka: str | None = None
    timer: str | None = None
    feedback: str | None = "starting to read feedback"
    valves: str | None = None
    playbooks: str | None = None

    @property
    def problems(self) -> list[str]:
        parts = (self.kafka, self.consumer, self.relay, self.timer, self.feedback, self.valves, self.playbooks)
        return [problem for problem in parts if problem]


@dataclass(frozen=True, slots=True)
class Watch:
    """Given to whoever has something to show."""

    metrics: RouterMetrics = field(default_factory=RouterMetrics)
    status: Status = field(default_factory=Status)
