"""One event as the playbook hears it: looked up once, and then asked for by every part of the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from services.scorer.scoring.behaviour import Behaviour
from services.scorer.scoring.fields import FieldReader
from services.scorer.scoring.matching import MatchIndex
from services.scorer.scoring.rules import Rule
from services.scorer.scoring.times import to_ms
from services.scorer.scoring.touches import Levels, Showing, Signals, Touch
from shared.acceptance import too_late
from shared.events import Event
from shared.playbook.conditions import EventMatch
from shared.reading import Fields


class Matched(NamedTuple):
    """What of the playbook an event matches."""

    rules: Sequence[Rule]
    touches: Sequence[Touch]
    showings: Sequence[Showing]


class Heard(msgspec.Struct, frozen=True):
    """`time` in ms; `fields` that the event reports; what of the playbook it matches. No `rules` when it is told of
    too late to move points."""

    offset: int
    event: Event
    time: int
    fields: Fields
    rules: Sequence[Rule]
    touches: Sequence[Touch]
    showings: Sequence[Showing]


_Entry = Rule | Touch | Showing


def _matched(entries: list[_Entry]) -> Matched:
    return Matched(
        [entry for entry in entries if isinstance(entry, Rule)],
        [entry for entry in entries if isinstance(entry, Touch)],
        [entry for entry in entries if isinstance(entry, Showing)],
    )


class Hearing:
    """Makes `Heard` of events."""

    def __init__(self, fields: FieldReader, behaviour: Behaviour, levels: Levels, signals: Signals) -> None:
        self._fields = fields
        entries: list[tuple[EventMatch, _Entry]] = [*behaviour.rules, *levels.touches, *signals.showings]
        self._index = MatchIndex(entries, _matched)

    def hear(self, offset: int, event: Event) -> Heard:
        """`offset` is the event's place in the log."""
        fields = self._fields.read(event)
        rules, touches, showings = self._index.find(event, fields)
        if rules and too_late(event):
            rules = ()
        # As `Event.happened`, without making a moment of it in between: `to_ms` cuts to milliseconds in any zone.
        time = to_ms(min(event.time, event.received_at))
        return Heard(offset, event, time, fields, rules, touches, showings)
