"""Which events are what somebody did with a mail, and which of them are a scanner's: programs of mail security open
mails and follow all their links as they come in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from hashlib import blake2b
from typing import Any, NamedTuple

from services.scorer.scoring.parts import Act, Mails
from services.scorer.scoring.times import to_ms
from shared.events import Event
from shared.playbook.conditions import EventMatch
from shared.playbook.people import Scanners
from shared.reading import at_path

_YES = frozenset({"true", "yes", "1"})
_SURELY_MS = 1e11  # as seconds the year 5138


class About(Enum):
    """What an event is to a mail."""

    ACT = auto()
    SENDING = auto()


class Mailing(NamedTuple):
    """An act, or the sending of a mail; mail and link as 32-bit hashes, 0 where none is told: such mails are one."""

    about: About
    mail: int
    link: int


class ScannerRules:
    """The part `scanners` of a playbook, compiled; None: there are none."""

    def __init__(self, part: Scanners | None) -> None:
        self._part = part = part or Scanners.model_construct(acts=[])
        self._within, self._at_once = _ms(part.within), _ms(part.at_once)
        self.matches: list[tuple[EventMatch, About]] = [
            *((match, About.ACT) for match in part.acts),
            *((match, About.SENDING) for match in part.sent),
        ]

    def says_so(self, event: Event, time: int) -> bool:
        """Whether an act, at its time in ms, tells by itself that it is a scanner's."""
        told = event.properties
        if any(_is_yes(at_path(told, path)) for path in self._part.machine):
            return True
        sent = (_moment(at_path(told, path)) for path in self._part.sent_at)
        return any(moment is not None and self._is_soon(time, moment) for moment in sent)

    def mailing(self, event: Event, about: About) -> Mailing:
        return Mailing(about, _first(event, self._part.mail), _first(event, self._part.link))

    def judge(self, mails: Mails, mail: int) -> Iterator[Act]:
        """The acts with a mail that are a scanner's, by all that is known of it; some more than once."""
        acts, sent = [act for act in mails.acts if act.mail == mail], [time for time, id in mails.sent if id == mail]
        yield from (act for act in acts if any(self._is_soon(act.time, time) for time in sent))
        yield from self._at_once_of([act for act in acts if act.link])

    def _is_soon(self, time: int, sent: int) -> bool:
        return 0 <= time - sent < self._within

    def _at_once_of(self, clicks: Sequence[Act]) -> Iterator[Act]:
        """Those of each stretch of time in which so many links were clicked."""
        for first in clicks:
            together = [click for click in clicks if 0 <= click.time - first.time <= self._at_once]
            if len({click.link for click in together}) >= self._part.links_at_once:
                yield from together


def _first(event: Event, paths: Sequence[str]) -> int:
    """The first that is told, hashed: they are kept with the lead's state, and may be personal."""
    for path in paths:
        value = at_path(event.properties, path)
        if isinstance(value, str | int | float) and (text := str(value).strip()):
            return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest())
    return 0


def _is_yes(value: Any) -> bool:
    return isinstance(value, str | int) and str(value).strip().casefold() in _YES


def _moment(value: Any) -> int | None:
    """Milliseconds since 1970 of ISO 8601, in UTC where no zone is told, or of seconds or milliseconds since 1970."""
    if isinstance(value, str):
        try:
            told = datetime.fromisoformat(value.strip().upper())
        except ValueError:
            return None
        return to_ms(told if told.tzinfo is not None else told.replace(tzinfo=UTC))
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _SURELY_MS * 1000:
        return None
    return int(value if value >= _SURELY_MS else value * 1000)


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
