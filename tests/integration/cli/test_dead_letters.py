"""`tasuki dead-letters` on a real Kafka, with what a real ingest has refused."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.partitioner import murmur2
from sqlalchemy.ext.asyncio import create_async_engine

from services.cli.demo.drain import Gauge
from services.ingest.publisher import KafkaPublisher, Limits
from services.ingest.publishing import Record
from services.ingest.spool.publisher import SpooledPublisher
from services.ingest.spool.spool import Spool
from shared import dead_letters
from shared.events import Event, Kind, decode_event, encode_event
from shared.kafka import client_options, create_topics
from shared.scores import encode_score
from shared.settings import CommonSettings
from shared.topics import DEAD_LETTER_BYTES
from tests.integration.cli.test_import import ingest
from tests.score_records import Story

__all__ = ["ingest"]

RECEIVED = datetime(2026, 11, 1, 3, 0, 0, 123000, tzinfo=UTC)
PUT_ASIDE = datetime(2026, 11, 2, tzinfo=UTC)
Headers = list[tuple[str, bytes]]
Written = tuple[bytes | None, bytes | None, Headers]


@pytest.fixture
def settings(stack_environment: dict[str, str]) -> CommonSettings:
    """Of the test's own topics, which are there."""
    assert stack_environment
    settings = CommonSettings()  # from the environment
    asyncio.run(create_topics(client_options(settings), settings.topics.specs([], 2)))
    return settings


def tasuki(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "services.cli.main", "dead-letters", *arguments]
    return subprocess.run(command, capture_output=True, timeout=90, check=False)


def said(*arguments: str, code: int = 0) -> list[str]:
    """The lines on stdout."""
    result = tasuki(*arguments)
    assert result.returncode == code, result.stderr.decode()
    return result.stdout.decode().splitlines()


async def _write(settings: CommonSettings, topic: str, records: Sequence[Written]) -> None:
    async with AIOKafkaProducer(**client_options(settings), max_request_size=DEAD_LETTER_BYTES) as producer:
        for key, value, headers in records:
            await producer.send_and_wait(topic, value, key, partition=0, headers=headers)


def put_aside(settings: CommonSettings, *records: Written) -> None:
    asyncio.run(_write(settings, settings.topics.dead_letters, records))


async def _read(settings: CommonSettings, topic: str, partitions: int) -> list[Any]:
    async with AIOKafkaConsumer(**client_options(settings), isolation_level="read_committed") as consumer:
        parts = [TopicPartition(topic, number) for number in range(partitions)]
        ends = await consumer.end_offsets(parts)
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        records: list[Any] = []
        while [part for part in parts if await consumer.position(part) < ends[part]]:
            for some in (await consumer.getmany(timeout_ms=100)).values():
                records += some
        return records


def written(settings: CommonSettings, topic: str, partitions: int = 2) -> list[Any]:
    return asyncio.run(_read(settings, topic, partitions))


def refused_by_ingest(path: str, *more: tuple[str, bytes]) -> Headers:
    return dead_letters.headers(
        reason="invalid_time: a mistake of an earlier version",
        service="ingest",
        origin="http:website",
        at=RECEIVED,
        received=[("http_path", path.encode()), *more],
    )


def refused_in(origin: str, service: str, *more: tuple[str, bytes]) -> Headers:
    return dead_letters.headers(
        reason="scoring failed: KeyError: 'x'", service=service, origin=origin, at=PUT_ASIDE, received=list(more)
    )


def event(id: str, key: str = "lead-1", name: str = "Demo") -> bytes:
    return encode_event(
        Event(kind=Kind.TRACK, id=id, source="website", key=key, time=RECEIVED, received_at=RECEIVED, name=name)
    )


def test_what_ingest_refuses_is_listed_and_shown_byte_for_byte(ingest: str, settings: CommonSettings) -> None:
    bad = '{ "type":"track", "messageId":"m-1", "userId":"u",\t"note":"価格 1.10" }'.encode()
    body = b'{"sentAt":"2026-11-21T00:00:00Z","context":{"locale":"ja"},"batch":[' + bad + b"]}"
    answer = httpx.post(f"{ingest}/v1/batch", content=body, auth=("wk_test", ""), timeout=30)
    assert [one["code"] for one in answer.json()["rejected"]] == ["missing_event_name"]

    line, *counted = said("list")
    assert line.startswith("0/0  ")
    assert f"ingest  http:test  {len(bad)} bytes  missing_event_name: " in line
    assert [text.split() for text in counted] == [["1", "dead", "letter"], ["1", "missing_event_name"]]
    (told,) = map(json.loads, said("list", "--json", "--source", "test"))
    assert (told["place"], told["origin"], told["retried"]) == ("0/0", "http:test", False)
    assert said("list", "--source", "other") == said("list", "--service", "router") == ["0 dead letters"]

    assert tasuki("show", "0/0", "--raw").stdout == bad
    shown = "\n".join(said("show", "0/0"))
    assert "http_sent_at: 2026-11-21T00:00:00Z" in shown
    assert '"note": "価格 1.10"' in shown

    left, count = said("retry", "0/0", code=1)
    assert left.startswith("0/0  left: missing_event_name: ")
    assert count == "0 sent, 1 left"
    assert written(settings, settings.topics.events) == []


