"""Connection arguments for aiokafka clients, and topic creation."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context

from shared.settings import CommonSettings, ConfigurationError
from shared.topics import TopicSpec

LEADER_TIMEOUT = 30.0


def client_options(settings: CommonSettings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes: addresses, TLS, SASL."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password.get_secret_value() if password else None,
        }
    return options


def _ssl_context(settings: CommonSettings) -> ssl.SSLContext:
    context: ssl.SSLContext = create_ssl_context(cafile=str(settings.kafka_ca_file) if settings.kafka_ca_file else None)
    return context


async def create_topics(options: dict[str, Any], specs: Iterable[TopicSpec]) -> list[str]:
    """Create what is missing and return its names. Raises `ConfigurationError` when Kafka cannot be reached
    or an existing topic has another number of partitions (leads would move between partitions)."""
    specs = list(specs)
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
    except KafkaConnectionError as error:
        raise unreachable(options) from error
    try:
        existing = {topic["topic"]: topic for topic in await admin.describe_topics() if not topic["error_code"]}
        _refuse_other_partition_counts(existing, specs)
        missing = [spec for spec in specs if spec.name not in existing]
        if missing:
            response = await admin.create_topics([_new_topic(spec) for spec in missing])
            for name, code, *_rest in response.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise ConfigurationError(f"Kafka refused to create topic {name}: {for_code(code).__name__}")
            await _until_led(admin, [spec.name for spec in missing])
        return [spec.name for spec in missing]
    finally:
        await admin.close()


async def _until_led(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """A new topic is answered with UNKNOWN_TOPIC or no leader for a moment; services started then would stumble."""
    deadline = time.monotonic() + LEADER_TIMEOUT
    while True:
        topics = await admin.describe_topics(names)
        if all(not t["error_code"] and all(p["leader"] >= 0 for p in t["partitions"]) for t in topics):
            return
        if time.monotonic() > deadline:
            raise ConfigurationError(f"Kafka has made the topics but no broker leads them after {LEADER_TIMEOUT} s")
        await asyncio.sleep(0.05)


def _new_topic(spec: TopicSpec) -> NewTopic:
    # -1 is the cluster's own replication factor; aiokafka takes it only beside an (empty) assignment.
    return NewTopic(spec.name, spec.partitions, -1, replica_assignments={}, topic_configs=spec.config)


class KafkaAway(ConfigurationError):
    """No broker answers."""


def unreachable(options: dict[str, Any]) -> KafkaAway:
    """The one wording for a broker that does not answer."""
    return KafkaAway(
        f"no Kafka answers at {options['bootstrap_servers']}: start it, or set TASUKI_KAFKA_BOOTSTRAP "
        "(and the TASUKI_KAFKA_* security settings) to the brokers' addresses"
    )


def _refuse_other_partition_counts(existing: dict[str, Any], specs: list[TopicSpec]) -> None:
    wrong = [
        f"  {spec.name}: has {len(existing[spec.name]['partitions'])} partitions, expected {spec.partitions}"
        for spec in specs
        if spec.name in existing and len(existing[spec.name]["partitions"]) != spec.partitions
    ]
    if wrong:
        raise ConfigurationError(
            "existing topics have another number of partitions (set TASUKI_PARTITIONS to theirs, "
            "or choose another TASUKI_TOPIC_PREFIX):\n" + "\n".join(wrong)
        )
