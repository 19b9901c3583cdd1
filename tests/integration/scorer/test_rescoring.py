"""A scorer that starts with another playbook, on a real Kafka: every score follows, without any further event."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import httpx

from services.scorer.scoring.state import playbook_of
from services.scorer.store.records import POSITION_KEY
from shared.playbook import Playbook
from shared.playbook.loader import load_playbook, parse_playbook
from shared.scores import ScoreRecord, decode_score
from tests.integration.scorer.test_worker import event

DEFAULT = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")
DOWNLOADED = 15
"""Points of a download in the default playbook."""


def playbook(directory: Path, points: int) -> tuple[Playbook, str]:
    """The default one with other points for a download; and its file."""
    rule = next(line for line in DEFAULT.splitlines() if "event: Document Downloaded" in line and "points" in line)
    changed = rule.replace(f"points: {DOWNLOADED}", f"points: {points}")
    assert changed != rule
    path = directory / f"points-{points}.yaml"
    path.write_text(DEFAULT.replace(rule, changed), "utf-8")
    return parse_playbook(path.read_text("utf-8"), str(path)), str(path)


def downloads(leads: range, number: int = 0) -> list[tuple[bytes, bytes]]:
    now = datetime.now(UTC)
    return [event(number + lead, f"lead-{lead}", now, name="Document Downloaded") for lead in leads]


async def history(installation: Any) -> dict[str, list[ScoreRecord]]:
    """All records of each lead, each numbered one higher than the one before."""
    found: dict[str, list[ScoreRecord]] = {}
    for record in await installation.read(installation.topics.scores):
        score = decode_score(record.value)
        its = found.setdefault(score.lead_id, [])
        assert score.seq == len(its) + 1, f"a record of {score.lead_id} is missing, or came twice"
        its.append(score)
    return found


async def until_all_follow(installation: Any, id: str, leads: int) -> dict[str, list[ScoreRecord]]:
    async with asyncio.timeout(40):
        while True:
            found = await history(installation)
            if len(found) == leads and all(its[-1].playbook == id for its in found.values()):
                return found
            await asyncio.sleep(0.1)


async def rescored(worker: Any) -> float:
    """How many leads a worker has scored anew; none as long as it does not answer."""
    try:
        async with httpx.AsyncClient() as http:
            metrics = (await http.get(f"http://127.0.0.1:{worker.port}/metrics")).text
    except httpx.TransportError:
        return 0
    (line,) = [line for line in metrics.splitlines() if line.startswith("tasuki_scorer_rescored_leads_total ")]
    return float(line.split()[1])


async def playbooks_of_states(installation: Any) -> set[str]:
    newest = {record.key: record.value for record in await installation.read(installation.topics.scorer_state)}
    return {playbook_of(raw) for key, raw in newest.items() if key != POSITION_KEY}


async def test_all_leads_follow_a_new_playbook_without_an_event(installation: Any, tmp_path: Path) -> None:
    new, path = playbook(tmp_path, 20)
    await installation.produce(downloads(range(700)))
    with installation.worker() as worker:
        await worker.ready()
        await installation.until_scored()
        worker.end()
    before = await history(installation)
    with installation.worker(TASUKI_PLAYBOOK=path) as worker:
        await worker.ready()
        found = await until_all_follow(installation, new.id, 700)
        assert await rescored(worker) == 700
        assert worker.end() == 0
    for lead, (first, second) in found.items():
        assert [first] == before[lead]
        assert (first.total, round(second.total)) == (DOWNLOADED, 20)
        assert (second.exact, second.trigger.kind, second.trigger.event_id) == (True, "playbook", new.id)
        assert second.position.offset >= first.position.offset, "the router waits for its events"
    assert await playbooks_of_states(installation) == {new.id}

    # The same one once more has nothing to do; and the one of before is a change again.
    with installation.worker(TASUKI_PLAYBOOK=path) as worker:
        await worker.ready()
        await asyncio.sleep(0.5)
        assert await history(installation) == found
        worker.end()
    with installation.worker() as worker:
        back = await until_all_follow(installation, load_playbook().id, 700)
        assert {round(its[-1].total) for its in back.values()} == {DOWNLOADED}
        worker.end()


async def test_killed_while_it_scores_anew_each_lead_is_scored_anew_once(install: Any, tmp_path: Path) -> None:
    installation, leads = await install(1), 8_000
    new, path = playbook(tmp_path, 20)
    await installation.produce(downloads(range(leads)))
    with installation.worker() as worker:
        await worker.ready()
        await installation.until_scored()
        worker.end()
    with installation.worker(TASUKI_PLAYBOOK=path) as worker:
        async with asyncio.timeout(30):
            while await rescored(worker) == 0:  # noqa: ASYNC110 - the worker tells nobody
                await asyncio.sleep(0.005)
        worker.kill()
    halfway = sum(its[-1].playbook == new.id for its in (await history(installation)).values())
    assert 0 < halfway < leads, "killed in the middle"
    with installation.worker(TASUKI_PLAYBOOK=path) as worker:
        found = await until_all_follow(installation, new.id, leads)
        worker.end()
    assert {len(its) for its in found.values()} == {2}


async def test_events_go_on_while_leads_are_scored_anew(install: Any, tmp_path: Path) -> None:
    installation, leads = await install(1), 3_000
    new, path = playbook(tmp_path, 20)
    await installation.produce(downloads(range(leads)))
    with installation.worker() as worker:
        await worker.ready()
        await installation.until_scored()
        worker.end()
    with installation.worker(TASUKI_PLAYBOOK=path) as worker:
        await worker.ready()
        await installation.produce(downloads(range(leads - 100, leads + 100), number=leads))
        await installation.until_scored()
        found = await until_all_follow(installation, new.id, leads + 100)
        assert worker.end() == 0
    for number in range(leads - 100, leads):
        assert round(found[f"lead-{number}"][-1].total) == 30, "two downloads of one day, as far as its cap goes"
    assert {len(found[f"lead-{number}"]) for number in range(leads - 100)} == {2}
    assert {len(found[f"lead-{number}"]) for number in range(leads, leads + 100)} == {1}
