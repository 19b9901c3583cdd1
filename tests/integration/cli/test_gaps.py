"""`tasuki playbook gaps` on a real log."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

from shared.events import Event, Kind, encode_event
from shared.kafka import client_options, create_topics
from shared.settings import CommonSettings

AT = datetime(2026, 11, 1, 3, tzinfo=UTC)


def tracked(number: int, name: str, kind: Kind = Kind.TRACK) -> bytes:
    return encode_event(
        Event(kind=kind, id=f"m{number}", source="site", key="lead-1", time=AT, received_at=AT, name=name,
              properties={"seats": number, "plan": "pro"})
    )  # fmt: skip


async def write(settings: CommonSettings, values: list[bytes]) -> None:
    options = client_options(settings)
    await create_topics(options, settings.topics.specs([], 3))
    async with AIOKafkaProducer(**options) as producer:
        for number, value in enumerate(values):
            await producer.send(settings.topics.events, value, key=b"lead-1", partition=number % 2)


def gaps(*options: str) -> str:
    command = [sys.executable, "-m", "services.cli.main", "playbook", "gaps", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_events_of_which_the_playbook_does_not_speak(stack_environment: dict[str, str]) -> None:
    assert stack_environment
    settings = CommonSettings()  # from the environment
    quoted = [tracked(number, "Quote Calculated") for number in range(4)]
    known = [tracked(10, "Webinar Attended"), tracked(11, "", Kind.PAGE), tracked(12, "Deal Won")]
    asyncio.run(write(settings, [*quoted, *known, tracked(13, "見積依頼"), b"{oops"]))
    shown = gaps()
    assert "9 events looked at by the-model@1" in shown
    assert "5 are of no rule, signal or action" in shown
    assert "1 records are no events" in shown
    first, second = (line for line in shown.splitlines() if "site" in line)
    assert "Quote Calculated" in first
    assert " 4 " in first
    assert "m3" in first or "m2" in first  # the latest of either partition
    assert "plan, seats" in first
    assert "見積依頼" in second
    assert "looked at" in gaps("--last", "3")
    assert "9 events" not in gaps("--last", "3")
