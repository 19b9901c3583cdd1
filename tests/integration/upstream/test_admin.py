"""aiokafka's admin client: errors that have to be looked for."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import IllegalArgumentError, InvalidConfigurationError, for_code

from shared.kafka import create_topics
from shared.settings import ConfigurationError
from shared.topics import TopicSpec

WRONG = {"retention.ms": "soon"}


async def test_a_topic_that_is_refused_raises_nothing(options: dict[str, Any], topic_prefix: str) -> None:
    admin = AIOKafkaAdminClient(**options)
    await admin.start()
    try:
        # If this raises, aiokafka looks at the answer itself: create_topics in shared/kafka.py need not.
        answer = await admin.create_topics([NewTopic(topic_prefix + "t", 1, 1, topic_configs=WRONG)])
    finally:
        await admin.close()
    ((_, code, *_),) = answer.topic_errors
    assert for_code(code) is InvalidConfigurationError
    with pytest.raises(ConfigurationError, match=f"refused to create topic {topic_prefix}t: InvalidConfiguration"):
        await create_topics(options, [TopicSpec(topic_prefix + "t", 1, WRONG)])


def test_the_clusters_own_replication_factor_cannot_be_asked_for_alone() -> None:
    # If this raises nothing, `_new_topic` in shared/kafka.py need not give an empty assignment with it.
    with pytest.raises(IllegalArgumentError):
        NewTopic("t", 3, -1)
    assert NewTopic("t", 3, -1, replica_assignments={}).replication_factor == -1
