"""The job for the Python peers: what an event does to a lead, and its score (`tests/load/job/README.md`).

Knows nothing of Tasuki's packages. Made to be fast, so that what is measured is the engine: typed decoding, compact
bytes, and a state in two parts. Most events need the small one only: what is left of earlier days is a sum that stays
the same for a day. So a score costs the same however long the lead's history is.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

from rules import DAY_MS, Playbook, begin_of, day_of, week_of
from state import (
    Contribution,
    Event,
    Field,
    Gathered,
    Lead,
    Link,
    Merged,
    Now,
    Part,
    Score,
    Told,
    decode_between,
    decode_event,
)

DIGEST_BYTES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Scoring:
    """Applies events to leads by a playbook."""

    def __init__(self, playbook: Path) -> None:
        self._book = Playbook(playbook)

    def apply(self, lead: Lead, message: Message) -> bool:
        """Apply one record. False: it changes nothing."""
        if isinstance(message, Event):
            return self.book(lead, message)
        if isinstance(message, Told):
            self.take_in(lead, message)
        elif not lead.now.user:
            self.follow(lead, message)
        return True

    def shown(self, key: str, lead: Lead) -> Score | Merged | None:
        """What is to be published of a lead that has changed; nothing of one of whom only the link is known."""
        if not lead.now.time:
            return None
        return Merged(key, lead.now.user) if lead.now.user else self.score(key, lead.now)

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
        met_rules = self._book.rules_met(event.name, event.properties)
        for rule in met_rules:
            micro = rule.micro if rule.source is None else rule.micro * event.properties[rule.source]
            met = now.gathered.setdefault(rule.number, Gathered())
            met.times, met.last = met.times + 1, max(met.last, time)
            rules = now.rules if day == now.today else lead.earlier.setdefault(day, {})
            rules[rule.number] = rules.get(rule.number, 0) + micro
        if met_rules and day < now.today:
            self._look_back(lead)
        if now.user:
            lead.changed.add(day)
        if level := self._book.level_of(event.name, event.properties):
            now.levels = now.levels or [0] * self._book.highest_level
            now.levels[level - 1] = max(time, now.levels[level - 1])
        if event.traits:
            for name, value in self._book.fields_told(event.traits):
                _keep(now, name, Field(value, time, event.id))
            self._hold(now)
        return True

    @staticmethod
    def follow(lead: Lead, link: Link) -> None:
        """The visitor is known."""
        lead.now.user = link.user
        if lead.now.time:
            lead.changed |= {lead.now.today, *lead.earlier}

    @staticmethod
    def told(visitor: str, lead: Lead) -> Told | None:
        """What the user is to be told, if there is anything."""
        now = lead.now
        if not lead.changed:
            return None
        days = {day: now.rules if day == now.today else lead.earlier.get(day, {}) for day in lead.changed}
        return Told(visitor, now.user, now.time, days, now.gathered, now.levels, now.fields)

    def take_in(self, lead: Lead, told: Told) -> None:
        """What a visitor tells its user: the sums grow by what is new."""
        now, part = lead.now, lead.parts.setdefault(told.visitor, Part())
        if (day := day_of(told.time)) > now.today:
            self._turn(lead, day)
        now.time = max(now.time, told.time)
        for day, brought in told.days.items():
            before, rules = part.days.get(day, {}), now.rules if day == now.today else lead.earlier.setdefault(day, {})
            for number, micro in brought.items():
                rules[number] = rules.get(number, 0) + micro - before.get(number, 0)
            part.days[day] = brought
        for number, its in told.gathered.items():
            met = now.gathered.setdefault(number, Gathered())
            met.times, met.last = met.times + its.times - part.times.get(number, 0), max(met.last, its.last)
            part.times[number] = its.times
        if told.levels:
            known = now.levels or [0] * len(told.levels)
            now.levels = [max(both) for both in zip(known, told.levels, strict=True)]
        for name, field in told.fields.items():
            _keep(now, name, field)
        self._hold(now)
        self._look_back(lead)

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

    def _hold(self, now: Now) -> None:
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


def _keep(now: Now, name: str, told: Field) -> None:
    known = now.fields.get(name)
    if known is None or (told.time, told.id) > (known.time, known.id):
        now.fields[name] = told


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


Message = Event | Link | Told


def decode_message(raw: bytes) -> Message:
    """A record of either topic: events are JSON objects, what goes between partitions is not."""
    return decode_event(raw) if raw[:1] == b"{" else decode_between(raw)


def key_of(message: Message) -> str:
    """The lead whose state it changes."""
    if isinstance(message, Event):
        return message.key
    return message.visitor if isinstance(message, Link) else message.user


def link_of(message: Message) -> Link | None:
    """What is to be told of an event that says who a visitor is."""
    if isinstance(message, Event) and message.user_id and message.anonymous_id:
        return Link(f"anon:{message.anonymous_id}", message.key)
    return None


def options(doc: str | None) -> argparse.ArgumentParser:
    """The command line that all peers have."""
    parser = argparse.ArgumentParser(description=doc)
    for name in ("bootstrap", "events", "between", "scores", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--playbook", type=Path, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    return parser
