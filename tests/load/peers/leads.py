"""The job for the Python peers: a lead's state, its score. See `tests/load/job/README.md` for the formula.

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
from rules import DAY_MS, Playbook, begin_of, day_of, week_of

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
    name: str = ""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}


Days = dict[int, dict[int, int]]
"""Day → rule number → micro-points, before any cap."""


class Gathered(msgspec.Struct, array_like=True):
    """How often a rule was met, and when last."""

    times: int = 0
    last: int = 0


class Field(msgspec.Struct, array_like=True):
    """The newest value told of a field, by time and then id."""

    value: Any
    time: int
    id: str


class Now(msgspec.Struct, array_like=True):
    """`today` is the day of the lead's latest event, `rules` what each gathered on it. `past`: what is left of earlier
    days as this one begins, and `used` what caps over several days have let pass by then. `levels`: when last an
    action of level 1, 2, … was done. `holding`: numbers of the attribute rules that hold. `seen`: day of reception →
    digests of messages, one after the other; kept for the newest two such days."""

    time: int = 0
    today: int = 0
    rules: dict[int, int] = {}
    past: dict[int, int] = {}
    used: list[int] = []
    gathered: dict[int, Gathered] = {}
    levels: list[int] = []
    fields: dict[str, Field] = {}
    holding: list[int] = []
    seen: dict[int, bytes] = {}


class Lead:
    """A lead's state. `load` gives the earlier days, when a day begins or an event is told of late."""

    def __init__(self, now: Now, load: Callable[[], Days]) -> None:
        self.now = now
        self._load = load
        self._earlier: Days | None = None

    @property
    def earlier(self) -> Days:
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
    """What is published: the total in micro-points at `time`, in milliseconds since 1970, and the level then."""

    lead: str
    time: int
    total: int
    level: int
    contributions: list[Contribution]


decode_event = msgspec.json.Decoder(Event).decode
encode_score = msgspec.json.Encoder().encode
encode_state = msgspec.msgpack.Encoder().encode
"""Of either part."""
decode_now = msgspec.msgpack.Decoder(Now).decode
decode_earlier = msgspec.msgpack.Decoder(Days).decode


class Scoring:
    """Applies events to leads by a playbook."""

    def __init__(self, playbook: Path) -> None:
        self._book = Playbook(playbook)

    def book(self, lead: Lead, event: Event) -> bool:
        """Apply one event. False for a copy of a message that is remembered: it changes nothing."""
        now = lead.now
        if not _first_copy(now, event):
            return False
        time = (event.time - _EPOCH) // _MILLISECOND
        day = day_of(time)
        if day > now.today:
            self._turn(lead, day)
        now.time = max(now.time, time)
        for rule in self._book.rules_met(event.name, event.properties):
            micro = rule.micro if rule.source is None else rule.micro * event.properties[rule.source]
            met = now.gathered.setdefault(rule.number, Gathered())
            met.times, met.last = met.times + 1, max(met.last, time)
            if day == now.today:
                now.rules[rule.number] = now.rules.get(rule.number, 0) + micro
            else:
                rules = lead.earlier.setdefault(day, {})
                rules[rule.number] = rules.get(rule.number, 0) + micro
        if lead.loaded and day < now.today:
            self._look_back(lead)
        if level := self._book.level_of(event.name, event.properties):
            now.levels = now.levels or [0] * self._book.highest_level
            now.levels[level - 1] = max(time, now.levels[level - 1])
        if event.traits:
            self._tell(now, event, time)
        return True

    def score(self, lead: str, now: Now) -> Score:
        """The score at the lead's newest event."""
        book, found = self._book, list[Contribution]()
        for number in now.holding:
            asked = book.attribute[number]
            found.append(Contribution(asked.id, asked.micro, 1, now.fields[asked.field].time))
        remaining = 2.0 ** (-(now.time - begin_of(now.today)) / book.half_life_ms)
        of_today = self._counted(now.rules, now.used.copy())
        for number in now.past.keys() | of_today.keys():
            points = round(now.past.get(number, 0) * remaining) + of_today.get(number, 0)
            if points:
                met = now.gathered[number]
                found.append(Contribution(book.rules[number].id, points, met.times, met.last))
        total = max(book.at_least, sum(one.points for one in found))
        return Score(lead, now.time, total, self._level(now), found)

    def _level(self, now: Now) -> int:
        since = now.time - self._book.level_valid_ms
        return max((level for level, last in enumerate(now.levels, 1) if last > since), default=0)

    def _tell(self, now: Now, event: Event, time: int) -> None:
        for name, value in self._book.fields_told(event.traits):
            known = now.fields.get(name)
            if known is None or (time, event.id) > (known.time, known.id):
                now.fields[name] = Field(value, time, event.id)
        values = {name: field.value for name, field in now.fields.items()}
        now.holding = [number for number, rule in enumerate(self._book.attribute) if rule.holds(values.get(rule.field))]

    def _turn(self, lead: Lead, day: int) -> None:
        """A day begins: the one before becomes an earlier one."""
        now = lead.now
        if now.rules:
            lead.earlier[now.today] = now.rules
        now.today, now.rules = day, {}
        self._look_back(lead)

    def _look_back(self, lead: Lead) -> None:
        """Sum up the earlier days anew."""
        book, now, past, used = self._book, lead.now, dict[int, int](), [0] * len(self._book.caps)
        last = now.today
        for day, rules in sorted(lead.earlier.items()):
            _begin(book, used, last, day)
            last = day
            age_days = now.today - (day + 1)
            remaining = 2.0 ** (-age_days * DAY_MS / book.half_life_ms)
            for number, micro in self._counted(rules, used).items():
                expires = book.rules[number].expires_days
                if expires is None or age_days < expires:
                    past[number] = past.get(number, 0) + round(micro * remaining)
        _begin(book, used, last, now.today)
        now.past, now.used = past, used

    def _counted(self, rules: dict[int, int], used: list[int]) -> dict[int, int]:
        """What the caps let pass of one day; `used` follows."""
        found, all_rules = {}, self._book.rules
        for number in sorted(rules):  # rules of a group share its cap in their order
            rule, micro = all_rules[number], rules[number]
            micro = max(-rule.cap, min(rule.cap, micro))
            for place, limit in rule.ways:
                before = used[place]
                used[place] = max(-limit, min(limit, before + micro))
                micro = used[place] - before
            found[number] = micro
        return found


def _begin(book: Playbook, used: list[int], last: int, day: int) -> None:
    """From one day to a later one: where a week is over, what it has used is."""
    if week_of(last) != week_of(day):
        for place, cap in enumerate(book.caps):
            if cap.is_weekly:
                used[place] = 0


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
