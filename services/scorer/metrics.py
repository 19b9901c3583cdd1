"""What operators see of the scorer. No lead ids as labels."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.scorer.apply import Applied
from services.scorer.latencies import Latencies
from services.scorer.scoring.heard import FUTURE, LATE, LINK_GIVEN_UP, MISFIT, UNCLASSIFIED
from services.scorer.scoring.people import CRAWLER, INTERNAL, NETWORK, SCANNER
from shared.events import LINK, MEMBER, RECYCLE

ERASED = "erased"
LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)


class ScorerMetrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter("tasuki_scorer_events", "Events applied that others have sent", registry=self.registry)
        self.identity_messages = Counter(
            "tasuki_scorer_identity_messages",
            "Applied messages of partitions to each other about who is the same person, by kind: link, member",
            ["kind"],
            registry=self.registry,
        )
        self.between = {kind: self.identity_messages.labels(kind) for kind in (LINK.value, MEMBER.value)}
        self.recycled = Counter(
            "tasuki_scorer_recycled_leads",
            "Applied messages of the router about leads whose behaviour score begins anew",
            registry=self.registry,
        )
        self.erased = Counter(
            "tasuki_scorer_erased_leads", "Ids that were erased because the router said so", registry=self.registry
        )
        self.links_given_up = Counter(
            "tasuki_scorer_links_given_up",
            "Identities that are not joined to a lead, as it has as many as are kept",
            registry=self.registry,
        )
        self.skipped = Counter(
            "tasuki_scorer_skipped_events", "Events read again that the state included already", registry=self.registry
        )
        self.dead_letters = Counter("tasuki_scorer_dead_letters", "Events buried", registry=self.registry)
        self.ignored = Counter(
            "tasuki_scorer_ignored_events",
            "Events that are worth nothing, as they are no person's, our own, or of somebody who has been erased, by "
            "reason",
            ["reason"],
            registry=self.registry,
        )
        self.unclassified = Counter(
            "tasuki_scorer_unclassified_events",
            "Events that no rule, signal or action of the playbook speaks of (`tasuki playbook gaps` lists them)",
            registry=self.registry,
        )
        self.late = Counter(
            "tasuki_scorer_late_events",
            "Live events told of so late that they move no behaviour points",
            registry=self.registry,
        )
        self.future = Counter(
            "tasuki_scorer_future_events",
            "Events said to happen more than a day after they were received; they count as of then",
            registry=self.registry,
        )
        self.misfits = Counter(
            "tasuki_scorer_misfit_traits_events",
            "Events with a trait that the playbook asks for and cannot use: a list, an object, no number",
            registry=self.registry,
        )
        self.scores = Counter("tasuki_scorer_scores", "Score records published", registry=self.registry)
        self.to_rescore = Gauge(
            "tasuki_scorer_leads_to_rescore",
            "Leads whose score still follows another playbook",
            ["partition"],
            registry=self.registry,
        )
        self.rescored = Counter(
            "tasuki_scorer_rescored_leads", "Leads scored anew because the playbook changed", registry=self.registry
        )
        self.not_rescored = Counter(
            "tasuki_scorer_rescore_failures",
            "Leads that could not be scored anew, and keep the score of another playbook until their next event",
            registry=self.registry,
        )
        self.batch_events = Histogram(
            "tasuki_scorer_batch_events",
            "Events per transaction",
            buckets=(1, 10, 100, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000),
            registry=self.registry,
        )
        self.transaction_seconds = Histogram(
            "tasuki_scorer_transaction_seconds",
            "Time of a transaction",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.restore_seconds = Histogram(
            "tasuki_scorer_restore_seconds", "Time to open a partition", buckets=LATENCY_BUCKETS, registry=self.registry
        )
        self.latency = Latencies(
            "tasuki_scorer_event_to_score_seconds",
            "From the arrival of an event to its committed score (history excepted)",
            LATENCY_BUCKETS,
            self.registry,
        )
        self.lag = Gauge(
            "tasuki_scorer_consumer_lag_messages", "Events not yet scored", ["partition"], registry=self.registry
        )
        self.partitions = Gauge("tasuki_scorer_partitions", "Partitions open here", registry=self.registry)

    def committed(self, applied: Applied, seconds: float, now: datetime) -> None:
        """After a transaction has succeeded."""
        for kind, messages in self.between.items():
            messages.inc(applied.remarks[kind])
        recycled = applied.remarks[RECYCLE.value]
        self.recycled.inc(recycled)
        self.events.inc(applied.events - recycled - sum(applied.remarks[kind] for kind in self.between))
        self.erased.inc(applied.erased)
        if applied.denied:
            self.ignored.labels(ERASED).inc(applied.denied)
        self.links_given_up.inc(applied.remarks[LINK_GIVEN_UP])
        self.dead_letters.inc(applied.dead_letters)
        self.late.inc(applied.remarks[LATE])
        self.future.inc(applied.remarks[FUTURE])
        self.misfits.inc(applied.remarks[MISFIT])
        for reason in (CRAWLER, NETWORK, INTERNAL, SCANNER):
            if applied.remarks[reason]:
                self.ignored.labels(reason).inc(applied.remarks[reason])
        self.unclassified.inc(applied.remarks[UNCLASSIFIED])
        self.scores.inc(applied.scores)
        self.batch_events.observe(applied.events + applied.dead_letters)
        self.transaction_seconds.observe(seconds)
        self.latency.observe(applied.received, now)
