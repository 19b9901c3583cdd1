"""One person under several ids, on a real broker: partitions tell each other, workers die, and nothing counts twice."""

from __future__ import annotations

import asyncio
from typing import Any

from shared.events import Kind, decode_event
from shared.scores import ScoreRecord, decode_score
from tests.integration.scorer.test_worker import event

PEOPLE = 60


def visits(person: int) -> list[tuple[bytes, bytes]]:
    """What somebody does before anybody knows them."""
    anonymous = {"user_id": None, "anonymous_id": f"b{person}", "kind": Kind.PAGE, "name": ""}
    return [event(person * 100 + n, f"anon:b{person}", **anonymous, properties={"path": "/pricing"}) for n in range(3)]


def login(person: int) -> tuple[bytes, bytes]:
    told = {"kind": Kind.IDENTIFY, "name": "", "properties": {}, "traits": {"title": "CEO"}}
    return event(person * 100 + 50, f"u{person}", anonymous_id=f"b{person}", **told)


async def latest(installation: Any) -> dict[str, ScoreRecord]:
    records = await installation.read(installation.topics.scores)
    return {record.lead_id: record for record in (decode_score(one.value) for one in records)}


async def until_quiet(installation: Any) -> None:
    """What is told from one partition to another follows what led to it."""
    for _ in range(4):
        await installation.until_scored()
        await asyncio.sleep(0.3)


def check(found: dict[str, ScoreRecord]) -> None:
    for person in range(PEOPLE):
        lead, member = found[f"u{person}"], found[f"anon:b{person}"]
        assert (member.merged_into, lead.members) == (f"u{person}", [f"anon:b{person}"])
        by_rule = {part.rule: part.times for part in lead.contributions}
        assert by_rule == {"pricing_viewed": 3, "page_viewed": 3, "title_executive": 1}


async def test_visitors_become_known(installation: Any) -> None:
    with installation.worker():
        await installation.produce([one for person in range(PEOPLE) for one in visits(person)])
        await installation.until_scored()
        before = await latest(installation)
        assert all(before[f"anon:b{person}"].total > 0 for person in range(PEOPLE))
        await installation.produce([login(person) for person in range(PEOPLE)])
        await until_quiet(installation)
        check(await latest(installation))
        # The group stands at the very end of the log, whose last offsets are markers of transactions.
        await installation.until_scored(10)
        kinds = [decode_event(record.value).kind for record in await installation.read(installation.topics.events)]
        assert (kinds.count(Kind.LINK), kinds.count(Kind.MEMBER)) == (PEOPLE, PEOPLE)
        assert await installation.read(installation.topics.dead_letters) == []


async def test_workers_die_meanwhile(installation: Any) -> None:
    await installation.produce([one for person in range(PEOPLE) for one in visits(person)])
    await installation.produce([login(person) for person in range(PEOPLE)])
    for pause in (1.5, 2.0, 2.5):
        with installation.worker() as worker:
            await asyncio.sleep(pause)
            worker.process.kill()
    with installation.worker():
        await until_quiet(installation)
        check(await latest(installation))
