"""Webhooks and streams, put together."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from services.router.interest import Addressing
from services.router.ledger import Ledger
from services.router.metrics import RouterMetrics
from services.router.settings import RouterSettings
from services.router.stream.reading import Sources
from services.router.stream.stream import Streams
from services.router.webhooks.dispatcher import Dispatcher
from services.router.webhooks.model import Subscription
from services.router.webhooks.post import Poster
from services.router.webhooks.registry import Registry
from services.router.webhooks.sender import Limits, Sender
from services.router.webhooks.subscriptions import Subscriptions
from shared.kafka import client_options


@dataclass(frozen=True)
class Webhooks:
    """`subscriptions` is the relay's, `dispatcher` runs beside it; the others are the API's."""

    subscriptions: Subscriptions
    dispatcher: Dispatcher
    registry: Registry
    new_poster: Callable[[str], Poster]
    allow_private: bool


@dataclass(frozen=True)
class Subscribers:
    """For tools that do not read Kafka themselves."""

    webhooks: Webhooks
    streams: Streams


def subscribers_of(
    settings: RouterSettings,
    ledger: Ledger,
    partitions: Mapping[str, int],
    metrics: RouterMetrics,
    stopping: Callable[[], bool],
) -> Subscribers:
    """`partitions` of every topic there is; `stopping` tells that the router wants to end."""
    topics = settings.topics
    told = [topics.stages, topics.alerts, *map(topics.handoffs, ledger.rules.playbook.departments)]
    sources = Sources(
        client_options(settings),
        topics.prefix,
        {name.removeprefix(topics.prefix): partitions[name] for name in told},
        Addressing(topics),
    )
    streams = Streams(sources, settings.router_stream_most_clients, metrics, stopping)
    return Subscribers(_webhooks(settings, ledger, metrics), streams)


def _webhooks(settings: RouterSettings, ledger: Ledger, metrics: RouterMetrics) -> Webhooks:
    context, allow_private = ssl.create_default_context(), settings.router_webhooks_allow_private
    committing = ledger.engine.execution_options(isolation_level="AUTOCOMMIT")
    limits = Limits(
        settings.router_webhooks_retry_seconds,
        timedelta(hours=settings.router_webhooks_disable_after_hours),
        settings.router_webhooks_most_waiting,
    )

    def new_poster(url: str) -> Poster:
        return Poster(url, context, allow_private)

    def new_sender(subscription: Subscription) -> Sender:
        return Sender(subscription, committing, new_poster(subscription.url), limits, metrics)

    subscriptions = Subscriptions(Addressing(settings.topics))
    dispatcher = Dispatcher(settings.database_url, subscriptions, new_sender)
    return Webhooks(subscriptions, dispatcher, Registry(ledger.engine), new_poster, allow_private)
