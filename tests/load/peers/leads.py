"""The job for the Python peers: rules, a lead's state, its score. See `tests/load/job/README.md` for the formula.

Knows nothing of Tasuki's packages. Made to be fast, so that what is measured is the engine: typed decoding, compact
bytes, and a state in two parts. Most events need the small one only: what is left of earlier days is a sum that stays
the same for a day. So a score costs the same however long the lead's history is.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import yaml

DAY_MS = 24 * 60 * 60 * 1000
ZONE_MS = 9 * 60 * 60 * 1000
"""Asia/Tokyo, which has no summer time."""
MICRO = 1_000_000
DIGEST_BYTES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Event(msgspec.Struct):
    """What the job reads of a record of topic `events`."""

    id: str
    source: str
    key: str
    time: datetime
    received_at: datetime
    name: str
    properties: dict[str, Any]


class RuleDay(msgspec.Struct, array_like=True):
    """What one rule gathered on one day, before its cap."""

    times: int = 0
    micro: int = 0
    last: int = 0


Earlier = dict[int, dict[int, RuleDay]]
"""Day → rule number → sums, of the days before the lead's latest."""


class Past(msgspec.Struct, array_like=True):
    """What one rule's earlier days are worth when the lead's latest day begins, after the cap of each."""

    micro: int = 0
    times: int = 0
    last: int = 0


class Now(msgspec.Struct, array_like=True):
    """`today` is the day of the lead's latest event. `seen`: day of reception → digests of messages, one after the
    other; kept for the newest two such days."""

    time: int = 0
    today: int = 0
    rules: dict[int, RuleDay] = msgspec.field(default_factory=dict)
    past: dict[int, Past] = msgspec.field(default_factory=dict)
    seen: dict[int, bytes] = msgspec.field(default_factory=dict)


class Lead:
    """A lead's state. `load` gives the earlier days, when a day begins or an event is told of late."""

    def __init__(self, now: Now, load: Callable[[], Earlier]) -> None:
        self.now = now
        self._load = load
        self._earlier: Earlier | None = None

    @property
    def earlier(self) -> Earlier:
        """To be changed by the caller."""
        if self._earlier is None:
            self._earlier = self._load()
        return self._earlier

    @property
    def loaded(self) -> bool:
        """Whether the earlier days may have changed."""
        return self._earlier is not None


class Contribution(msgspec.Struct):
    """What one rule adds, in micro-points."""

    rule: str
    points: int
    times: int
    last: int


class Score(msgspec.Struct):
    """What is published: the total in micro-points at `time`, in milliseconds since 1970."""

    lead: str
    time: int
    total: int
    contributions: list[Contribution]


decode_event = msgspec.json.Decoder(Event).decode
encode_score = msgspec.json.Encoder().encode
encode_state = msgspec.msgpack.Encoder().encode
"""Of either part."""
decode_now = msgspec.msgpack.Decoder(Now).decode
decode_earlier = msgspec.msgpack.Decoder(Earlier).decode


class Rules:
    """The ten rules of the playbook."""

    def __init__(self, playbook: Path) -> None:
        data = yaml.safe_load(playbook.read_text("utf-8"))
        if data["time_zone"] != "Asia/Tokyo":
            raise ValueError("the job's calendar is that of Asia/Tokyo")
        rules = data["behaviour"]["rules"]
        self._half_life = int(data["behaviour"]["half_life"].removesuffix("d")) * DAY_MS / 1000
        self._ids = [rule["id"] for rule in rules]
        self._caps = [round(rule["cap_per_day"] * MICRO) for rule in rules]
        self._named: dict[str, list[tuple[int, str, str, int]]] = {}
        for number, rule in enumerate(rules):
            ((name, value),) = rule["when"]["where"].items()
            entry = (number, name, value, round(rule["points"] * MICRO))
            self._named.setdefault(rule["when"]["event"], []).append(entry)

    def book(self, lead: Lead, event: Event) -> bool:
        """Apply one event. False for a copy of a message that is remembered: it changes nothing."""
        now = lead.now
        if not _first_copy(now, event):
            return False
        time = (event.time - _EPOCH) // _MILLISECOND
        day = (time + ZONE_MS) // DAY_MS
        if day > now.today:
            self._turn(lead, day)
        now.time = max(now.time, time)
        for number, name, value, micro in self._named.get(event.name, ()):
            if event.properties.get(name) == value:
                if day == now.today:
                    _add(now.rules, number, micro, time)
                else:
                    _add(lead.earlier.setdefault(day, {}), number, micro, time)
                    now.past = self._past(lead)
        return True

    def score(self, lead: str, now: Now) -> Score:
        """The score at the lead's newest event."""
        remaining = 2.0 ** (-(now.time - _begin(now.today)) / 1000 / self._half_life)
        contributions = []
        for number in now.past.keys() | now.rules.keys():
            past, today = now.past.get(number, _NO_PAST), now.rules.get(number, _NO_DAY)
            points = round(past.micro * remaining) + min(today.micro, self._caps[number])
            if points:
                times, last = past.times + today.times, max(past.last, today.last)
                contributions.append(Contribution(self._ids[number], points, times, last))
        return Score(lead, now.time, sum(one.points for one in contributions), contributions)

    def _turn(self, lead: Lead, day: int) -> None:
        """A day begins: the one before becomes an earlier one."""
        now = lead.now
        if now.rules:
            lead.earlier[now.today] = now.rules
        now.today, now.rules = day, {}
        now.past = self._past(lead)

    def _past(self, lead: Lead) -> dict[int, Past]:
        begin, found = _begin(lead.now.today), dict[int, Past]()
        for day, rules in lead.earlier.items():
            remaining = 2.0 ** (-(begin - _begin(day + 1)) / 1000 / self._half_life)
            for number, entry in rules.items():
                if (past := found.get(number)) is None:
                    past = found[number] = Past()
                past.micro += round(min(entry.micro, self._caps[number]) * remaining)
                past.times += entry.times
                past.last = max(past.last, entry.last)
        return found


_NO_PAST, _NO_DAY = Past(), RuleDay()


def _begin(day: int) -> int:
    """The moment at which a day of the playbook's calendar begins."""
    return day * DAY_MS - ZONE_MS


def _add(rules: dict[int, RuleDay], number: int, micro: int, time: int) -> None:
    entry = rules.setdefault(number, RuleDay())
    entry.times += 1
    entry.micro += micro
    entry.last = max(entry.last, time)


def _first_copy(now: Now, event: Event) -> bool:
    """Remember the message on its day of reception."""
    digest = blake2b(f"{event.source}\0{event.id}".encode(), digest_size=DIGEST_BYTES).digest()
    if any(_holds(digests, digest) for digests in now.seen.values()):
        return False
    day = event.received_at.toordinal()
    newest = max(day, *now.seen) if now.seen else day
    if newest - day <= 1:
        now.seen[day] = now.seen.get(day, b"") + digest
    for old in [known for known in now.seen if newest - known > 1]:
        del now.seen[old]
    return True


def _holds(digests: bytes, digest: bytes) -> bool:
    found = digests.find(digest)
    while found % DIGEST_BYTES and found > 0:  # across the border of two digests: none
        found = digests.find(digest, found + 1)
    return found >= 0


def options(doc: str | None) -> argparse.ArgumentParser:
    """The command line that all peers have."""
    parser = argparse.ArgumentParser(description=doc)
    for name in ("bootstrap", "events", "scores", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--playbook", type=Path, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    return parser
