"""What a client has missed, read by a consumer of its own that lives until it has caught up."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from services.router.interest import Interest
from services.router.stream.places import Places
from services.router.stream.reading import Sources


class CatchingUp:
    """Reads from `places` on, and moves them along."""

    def __init__(self, sources: Sources, places: Places, interest: Interest) -> None:
        self._sources, self.places, self._interest = sources, places, interest
        self._kafka = sources.consumer()

    async def start(self) -> list[str]:
        """Returns the topics that no longer hold all that was missed; the client gets what they have. Raises
        `KafkaError`."""
        await self._kafka.start()
        everything = self._sources.all
        self._kafka.assign(everything)
        begins, ends = await self._kafka.beginning_offsets(everything), await self._kafka.end_offsets(everything)
        gaps = set()
        for place in everything:
            topic, wanted = self._sources.name(place), self.places.offsets[self._sources.name(place)][place.partition]
            # Past the end: the topic was made anew. New partitions begin at 0, and miss nothing.
            if not begins[place] <= wanted <= ends[place]:
                gaps |= {topic} if wanted else set()
                wanted = begins[place]
                self.places.pass_record(topic, place.partition, wanted - 1)
            self._kafka.seek(place, wanted)
        return sorted(gaps)

    async def stop(self) -> None:
        await self._kafka.stop()

    async def until(self, target: Places) -> AsyncGenerator[bytes, None]:
        """Frames of what is wanted before `target`; empty ones while there is none. Raises `KafkaError`."""
        unread = set(self._sources.all)
        while True:
            for place in list(unread):
                if await self._kafka.position(place) >= target.offsets[self._sources.name(place)][place.partition]:
                    unread.discard(place)
            if not unread:
                return
            fetched = await self._kafka.getmany(*unread, timeout_ms=500)
            for place, records in fetched.items():
                topic = self._sources.name(place)
                for record in records:
                    if record.offset >= target.offsets[topic][place.partition]:
                        break  # comes from the shared reader
                    self.places.pass_record(topic, place.partition, record.offset)
                    told = self._sources.read(record)
                    if told and told.is_wanted(self._interest):
                        yield told.frame(self.places)
            yield b""
