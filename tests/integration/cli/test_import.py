"""`tasuki import` through the real ingest into a real Kafka."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.cli.stack.supervisor import Supervised, service_command
from shared.events import Event, decode_event
from shared.kafka import client_options, create_topics
from shared.settings import CommonSettings

MAPPING = """
historical: true
events:
  - type: track
    event: Lead Acquired
    userId: "{id}"
    timestamp: "{at}"
    properties: {medium: "{medium}", note: "{note}"}
"""


@pytest.fixture
def ingest(stack_environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The real ingest as a process on the run's Kafka; gives its address."""
    settings = CommonSettings(kafka_bootstrap=stack_environment["TASUKI_KAFKA_BOOTSTRAP"])
    asyncio.run(create_topics(client_options(settings), settings.topics.specs([], 2)))
    url = f"http://127.0.0.1:{stack_environment['TASUKI_INGEST_PORT']}"
    environment = {**os.environ, "TASUKI_WRITE_KEYS": "wk_test=test", "TASUKI_SPOOL_DIR": str(tmp_path / "spool")}
    service = Supervised("ingest", service_command("ingest"), environment, tmp_path / "ingest.log", print)
    service.start()
    try:
        deadline = time.monotonic() + 60
        while not ready(url):
            assert time.monotonic() < deadline, service.last_words()
            time.sleep(0.1)
        yield url
    finally:
        service.tell_to_stop()
        service.wait_until_gone()


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).is_success
    except httpx.TransportError:
        return False


def write_list(folder: Path, lines: Sequence[str], codec: str = "utf-8", end: str = "\n") -> Path:
    file = folder / "list.csv"
    file.write_bytes("".join(line + end for line in ("id,at,medium,note", *lines)).encode(codec))
    (folder / "map.yaml").write_text(MAPPING, "utf-8")
    return file


def command(file: Path, url: str) -> list[str]:
    mapping = str(file.parent / "map.yaml")
    head = [sys.executable, "-m", "services.cli.main", "import", str(file)]
    return [*head, "--mapping", mapping, "--to", url, "--write-key", "wk_test"]


def run(file: Path, url: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command(file, url), *more], capture_output=True, text=True, timeout=120, check=False)


def rejected(file: Path, codec: str) -> list[dict[str, str]]:
    """What the report says, in order of the lines."""
    with (file.parent / f"{file.name}.rejected.csv").open(encoding=codec, newline="") as report:
        return sorted(csv.DictReader(report), key=lambda row: int(row["line"]))


async def log() -> list[Event]:
    """Everything in `events`."""
    settings = CommonSettings(kafka_bootstrap=os.environ["TASUKI_KAFKA_BOOTSTRAP"])
    consumer = AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(settings.topics.events, number) for number in range(2)]
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        found = []
        while len(found) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [decode_event(record.value) for record in records]
        return found
    finally:
        await consumer.stop()


def test_rows_become_historical_events_and_bad_ones_are_reported(ingest: str, tmp_path: Path) -> None:
    file = write_list(
        tmp_path,
        [
            "a,2026-01-01,search,",
            "b,someday,search,",
            "c,2026-01-03,,",
            "d,2026-01-04,x," + "y" * 40_000,
            "e,2026-01-05",
        ],
    )
    result = run(file, ingest)
    assert result.returncode == 1, result.stderr
    assert "5 rows, 2 events accepted, 3 rejected" in result.stdout
    assert str(tmp_path / "list.csv.rejected.csv") in result.stdout
    told = rejected(file, "utf-8-sig")
    assert [(row["line"], row["record"]) for row in told] == [
        ("3", "b,someday,search,"),
        ("5", "d,2026-01-04,x," + "y" * 40_000),
        ("6", "e,2026-01-05"),
    ]
    assert "'someday' is no time" in told[0]["reason"]
    assert told[1]["code"] == "event_too_large"
    events = {event.key: event for event in asyncio.run(log())}
    assert set(events) == {"a", "c"}
    assert events["a"].historical
    assert events["a"].properties == {"medium": "search"}
    assert events["a"].time.isoformat() == "2025-12-31T15:00:00+00:00"
    assert events["c"].properties == {}


