"""Sends dead letters again: read, decided and sent in portions, so that none is in memory for long."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.cli.dead_letters.deciding import Again, Left, Surroundings, again, origin_in_log
from services.cli.dead_letters.letter import Letter, Place
from services.cli.dead_letters.reading import Reader
from services.cli.dead_letters.sending import Sender
from services.cli.dead_letters.showing import printable
from services.cli.progress import Progress
from services.ingest.webhooks.mapping import Mapping as WebhookMapping
from shared.topics import Topics

PORTION_RECORDS = 500
PORTION_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Sent:
    """Or would be, if this were no dry run."""

    topic: str


Fate = Sent | Left


@dataclass
class Retry:
    """One run. `sender`: None for a dry run; `mappings`: of webhooks, by name; `fates`: what has become of each."""

    topics: Topics
    reader: Reader
    sender: Sender | None
    progress: Progress
    mappings: Mapping[str, WebhookMapping] = field(default_factory=dict)
    fates: list[tuple[Place, Fate]] = field(default_factory=list)

    async def run(self, letters: Sequence[Letter]) -> None:
        """In the order of the topic. Raises `CommandError` where Kafka is away: `fates` then says how far it came."""
        around = await self._surroundings(letters)
        self.progress.start("sending again" if self.sender else "reading again", len(letters))
        portion: list[tuple[Place, list[Again]]] = []
        size = 0
        async for place, decided in self._decided(letters, around):
            if isinstance(decided, Left):
                self._settled(place, decided)
                continue
            portion.append((place, decided))
            size += sum(len(record.value or b"") for record in decided)
            if len(portion) >= PORTION_RECORDS or size >= PORTION_BYTES:
                await self._send(portion)
                portion, size = [], 0
        await self._send(portion)

    @property
    def left(self) -> int:
        """How many stay where they are."""
        return sum(isinstance(fate, Left) for _, fate in self.fates)

    def told(self, *, every: bool) -> Iterator[str]:
        """A line for each that is left, or for `every` one, and their number."""
        verb = "sent" if self.sender else "would be sent"
        for place, fate in sorted(self.fates, key=lambda told: told[0]):
            if isinstance(fate, Left):
                yield printable(f"{place}  left: {fate.reason}")
            elif every:
                yield f"{place}  {verb} to {fate.topic}"
        yield f"{len(self.fates) - self.left:,} {verb}, {self.left:,} left"

    async def _decided(
        self, letters: Sequence[Letter], around: Surroundings
    ) -> AsyncIterator[tuple[Place, list[Again] | Left]]:
        known = {letter.place: letter for letter in letters}
        async for record in self.reader.at(known):
            place = Place(record.partition, record.offset)
            yield place, again(known[place], record, around)

    async def _send(self, portion: Sequence[tuple[Place, list[Again]]]) -> None:
        if not portion:
            return
        refused = await self.sender.send(portion) if self.sender else [None] * len(portion)
        for (place, records), left in zip(portion, refused, strict=True):
            self._settled(place, left or Sent(records[0].topic))

    def _settled(self, place: Place, fate: Fate) -> None:
        self.fates.append((place, fate))
        self.progress.advance(1)

    async def _surroundings(self, letters: Sequence[Letter]) -> Surroundings:
        there = range(self.reader.partitions.get(self.topics.scores, 0))
        after: dict[int, int] = {}
        for origin in filter(None, map(origin_in_log, letters)):
            topic, partition, offset = origin
            if topic == self.topics.scores and partition in there:
                after[partition] = min(offset, after.get(partition, offset))
        newest = await self.reader.newest(self.topics.scores, after)
        return Surroundings(self.topics, self.reader.partitions, newest, round(time.time() * 1000), self.mappings)
