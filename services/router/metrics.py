"""What operators watch. Names begin `tasuki_`, base units, no ids of people."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class RouterMetrics:
    """A registry of its own: two routers in one test process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.records = Counter("tasuki_router_records", "Records read and applied", ["topic"], registry=self.registry)
        self.dead_letters = Counter(
            "tasuki_router_dead_letters", "Records that could not be processed", registry=self.registry
        )
        self.reports = Counter(
            "tasuki_router_reports",
            "Reports taken, each once: by type, and by the way it came (http, topic)",
            ["type", "way"],
            registry=self.registry,
        )
        self.unreadable_events = Counter(
            "tasuki_router_unreadable_events",
            "Events without readable contact data (the scorer keeps them as dead letters)",
            registry=self.registry,
        )
        self.refused_contacts = Counter(
            "tasuki_router_refused_contacts", "Contact data that Postgres refused; left out", registry=self.registry
        )
        self.denied = Counter(
            "tasuki_router_denied_records",
            "Scores and contact data that were dropped, as they are of before their lead was erased",
            registry=self.registry,
        )
        self.foreign_scores = Counter(
            "tasuki_router_foreign_scores",
            "Scores made with another playbook than this router's",
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "tasuki_router_batch_seconds", "One batch's database transaction", registry=self.registry
        )
        self.lag = Gauge(
            "tasuki_router_lag_messages",
            "Records in Kafka that are not applied yet",
            ["topic", "partition"],
            registry=self.registry,
        )
        self.messages = Counter("tasuki_router_messages", "Messages sent", ["topic"], registry=self.registry)
        self.event_to_handoff = Histogram(
            "tasuki_event_to_handoff_seconds",
            "From the receipt of the triggering event until its hand-off can be read in Kafka",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.cooled = Counter(
            "tasuki_router_cooled_leads",
            "Leads that went back because their score had faded or their level ended, noticed by the clock or by their "
            "next score record",
            ["noticed_by"],
            registry=self.registry,
        )
        self.cooling_late = Histogram(
            "tasuki_router_cooling_late_seconds",
            "From the moment at which a lead was to cool by the clock until it did",
            buckets=(*LATENCY_BUCKETS, 3600.0, 86400.0),
            registry=self.registry,
        )
        self.deadlines = Counter(
            "tasuki_router_deadline_changes",
            "Hand-offs that changed because a deadline had passed: expired, returned, and offered to the next",
            ["department", "status"],
            registry=self.registry,
        )
        self.valve = Gauge(
            "tasuki_router_valve_points",
            "The total that a team's valve asks for, as this router has last moved it",
            ["department", "team"],
            registry=self.registry,
        )
        self.webhook_attempts = Counter(
            "tasuki_router_webhook_attempts",
            "Attempts to deliver a message: delivered, refused (an answer that is not 2xx), failed (no answer)",
            ["outcome"],
            registry=self.registry,
        )
        self.webhooks = Gauge(
            "tasuki_router_webhooks", "Webhooks: well, failing, disabled", ["state"], registry=self.registry
        )
        self.webhook_waiting = Gauge(
            "tasuki_router_webhook_waiting", "Messages that wait for webhooks", registry=self.registry
        )
        self.webhook_oldest = Gauge(
            "tasuki_router_webhook_oldest_due_seconds",
            "For how long the oldest message has waited for a webhook that is not disabled",
            registry=self.registry,
        )
        self.stream_clients = Gauge("tasuki_router_stream_clients", "Open streams", registry=self.registry)
        self.stream_slow = Counter(
            "tasuki_router_stream_slow_clients",
            "Streams ended because their clients read too slowly",
            registry=self.registry,
        )
        self.outbox_depth = Gauge("tasuki_router_outbox_messages", "Messages not sent yet", registry=self.registry)
        self.handoffs = Gauge(
            "tasuki_router_handoffs",
            "Hand-offs by receiver and status",
            ["department", "status"],
            registry=self.registry,
        )
        self.overdue = Gauge(
            "tasuki_router_overdue",
            "Past their deadline: answers to hand-offs (respond), first contacts (contact), follow-ups (follow_up)",
            ["department", "what"],
            registry=self.registry,
        )
