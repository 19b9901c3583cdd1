"""What must be true of Kafka before the scorer starts."""

from __future__ import annotations

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from shared.kafka import unreachable
from shared.settings import ConfigurationError
from shared.topics import Topics


async def check_topics(options: dict[str, Any], topics: Topics) -> int:
    """The number of partitions of `events`, `scores` and `scorer-state`, which must be the same.

    Raises `ConfigurationError` when Kafka does not answer or a topic is missing or has another number of partitions:
    a lead would not be found in its partition.
    """
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        described = await admin.describe_topics()
    except KafkaConnectionError as error:
        raise unreachable(options) from error
    finally:
        await admin.close()
    partitions = {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}
    return check_partitions(partitions, topics)


def check_partitions(partitions: dict[str, int], topics: Topics) -> int:
    """The pure half of `check_topics`; `partitions` are counts by topic name."""
    together = (topics.events, topics.scores, topics.scorer_state)
    missing = [name for name in (*together, topics.dead_letters) if name not in partitions]
    if missing:
        raise ConfigurationError(f"topics are missing: {', '.join(missing)}; run `tasuki topics create`")
    counts = {name: partitions[name] for name in together}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise ConfigurationError(
            f"a lead must have the same partition number everywhere, but {listed} partitions; "
            "create the topics anew with `tasuki topics create`"
        )
    return counts[topics.events]
