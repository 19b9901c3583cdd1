"""The spool on a real disk, without Kafka."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.ingest.publishing import Record
from services.ingest.spool import segments, slots
from services.ingest.spool.slots import take_slot
from services.ingest.spool.spool import Spool, SpoolFull
from shared.settings import ConfigurationError

MEGABYTE = 1024**2


def record(name: str, size: int = 10) -> Record:
    return Record("events", name.encode(), b"x" * size, [("header", b"value")])


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool.open(tmp_path, 10 * MEGABYTE)
    yield spool
    await spool.close()


async def drain(spool: Spool) -> list[Record]:
    found: list[Record] = []
    while read := await spool.read():
        found += read.records
        await spool.sent(read)
    return found


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*/*") if path.name != "lock")


async def test_what_is_appended_is_read_in_its_order_and_then_gone(spool: Spool, tmp_path: Path) -> None:
    written = [record(str(number)) for number in range(200)]
    await asyncio.gather(*(spool.append([one]) for one in written))
    assert (spool.records, spool.is_empty) == (200, False)
    assert await drain(spool) == written
    assert (spool.records, spool.bytes, spool.oldest_seconds, spool.is_empty) == (0, 0, 0, True)
    assert files(tmp_path) == []


async def test_many_appends_share_a_sync(tmp_path: Path) -> None:
    syncs: list[float] = []
    spool = Spool.open(tmp_path, MEGABYTE, syncs.append)
    await asyncio.gather(*(spool.append([record(str(number))]) for number in range(100)))
    assert len(syncs) < 10
    await spool.close()


async def test_what_was_not_sent_is_there_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.spool.spool.READ_BYTES", 2000)
    written = [record(str(number), 500) for number in range(20)]
    spool = Spool.open(tmp_path, MEGABYTE)
    for one in written:
        await spool.append([one])
    read = await spool.read()
    assert read
    await spool.sent(read)
    await spool.close()
    again = Spool.open(tmp_path, MEGABYTE)
    assert again.records == 20 - len(read.records)
    assert again.oldest_seconds < 60
    new = record("new")
    await again.append([new])
    assert await drain(again) == [*written[len(read.records) :], new]
    await again.close()


async def test_a_large_request_is_read_whole(spool: Spool) -> None:
    written = [record(str(number), 30_000) for number in range(100)]
    await spool.append(written)
    assert await drain(spool) == written


async def test_segments_are_deleted_one_by_one(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 1000)
    for number in range(10):
        await spool.append([record(str(number), 600)])
    assert len([name for name in files(tmp_path) if name.endswith(".spool")]) == 5
    assert len(await drain(spool)) == 10
    assert files(tmp_path) == []


async def test_a_full_spool_takes_no_more_until_there_is_room(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, MEGABYTE)
    await spool.append([record("a", 900_000)])
    with pytest.raises(SpoolFull, match="1048576 bytes"):
        spool.append([record("b", 900_000)])
    assert spool.trouble
    await drain(spool)
    await spool.append([record("b", 900_000)])
    assert spool.trouble is None
    await spool.close()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk that takes no more, as far as a process can be told so."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


async def test_what_the_disk_refused_half_is_not_there(spool: Spool) -> None:
    await spool.append([record("a", 1000)])
    with largest_file(3000), pytest.raises(SpoolFull, match="File too large"):
        await spool.append([record("b", 5000)])
    await spool.append([record("c", 1000)])
    assert await drain(spool) == [record("a", 1000), record("c", 1000)]


async def test_what_cannot_be_read_is_kept_and_what_is_before_it_is_sent(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, MEGABYTE)
    for name in "abc":
        await spool.append([record(name, 100)])
    await spool.close()
    (path,) = (tmp_path / "0" / name for name in files(tmp_path) if name.endswith(".spool"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    again = Spool.open(tmp_path, MEGABYTE)
    assert again.records == 1
    assert await drain(again) == [record("a", 100)]
    await again.close()
    assert [name.rpartition(".")[2] for name in files(tmp_path)] == ["damaged"]


async def test_what_a_process_left_is_taken_over_by_the_next(tmp_path: Path) -> None:
    one, other = Spool.open(tmp_path, MEGABYTE), Spool.open(tmp_path, MEGABYTE)
    assert one.directory != other.directory
    await one.append([record("one")])
    await other.append([record("other")])
    await other.close()
    third = Spool.open(tmp_path, MEGABYTE)
    assert third.directory == other.directory, "one still has its own"
    assert await drain(third) == [record("other")]
    await third.close()
    await one.close()
    fourth = Spool.open(tmp_path, MEGABYTE)
    assert await drain(fourth) == [record("one")]
    await fourth.close()


async def test_what_is_taken_over_from_another_slot_keeps_how_far_it_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.spool.spool.READ_BYTES", 100)
    holder, left = Spool.open(tmp_path, MEGABYTE), Spool.open(tmp_path, MEGABYTE)
    await left.append([record("a", 100)])
    await left.append([record("b", 100)])
    read = await left.read()
    assert read
    await left.sent(read)
    await left.close()
    await holder.close()
    heir = Spool.open(tmp_path, MEGABYTE)
    assert heir.directory == holder.directory
    assert await drain(heir) == [record("b", 100)]
    await heir.close()


def test_a_directory_that_cannot_be_used_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="TASUKI_SPOOL_DIR"):
        take_slot(tmp_path / "file")


def test_a_directory_has_only_so_many_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "MAX_SLOTS", 1)
    slot = take_slot(tmp_path)
    with pytest.raises(ConfigurationError, match="in use by 1 processes"):
        take_slot(tmp_path)
    slot.release()
    take_slot(tmp_path).release()


async def test_records_for_other_topics_are_not_sent_to_ours(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path, MEGABYTE)
    assert not spool.serves(["a.events", "a.dead-letters"])
    spool.serve(["a.events", "a.dead-letters"])
    assert spool.serves(["a.events", "a.dead-letters"])
    assert not spool.serves(["b.events", "b.dead-letters"]), "with nothing in it, it may serve others"
    await spool.append([record("a")])
    with pytest.raises(ConfigurationError, match=r"holds 1 records for a\.events"):
        spool.serve(["b.events", "b.dead-letters"])
    await spool.close()
