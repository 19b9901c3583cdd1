"""What the spool promises, whatever is cut off, damaged, or timed how: see services/ingest/spool."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.publishing import NotStored, Record
from services.ingest.spool import publisher
from services.ingest.spool.entry import Damaged, Entry, encode_entry, entries_in
from services.ingest.spool.publisher import SpooledPublisher
from services.ingest.spool.spool import Spool

records = st.builds(
    Record,
    topic=st.text(max_size=5),
    key=st.none() | st.binary(max_size=5),
    value=st.binary(max_size=50),
    headers=st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=5)), max_size=2),
)
requests = st.lists(st.lists(records, max_size=3), max_size=4)


@given(requests, st.integers(0, 2**45), st.data())
def test_what_is_cut_off_is_missing_and_no_more(written: list[list[Record]], at_ms: int, data: st.DataObject) -> None:
    pieces = [encode_entry(some, at_ms) for some in written]
    whole = b"".join(pieces)
    cut = data.draw(st.integers(0, len(whole)))
    found = list(entries_in(whole[:cut]))
    ends = [sum(map(len, pieces[: number + 1])) for number in range(len(pieces))]
    assert [(entry.at_ms, entry.records, entry.end) for entry in found] == [
        (at_ms, some, end) for some, end in zip(written, ends, strict=True) if end <= cut
    ]


@given(requests.filter(bool), st.data())
def test_a_damaged_entry_is_never_read_as_another(written: list[list[Record]], data: st.DataObject) -> None:
    whole = bytearray(b"".join(encode_entry(some, 1) for some in written))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    found: list[Entry] = []
    with suppress(Damaged):
        found.extend(entries_in(bytes(whole)))
    assert [entry.records for entry in found] == written[: len(found)]


class _Capricious:
    """In Kafka's place: one queue, which comes to the log in its order; or not for a while; or what is in it is lost,
    as when the producer is renewed."""

    def __init__(self, whims: random.Random) -> None:
        self.log: list[Record] = []
        self._whims = whims
        self._queue: deque[tuple[Record, asyncio.Future[None]]] = deque()
        self._away = False
        self._waits: set[asyncio.Timeout] = set()

    async def live(self) -> None:
        while True:
            await asyncio.sleep(0)
            mood = self._whims.random()
            if mood < 0.02:
                self._away = not self._away
            elif mood < 0.03:
                for _, done in self._queue:
                    done.cancel()
                self._queue.clear()
            elif not self._away and self._queue:
                record, done = self._queue.popleft()
                self.log.append(record)
                if not done.done():
                    done.set_result(None)

    async def publish(self, some: Sequence[Record], _: float | None = None) -> list[int]:
        if self._away and self._whims.random() < 0.3:
            raise NotStored("is away")
        waiting: list[asyncio.Future[None]] = [asyncio.get_running_loop().create_future() for _ in some]
        self._queue.extend(zip(some, waiting, strict=True))
        wait = asyncio.timeout(0.002)
        self._waits.add(wait)
        try:
            async with wait:
                await asyncio.wait(waiting)
            if any(one.cancelled() for one in waiting):
                raise NotStored("was lost")
        except TimeoutError as error:
            raise NotStored("has not answered") from error
        finally:
            self._waits.discard(wait)
        return []

    def give_up(self) -> None:
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(asyncio.get_running_loop().time())

    async def trouble(self) -> str | None:
        return "is away" if self._away else None

    async def close(self) -> None:
        self._away = False


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_nothing_acknowledged_is_lost_and_nothing_overtakes(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(publisher, "LOOK_EVERY_SECONDS", 0.001)
        asyncio.run(_live_through(Path(directory), random.Random(seed)))


async def _live_through(directory: Path, whims: random.Random) -> None:
    kafka = _Capricious(whims)
    living = asyncio.create_task(kafka.live())
    spool = Spool.open(directory, 10 * 1024**2)
    spooled = SpooledPublisher(kafka, spool, "dead-letters")  # type: ignore[arg-type]

    async def send(lead: int) -> list[bytes]:
        values = []
        for number in range(25):
            values.append(f"{lead}-{number}".encode())
            await spooled.publish([Record("events", str(lead).encode(), values[-1])])
            await asyncio.sleep(whims.choice([0, 0, 0.001]))
        return values

    async with asyncio.timeout(30):
        acknowledged = await asyncio.gather(*(send(lead) for lead in range(4)))
        while not spool.is_empty:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.001)
    living.cancel()
    await spooled.close()
    first: defaultdict[bytes | None, dict[bytes, None]] = defaultdict(dict)
    for record in kafka.log:
        first[record.key].setdefault(record.value)
    assert [list(first[str(lead).encode()]) for lead in range(4)] == acknowledged
