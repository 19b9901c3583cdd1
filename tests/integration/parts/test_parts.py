"""What every kind of parts must do, on each kind that can be had here."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.kafka import create_topics
from shared.parts import Parts, PartsError, PartsKind, start_parts
from shared.parts.embedded import EmbeddedBroker
from shared.parts.given import GivenBroker
from shared.parts.readiness import sql
from shared.parts.surroundings import look_around
from shared.topics import TopicSpec


@pytest.fixture(scope="module", params=[PartsKind.DOCKER, PartsKind.APACHE, PartsKind.EMBEDDED])
def running(request: pytest.FixtureRequest) -> Iterator[Parts]:
    """The parts of one kind, or a skip that says why not."""
    kind: PartsKind = request.param
    if problem := look_around(os.environ).missing.get(kind):
        pytest.skip(problem)
    with pytest.MonkeyPatch.context() as environment:
        if kind is PartsKind.EMBEDDED:
            environment.delenv("TASUKI_KAFKA_VERSION", raising=False)  # it has none
        with start_parts(kind, say=lambda _: None) as parts:
            yield parts


async def new_topic(parts: Parts) -> str:
    name = f"t{uuid.uuid4().hex[:8]}"
    await create_topics({"bootstrap_servers": parts.kafka_bootstrap}, [TopicSpec(name, 1)])
    return name


async def write(parts: Parts, topic: str, *values: bytes, abort: bool = False) -> None:
    """All values in one transaction."""
    producer = AIOKafkaProducer(bootstrap_servers=parts.kafka_bootstrap, transactional_id=f"writer-{topic}")
    await producer.start()
    try:
        await producer.begin_transaction()
        for value in values:
            await producer.send_and_wait(topic, value)
        await (producer.abort_transaction() if abort else producer.commit_transaction())
    finally:
        await producer.stop()


async def committed(parts: Parts, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=parts.kafka_bootstrap, isolation_level="read_committed", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partition, values = TopicPartition(topic, 0), []
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                values += [record.value for record in records]
        return values
    finally:
        await consumer.stop()


async def test_kafka_keeps_what_was_committed_and_nothing_else(running: Parts) -> None:
    topic = await new_topic(running)
    await write(running, topic, b"one", b"two")
    await write(running, topic, b"undone", abort=True)
    await write(running, topic, b"three")
    assert await committed(running, topic) == [b"one", b"two", b"three"]


def test_postgres_answers_over_tcp_and_to_nobody_without_the_password(running: Parts) -> None:
    assert running.database_url.startswith("postgresql+asyncpg://")
    assert sql(running.database_url, "SELECT version()").startswith("PostgreSQL 1")
    user, _, rest = running.database_url.partition("@")
    with pytest.raises(Exception, match="password"):
        sql(f"{user.rpartition(':')[0]}:wrong@{rest}", "SELECT 1")


async def test_a_killed_broker_comes_back_with_its_records_at_its_address(running: Parts) -> None:
    topic, address = await new_topic(running), running.kafka_bootstrap
    await write(running, topic, b"before")
    running.kafka.kill()
    with pytest.raises(Exception, match="no Kafka answers"):
        await new_topic(running)
    running.kafka.start()
    assert running.kafka_bootstrap == address
    await write(running, topic, b"after")
    found = await committed(running, topic)
    if isinstance(running.kafka, EmbeddedBroker):  # it saves late: no promise beyond its address
        assert found[-1] == b"after"
    else:
        assert found == [b"before", b"after"]


@pytest.mark.parametrize("verb", ["kill", "stop"])
def test_a_database_ended_comes_back_with_its_rows_at_its_address(running: Parts, verb: str) -> None:
    url = running.postgres.create_database(f"d{uuid.uuid4().hex[:8]}")
    sql(url, "CREATE TABLE t AS SELECT 42 AS x")
    getattr(running.postgres, verb)()
    with pytest.raises(Exception, match=r"refused|Connect"):
        sql(url, "SELECT 1")
    running.postgres.start()
    running.postgres.start()  # what runs is left alone
    assert sql(url, "SELECT x FROM t") == 42


def test_a_database_may_not_exist_twice_or_have_a_strange_name(running: Parts) -> None:
    running.postgres.create_database("twice")
    with pytest.raises(asyncpg.DuplicateDatabaseError):
        running.postgres.create_database("twice")
    with pytest.raises(PartsError, match="cannot be the name"):
        running.postgres.create_database('x"; DROP DATABASE twice; --')


def test_the_description_names_both_with_versions(running: Parts) -> None:
    broker, _, database = running.description.partition(" and ")
    assert any(digit.isdigit() for digit in broker)
    assert database.startswith("PostgreSQL 1")


async def test_data_in_a_directory_of_ours_outlives_the_parts(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASUKI_KAFKA_VERSION", raising=False)
    for expected in ([b"first"], [b"first", b"second"]):
        with start_parts(PartsKind.EMBEDDED, data_dir=directory, say=lambda _: None) as parts:
            await create_topics({"bootstrap_servers": parts.kafka_bootstrap}, [TopicSpec("kept", 1)])
            await write(parts, "kept", expected[-1])
            assert await committed(parts, "kept") == expected
            sql(parts.database_url, "CREATE TABLE IF NOT EXISTS kept (word text)")
            sql(parts.database_url, f"INSERT INTO kept VALUES ('{expected[-1].decode()}')")
            assert sql(parts.database_url, "SELECT count(*) FROM kept") == len(expected)


def test_parts_that_were_given_are_not_ours_to_kill(running: Parts) -> None:
    given = GivenBroker({"bootstrap_servers": running.kafka_bootstrap})
    given.start()
    with pytest.raises(PartsError, match="only parts that were started here"):
        given.kill()