def test_an_interrupted_import_goes_on_where_it_was(ingest: str, tmp_path: Path) -> None:
    rows, bad = 60_000, 600
    days = ["2026-01-01"] * 99 + ["someday"]
    file = write_list(tmp_path, [f"lead-{number},{days[number % 100]},m,n" for number in range(rows)])
    state = tmp_path / "list.csv.import-state.json"
    process = subprocess.Popen(command(file, ingest), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not state.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, "it was through before it could be interrupted"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sent_before = len(asyncio.run(log()))
    assert 0 < sent_before < rows, "it was not interrupted in the middle"

    result = run(file, ingest)
    assert result.returncode == 1, result.stderr
    assert "rows had been acknowledged before" in result.stdout
    assert f"{rows:,} rows, {rows - bad:,} events accepted, {bad:,} rejected" in result.stdout
    told = [row["row"] for row in rejected(file, "utf-8-sig")]
    assert sorted(map(int, told)) == list(range(100, rows + 1, 100)), "each is reported once"
    events = asyncio.run(log())
    ids = {event.id for event in events}
    assert {event.key for event in events} == {f"lead-{number}" for number in range(rows) if number % 100 != 99}
    assert len(ids) == rows - bad, "a row that was sent twice must carry the same id"
    repeats = len(events) - (rows - bad)
    assert repeats < sent_before, "the second run began anew"


def test_a_finished_import_sends_nothing_more(ingest: str, tmp_path: Path) -> None:
    file = write_list(tmp_path, ["a,2026-01-01,m,n", "b,2026-01-01,m,n"])
    assert run(file, ingest).returncode == 0
    again = run(file, ingest)
    assert again.returncode == 0
    assert "2 rows had been acknowledged before" in again.stdout
    assert len(asyncio.run(log())) == 2
    assert not (tmp_path / "list.csv.rejected.csv").exists()


def test_a_list_from_excel_in_shift_jis_is_read_and_reported_in_it(ingest: str, tmp_path: Path) -> None:
    file = write_list(
        tmp_path, ['髙島,2026-01-01,展示会①,"一行目\r\n二行目"', "﨑山,あした,展示会①,～"], "cp932", "\r\n"
    )
    assert run(file, ingest).returncode == 1
    (event,) = asyncio.run(log())
    assert event.key == "髙島"
    assert event.properties == {"medium": "展示会①", "note": "一行目\r\n二行目"}
    (told,) = rejected(file, "cp932")
    assert told["record"] == "﨑山,あした,展示会①,～"
    assert "'あした' is no time" in told["reason"]


def test_a_dry_run_tells_everything_and_sends_nothing(ingest: str, tmp_path: Path) -> None:
    file = write_list(tmp_path, ["a,2026-01-01,m,n", "b,someday,m,n", "c,2026-01-01"])
    result = run(file, ingest, "--dry-run")
    assert result.returncode == 1, result.stderr
    assert '"event": "Lead Acquired"' in result.stdout
    assert "line 3: column at: 'someday' is no time" in result.stdout
    assert "line 4: has 2 columns, the header has 4" in result.stdout
    assert "3 rows (utf-8-sig), 1 events, 0 rows without any, 2 would be rejected; nothing was sent" in result.stdout
    assert asyncio.run(log()) == []
    assert sorted(path.name for path in tmp_path.glob("list.csv*")) == ["list.csv"]


def test_an_encoding_that_is_not_the_files_is_refused_before_anything_is_sent(ingest: str, tmp_path: Path) -> None:
    file = write_list(tmp_path, ["a,2026-01-01,m,n", "髙島,2026-01-01,m,n"], "cp932")
    result = run(file, ingest, "--encoding", "utf-8")
    assert result.returncode == 2
    assert "is not utf-8: line 3, byte 1 (0xEE)" in result.stderr
    assert asyncio.run(log()) == []


def test_an_unknown_key_is_told(ingest: str, tmp_path: Path) -> None:
    file = write_list(tmp_path, ["a,2026-01-01,m,n"])
    result = subprocess.run(
        [*command(file, ingest)[:-1], "wk_wrong"], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert "401" in result.stderr
    assert "Traceback" not in result.stderr