def test_an_event_is_sent_again_as_received_then_and_only_once(settings: CommonSettings) -> None:
    call = b'{"type":"track","event":"Demo","userId":"u","timestamp":"2026-11-01T02:00:00Z","sentAt":null}'
    told = [("http_sent_at", b"2026-11-01T02:59:00Z"), ("http_context", b'{"historical":true}')]
    put_aside(settings, (None, call, refused_by_ingest("/v1/batch", *told)))

    assert said("retry", "0/0", "--dry-run") == [
        f"0/0  would be sent to {settings.topics.events}",
        "1 would be sent, 0 left",
    ]
    assert written(settings, settings.topics.events) == []
    assert len(written(settings, settings.topics.dead_letters, 1)) == 1

    assert said("retry", "--all", "--service", "ingest") == ["1 sent, 0 left"]
    (record,) = written(settings, settings.topics.events)
    sent = decode_event(record.value)
    assert (record.key, sent.key, sent.source, sent.name) == (b"u", "u", "website", "Demo")
    assert sent.received_at == RECEIVED
    assert (sent.time - datetime(2026, 11, 1, 2, 1, 0, 123000, tzinfo=UTC)).total_seconds() == 0
    assert sent.historical
    (_, marker) = written(settings, settings.topics.dead_letters, 1)
    assert dead_letters.retried(marker.headers) == "0/0"

    assert said("list") == ["0 dead letters"]
    assert said("list", "--all")[0].endswith("(retried)")
    assert said("retry", "--all") == ["0 sent, 0 left"]
    assert said("retry", "0/0") == ["0/0  already retried; repeat with --again", "0 sent, 0 left"]
    assert len(written(settings, settings.topics.events)) == 1

    said("retry", "0/0", "--again")
    ids = [decode_event(record.value).id for record in written(settings, settings.topics.events)]
    assert ids == [f"{settings.topics.dead_letters}/0/0"] * 2, "they count once"


def test_records_of_topics_go_back_as_they_were(settings: CommonSettings) -> None:
    topics = settings.topics
    other = 1 - (murmur2(b"lead-1") & 0x7FFFFFFF) % 2  # not where a client would put it
    put_aside(
        settings,
        (b"lead-1", event("m-1"), refused_in(f"{topics.events}/{other}/7", "scorer", ("trace", b"\xff"))),
        (b"lead-1", b'{"type":"no such"}', refused_in(f"{topics.feedback}/0/3", "router")),
        (b"lead-9", event("m-2", "lead-9"), refused_in(f"{topics.events}/-1/-1", "ingest")),
        (b"lead-1", b"{oops", refused_in(f"{topics.events}/0/8", "scorer")),
    )
    first, second, third, fourth, count = said("retry", "0/3", "0/0", "0/1", "0/2", code=1)
    assert first == f"0/0  sent to {topics.events}"
    assert second.startswith("0/1  left: ")
    assert third == f"0/2  sent to {topics.events}"
    assert fourth.startswith("0/3  left: no event: ")
    assert count == "2 sent, 2 left"
    back, spooled = sorted(written(settings, topics.events), key=lambda record: record.key)
    assert (back.partition, back.key, back.value, back.headers) == (
        other,
        b"lead-1",
        event("m-1"),
        (("trace", b"\xff"),),
    )
    assert (spooled.key, spooled.value, spooled.headers) == (b"lead-9", event("m-2", "lead-9"), ())
    assert [line.split()[0] for line in said("list")[:2]] == ["0/1", "0/3"]


def test_what_is_still_too_large_harms_nothing_that_is_sent_with_it(settings: CommonSettings) -> None:
    origin = f"{settings.topics.events}/-1/-1"
    large = event("m-0", name="x" * 1_500_000)
    put_aside(
        settings, *((b"lead-1", one, refused_in(origin, "ingest")) for one in (event("m-1"), large, event("m-2")))
    )
    sent, left, sent_too, _ = said("retry", "0/0", "0/1", "0/2", code=1)
    assert sent.startswith("0/0  sent")
    assert left.startswith("0/1  left: event_too_large: ")
    assert sent_too.startswith("0/2  sent")
    assert [record.value for record in written(settings, settings.topics.events)] == [event("m-1"), event("m-2")]
    assert [line.split()[0] for line in said("list")[:1]] == ["0/1"]


