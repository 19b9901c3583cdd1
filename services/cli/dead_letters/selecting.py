"""Which dead letters are meant: by where they are, or by what is said of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from services.cli.dead_letters.letter import Letter, Place, Record, letter_of
from services.cli.errors import CommandError
from shared.dead_letters import retried


@dataclass(frozen=True)
class Filters:
    """What is wanted; None: any. `reason`: how it begins; `source`: of ingest; `limit`: so many of the latest."""

    service: str | None = None
    reason: str | None = None
    since: datetime | None = None
    source: str | None = None
    limit: int | None = None

    def match(self, letter: Letter) -> bool:
        return (
            self.service in {None, letter.service}
            and (self.reason is None or letter.reason.startswith(self.reason))
            and (self.since is None or letter.at >= self.since)
            and self.source in {None, letter.source}
        )


class Index:
    """The whole topic, record by record; `letters` by place, `retried` the places of those that were sent again."""

    def __init__(self) -> None:
        self.letters: dict[Place, Letter] = {}
        self.retried: set[Place] = set()

    def add(self, record: Record) -> None:
        place = retried(record.headers)
        if place is None:
            letter = letter_of(record)
            self.letters[letter.place] = letter
        else:
            with suppress(CommandError):  # no marker of ours
                self.retried.add(Place.parse(place))

    def matching(self, filters: Filters, *, with_retried: bool) -> list[Letter]:
        """In the order of the topic."""
        found = [
            letter
            for place, letter in sorted(self.letters.items())
            if filters.match(letter) and (with_retried or place not in self.retried)
        ]
        return found if filters.limit is None else found[-filters.limit :]

    def at(self, places: Iterable[Place]) -> list[Letter]:
        """Each once, in the order of the topic. Raises `CommandError` naming all places without a dead letter."""
        wanted = sorted(set(places))
        if missing := [place for place in wanted if place not in self.letters]:
            raise no_letter_at(missing)
        return [self.letters[place] for place in wanted]


def no_letter_at(places: Sequence[Place]) -> CommandError:
    """The one wording for places at which there is none."""
    listed = ", ".join(map(str, places))
    return CommandError(
        f"there is no dead letter at {listed}: `tasuki dead-letters list --all` shows all; they are kept for 90 days"
    )


def by_code(letters: Iterable[Letter]) -> list[tuple[str, int]]:
    """How many for which reason, the most frequent first."""
    return sorted(Counter(letter.code for letter in letters).items(), key=lambda counted: (-counted[1], counted[0]))
