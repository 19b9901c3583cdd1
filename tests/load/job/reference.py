"""What every engine must arrive at: the formula of README.md over the plain list of events.

Shares no code with any engine, nor with Tasuki: neither decoding nor calendar, caps nor decay.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import yaml

MICRO = 1_000_000


class Result(NamedTuple):
    """Of a lead at the time of its newest event: micro-points, and the level. Or, of a visitor, who it is."""

    total: int
    level: int
    merged_into: str = ""


class Happened(NamedTuple):
    """What is looked at of an event: which rules it is about and how many micro-points it is worth by each, the levels
    of what it is in the catalogue, and the fields that it tells."""

    time: datetime
    id: str
    points: list[tuple[int, int]]
    levels: list[int]
    fields: dict[str, Any]


class Reference:
    """Takes the records of the backlog one by one; `results` gives the end."""

    def __init__(self, playbook: Path) -> None:
        book = yaml.safe_load(playbook.read_text("utf-8"))
        self._zone = ZoneInfo(book["time_zone"])
        self._fields = {name: field["from"][0].split(".") for name, field in book["fields"].items()}
        self._attribute = book["attribute"]["rules"]
        self._rules, self._groups = book["behaviour"]["rules"], book["behaviour"]["groups"]
        self._half_life = _days(book["behaviour"]["half_life"])
        self._actions = [action for channel in book["channels"].values() for action in channel["actions"].values()]
        self._valid_for = _days(book["levels"]["valid_for"])
        self._least = round(book["total"]["at_least"] * MICRO)
        self._messages: set[tuple[str, str]] = set()
        self._events: dict[str, list[Happened]] = defaultdict(list)
        self._user_of: dict[str, str] = {}
        self.records = 0

    def add(self, value: bytes) -> None:
        """One record. Of a message only the first counts."""
        self.records += 1
        event = json.loads(value)
        if (event["source"], event["id"]) in self._messages:
            return
        self._messages.add((event["source"], event["id"]))
        if event.get("user_id") and event.get("anonymous_id"):
            self._user_of["anon:" + event["anonymous_id"]] = event["key"]
        self._events[event["key"]].append(
            Happened(
                datetime.fromisoformat(event["time"]),
                event["id"],
                [(number, _worth(event, rule)) for number, rule in enumerate(self._rules) if _is(event, rule["when"])],
                [action["level"] for action in self._actions if _is(event, action["when"])],
                {name: found for name, path in self._fields.items() if (found := _at(event, path)) is not None},
            )
        )

    @property
    def copies(self) -> int:
        """Records that count for nothing."""
        return self.records - len(self._messages)

    def results(self) -> dict[str, Result]:
        """By lead. A visitor who is known by now has a result of its own no more: the user has all events."""
        events_of: dict[str, list[Happened]] = defaultdict(list)
        for key, events in self._events.items():
            events_of[self._user_of.get(key, key)] += events
        found = {lead: self._result(events) for lead, events in events_of.items()}
        merged = {key: Result(0, 0, user) for key, user in self._user_of.items() if key in self._events}
        return found | merged

    @property
    def merged(self) -> int:
        """Visitors who are known by now."""
        return len(self._events.keys() & self._user_of.keys())

    def _result(self, events: list[Happened]) -> Result:
        at = max(event.time for event in events)
        total = self._attribute_points(events) + self._behaviour_points(events, at)
        levels = [level for event in events for level in event.levels if at < event.time + self._valid_for]
        return Result(max(self._least, total), max(levels, default=0))

    def _attribute_points(self, events: list[Happened]) -> int:
        known: dict[str, Any] = {}
        for event in sorted(events, key=lambda event: (event.time, event.id)):
            known |= event.fields
        return sum(round(rule["points"] * MICRO) for rule in self._attribute if _holds(rule, known.get(rule["field"])))

    def _behaviour_points(self, events: Iterable[Happened], at: datetime) -> int:
        gathered: dict[tuple[date, int], int] = defaultdict(int)
        for event in events:
            for number, micro in event.points:
                gathered[event.time.astimezone(self._zone).date(), number] += micro
        total = 0
        for day, rule, micro in self._counted(gathered):
            next_day = day + timedelta(days=1)
            age = at - datetime(next_day.year, next_day.month, next_day.day, tzinfo=self._zone)
            if "expires" not in rule or age < _days(rule["expires"]):
                total += round(micro * 0.5 ** (max(timedelta(0), age) / self._half_life))
        return total

    def _counted(self, gathered: dict[tuple[date, int], int]) -> Iterator[tuple[date, dict[str, Any], int]]:
        """What the caps let pass, day by day, and of a day in the order of the rules."""
        used: dict[tuple[str, str, Any], int] = defaultdict(int)
        for day, number in sorted(gathered):
            rule, micro = self._rules[number], gathered[day, number]
            periods = {"cap_per_day": day, "cap_per_week": day.isocalendar()[:2], "cap_ever": None}
            group = self._groups.get(rule.get("group"), {})
            for owner, caps in ((rule["id"], rule), (f"group {rule.get('group')}", group)):
                for name, period in periods.items():
                    if name in caps:
                        limit, before = round(caps[name] * MICRO), used[owner, name, period]
                        used[owner, name, period] = max(-limit, min(limit, before + micro))
                        micro = used[owner, name, period] - before
            yield day, rule, micro


def _is(event: dict[str, Any], when: dict[str, Any]) -> bool:
    return when["event"] == event.get("name") and all(
        event["properties"].get(name) == value for name, value in when["where"].items()
    )


def _worth(event: dict[str, Any], rule: dict[str, Any]) -> int:
    times = event["properties"][rule["points_from"]] if "points_from" in rule else 1
    return round(rule["points"] * times * MICRO)


def _at(event: dict[str, Any], path: list[str]) -> Any:
    found: Any = event.get("traits", {})
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _holds(rule: dict[str, Any], value: Any) -> bool:
    asked = rule["is"]
    if value is None:
        return False
    if "contains" in asked:
        return any(part.lower() in value.lower() for part in asked["contains"])
    return bool(asked["at_least"] <= value and ("under" not in asked or value < asked["under"]))


def _days(duration: str) -> timedelta:
    return timedelta(days=int(duration.removesuffix("d")))