async def _drain(settings: CommonSettings, directory: Path, record: Record) -> None:
    """As an ingest does that finds the record in its spool."""
    before = Spool.open(directory, 10_000_000)
    await before.append([record])
    await before.close()
    topics, spool = settings.topics, Spool.open(directory, 10_000_000)
    kafka = await KafkaPublisher.open(client_options(settings), [topics.events], Limits(10, 0, 10_000_000))
    publisher = SpooledPublisher(kafka, spool, topics.dead_letters)
    while not spool.is_empty:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.05)
    await publisher.close()


async def _widen(settings: CommonSettings, topic: str) -> None:
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    wide = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": str(2_000_000)})
    await admin.alter_configs([wide])
    await admin.close()


def test_what_the_spool_could_not_send_is_sent_when_its_topic_takes_it(
    settings: CommonSettings, tmp_path: Path
) -> None:
    topic, large = settings.topics.events, event("m-0", name="x" * 1_500_000)
    asyncio.run(_drain(settings, tmp_path, Record(topic, b"lead-1", large)))
    assert f"ingest  {topic}/-1/-1  1,500,1" in said("list")[0]
    assert (
        said("retry", "0/0", code=1)[0] == f"0/0  left: event_too_large: {topic} takes no record of {len(large)} bytes"
    )
    asyncio.run(_widen(settings, topic))
    assert said("retry", "0/0")[0] == f"0/0  sent to {topic}"
    (record,) = written(settings, topic)
    assert (record.partition, record.key, record.value, record.headers) == (
        (murmur2(b"lead-1") & 0x7FFFFFFF) % 2, b"lead-1", large, ()
    )  # fmt: skip


def test_whoever_counts_dead_letters_counts_no_markers(settings: CommonSettings) -> None:
    async def counted() -> int:
        engine = create_async_engine(os.environ["TASUKI_DATABASE_URL"])
        async with Gauge(settings, 2, engine) as gauge:
            count = await gauge.dead_letters()
        await engine.dispose()
        return count

    assert asyncio.run(counted()) == 0
    put_aside(settings, *((b"lead-1", event(id), refused_in(f"{settings.topics.events}/0/1", "scorer")) for id in "ab"))
    assert said("retry", "--all") == ["2 sent, 0 left"]
    assert len(written(settings, settings.topics.dead_letters, 1)) == 4
    assert asyncio.run(counted()) == 2


def test_a_score_does_not_take_the_place_of_a_newer_one(settings: CommonSettings) -> None:
    scores, story = settings.topics.scores, Story("lead-1")
    old, new, only = (encode_score(one) for one in (story.record(), story.record(), Story("lead-2").record()))
    asyncio.run(_write(settings, scores, [(b"lead-1", old, []), (b"lead-2", only, []), (b"lead-1", new, [])]))
    put_aside(
        settings,
        (b"lead-1", old, refused_in(f"{scores}/0/0", "router")),
        (b"lead-2", only, refused_in(f"{scores}/0/1", "router", ("ce_id", b"1"))),
    )
    left, sent, _ = said("retry", "0/0", "0/1", code=1)
    assert left.startswith("0/0  left: its lead has a newer score")
    assert sent == f"0/1  sent to {scores}"
    last = written(settings, scores)[-1]
    assert (last.partition, last.offset, last.key, last.value, last.headers) == (
        0,
        3,
        b"lead-2",
        only,
        (("ce_id", b"1"),),
    )


def test_mistakes_are_told(settings: CommonSettings) -> None:
    put_aside(settings, (None, b"\x00\xff", []))
    for arguments, words in [
        (("show", "0/9"), "no dead letter at 0/9"),
        (("show", "7/0"), "no dead letter at 7/0"),
        (("retry", "0/0", "0/9", "3/1"), "no dead letter at 0/9, 3/1"),
        (("show", "nine"), "'nine' is no place"),
        (("retry",), "or say --all"),
        (("retry", "0/0", "--source", "x"), "not among places"),
        (("list", "--since", "yesterday"), "--since 'yesterday' is no ISO 8601 time"),
        (("list", "--service", "web"), "expected one of ingest, scorer, router"),
    ]:
        result = tasuki(*arguments)
        assert result.returncode == 2, arguments
        assert words in result.stderr.decode()
        assert b"Traceback" not in result.stderr
    assert said("show", "0/0")[-1] == "00 ff"
    assert said("retry", "0/0", code=1)[0].startswith("0/0  left: nobody knows where it came from")


def test_without_kafka_or_the_topic_it_says_so(
    stack_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stack_environment
    result = tasuki("list")
    assert result.returncode == 2
    assert b"topics are missing" in result.stderr
    monkeypatch.setenv("TASUKI_KAFKA_BOOTSTRAP", "127.0.0.1:9")
    result = tasuki("retry", "--all")
    assert result.returncode == 2
    assert b"no Kafka answers at 127.0.0.1:9" in result.stderr
