"""Topics of its own for each test of what the libraries do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.kafka import create_topics
from shared.parts import Parts
from shared.topics import TopicSpec

NewTopic = Callable[..., Awaitable[str]]


@pytest.fixture
def options(parts: Parts) -> dict[str, Any]:
    """Of Apache Kafka only: what other brokers make of the same requests says nothing about the libraries."""
    if "not Apache Kafka" in parts.kafka.description:
        pytest.skip("the broker is not Apache Kafka")
    return {"bootstrap_servers": parts.kafka_bootstrap}


@pytest.fixture
def new_topic(options: dict[str, Any], topic_prefix: str) -> NewTopic:
    """Makes a topic, and returns its whole name. Keyword arguments are its settings, `_` for `.`."""

    async def make(name: str, partitions: int = 1, **config: str) -> str:
        settings = {key.replace("_", "."): value for key, value in config.items()}
        await create_topics(options, [TopicSpec(topic_prefix + name, partitions, settings)])
        return topic_prefix + name

    return make


@pytest.fixture
def narrow(new_topic: NewTopic) -> Callable[[], Awaitable[str]]:
    """Makes a topic that takes no more than 2,000 bytes at once."""
    return lambda: new_topic("narrow", max_message_bytes="2000")
