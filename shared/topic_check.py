"""What a service needs of the topics before it starts: asked of Kafka, and decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from shared.kafka import unreachable
from shared.settings import ConfigurationError


async def partition_counts(options: dict[str, Any]) -> dict[str, int]:
    """The number of partitions of every topic there is. Raises `ConfigurationError` when Kafka does not answer."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        # All, not ours by name: asking for a topic by its name would make some brokers create it.
        described = await admin.describe_topics()
    except KafkaConnectionError as error:
        raise unreachable(options) from error
    finally:
        await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}


def refuse_missing(known: Mapping[str, int] | set[str], needed: Sequence[str]) -> None:
    """Raises `ConfigurationError` naming all of `needed` that Kafka does not know."""
    missing = [name for name in needed if name not in known]
    if missing:
        raise ConfigurationError(
            f"topics are missing: {', '.join(missing)}; run `tasuki topics create`, or set TASUKI_TOPIC_PREFIX to the "
            "prefix that was used then"
        )


def refuse_unequal(known: Mapping[str, int], together: Sequence[str]) -> None:
    """Raises `ConfigurationError` unless these topics have the same number of partitions: a lead has one partition
    number in all of them, and would not be found otherwise."""
    if len({known[name] for name in together}) > 1:
        listed = ", ".join(f"{name} has {known[name]}" for name in together)
        raise ConfigurationError(
            f"a lead must have the same partition number everywhere, but {listed} partitions; "
            "create the topics anew with `tasuki topics create`"
        )
