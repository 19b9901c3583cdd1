"""What a lead did in single campaigns: in this webinar, at that exhibition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.fault.oracle.matching import at
from tests.fault.oracle.playbook import Book

REMEMBERED = 50
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Key = tuple[str, str, bool, str]
"""Channel, campaign, whether it is an action (otherwise the campaign's end), and which."""


@dataclass
class Campaigns:
    """The latest time of each thing told, with the end that was told."""

    book: Book
    _told: dict[Key, tuple[int, int]] = field(default_factory=dict)

    def add(self, channel: str, action: str, properties: Mapping[str, Any], time: int) -> None:
        """An action at `time` (ms)."""
        known = self.book.campaigns.get(channel)
        names = [] if known is None else [_name(at(properties, path)) for path in known.names]
        name = next((name for name in names if name), None)
        if known is None or name is None:
            return
        self._keep((channel, name, True, action), (time, 0))
        ends = [end for path in known.ends if (end := _end(at(properties, path), self.book.zone)) is not None]
        if ends:
            self._keep((channel, name, False, ""), (time, ends[0]))

    def _keep(self, key: Key, told: tuple[int, int]) -> None:
        self._told[key] = max(told, self._told.get(key, told))

    def levels(self, now: int) -> Iterator[tuple[int, int]]:
        """Each level that comes of several actions or of absence, with its time."""
        level = {(action.channel, action.action): action.level for action in self.book.actions}
        latest = sorted((told[0], key) for key, told in self._told.items())[-REMEMBERED:]
        remembered = {key for _, key in latest}
        for channel, campaign in sorted({key[:2] for key in remembered}):
            known = self.book.campaigns[channel]
            done = {key[3]: self._told[key][0] for key in remembered if key[:3] == (channel, campaign, True)}
            ends = self._told[channel, campaign, False, ""][1] if (channel, campaign, False, "") in remembered else None
            if known.absence is not None and ends is not None and ends <= now:
                of, without, absent = known.absence
                if of in done and absent not in done and not set(without) & set(done):
                    done[absent] = ends
                    yield level[channel, absent], ends
            for actions, higher in known.together:
                if set(actions) <= set(done):
                    yield higher, max(done[action] for action in actions)


def _name(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    return str(value) if isinstance(value, int) else value.strip()[:256] if isinstance(value, str) else None


def _end(value: Any, zone: ZoneInfo) -> int | None:
    try:
        day = date.fromisoformat(value.strip())
        moment = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(days=1)
    except (ValueError, AttributeError):
        try:
            moment = datetime.fromisoformat(value.strip().upper())
        except (ValueError, AttributeError):
            return None
        moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
    return (moment - EPOCH) // timedelta(milliseconds=1)
