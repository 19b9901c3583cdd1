"""A dead letter as its record tells of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from services.cli.errors import CommandError
from shared import dead_letters
from shared.cloudevents import Headers

_PLACE = re.compile(r"(\d{1,9})/(\d{1,18})")
_OURS = (dead_letters.REASON, dead_letters.SERVICE, dead_letters.ORIGIN, dead_letters.TIME)


class Record(Protocol):
    """What is read of a Kafka record. `timestamp`: when Kafka took it, ms since 1970."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Place(NamedTuple):
    """Where a record is in the topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises `CommandError`."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise CommandError(
                f"{text!r} is no place: expected partition/offset as `tasuki dead-letters list` prints it"
            )
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter without its content, of which there may be megabytes. `at`: when it was put aside, for what ingest
    did when it was received. `size`: of the value, in bytes."""

    place: Place
    at: datetime
    service: str
    reason: str
    origin: str
    size: int

    @property
    def code(self) -> str:
        """The reason without its details."""
        return self.reason.partition(":")[0]

    @property
    def source(self) -> str | None:
        """Who sent it, where ingest refused it."""
        if not self.origin.startswith(dead_letters.HTTP):
            return None
        return self.origin.removeprefix(dead_letters.HTTP)


def letter_of(record: Record) -> Letter:
    """Fields that are missing (nobody of ours wrote it) are empty, the time is Kafka's."""
    told = {name: value.decode("utf-8", "replace") for name, value in reversed(record.headers) if name in _OURS}
    reason, service, origin, time = (told.get(name, "") for name in _OURS)
    place = Place(record.partition, record.offset)
    return Letter(place, _moment(time, record.timestamp), service, reason, origin, len(record.value or b""))


def own_headers(record: Record) -> Headers:
    """Those with which it came."""
    left = list(_OURS)  # each once: the original may have headers of the same names, behind ours
    own: Headers = []
    for name, value in record.headers:
        if name in left:
            left.remove(name)
        else:
            own.append((name, value))
    return own


def _moment(text: str, appended: int) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(appended / 1000, UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
