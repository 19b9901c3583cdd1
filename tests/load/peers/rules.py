"""The job's playbook for the Python peers, read once, and looked up by event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

DAY_MS = 24 * 60 * 60 * 1000
ZONE_MS = 9 * 60 * 60 * 1000
"""Asia/Tokyo, which has no summer time."""
MICRO = 1_000_000
UNLIMITED = 1 << 62


class Cap(NamedTuple):
    """At most `micro`, up or down, in a week or ever."""

    micro: int
    is_weekly: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """`micro` points each time, or times the number in the property `source`; at most `cap` a day. `ways`: the caps
    over several days that it passes in turn, by place among all, with their limits."""

    number: int
    id: str
    micro: int
    source: str | None
    cap: int
    ways: list[tuple[int, int]]
    expires_days: int | None


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """Points for what the lead is: for a number within bounds, or a text with one of these parts."""

    id: str
    field: str
    micro: int
    at_least: float | None
    under: float | None
    parts: list[str]

    def holds(self, value: Any) -> bool:
        """Whether it does for the field's value; None: not known."""
        if value is None:
            return False
        if self.parts:
            text = value.casefold()
            return any(part in text for part in self.parts)
        return (self.at_least is None or value >= self.at_least) and (self.under is None or value < self.under)


class Playbook:
    """Raises `ValueError` where it has what the peers do not know."""

    def __init__(self, path: Path) -> None:
        data = yaml.safe_load(path.read_text("utf-8"))
        if data["time_zone"] != "Asia/Tokyo":
            raise ValueError("the job's calendar is that of Asia/Tokyo")
        behaviour = data["behaviour"]
        self.half_life_ms = _days(behaviour["half_life"]) * DAY_MS
        self.level_valid_ms = _days(data["levels"]["valid_for"]) * DAY_MS
        self.at_least = _micro(data["total"]["at_least"])
        self.caps: list[Cap] = []
        """Those over several days, of rules and of groups."""
        groups = {id: self._add_caps(group) for id, group in behaviour["groups"].items()}
        self.rules = [
            Rule(
                number,
                rule["id"],
                _micro(rule["points"]),
                rule.get("points_from"),
                _micro(rule["cap_per_day"]) if "cap_per_day" in rule else UNLIMITED,
                self._add_caps(rule) + groups.get(rule.get("group"), []),
                _days(rule["expires"]) if "expires" in rule else None,
            )
            for number, rule in enumerate(behaviour["rules"])
        ]
        self._rules_of = _Index((rule["when"], self.rules[n]) for n, rule in enumerate(behaviour["rules"]))
        actions = [action for channel in data["channels"].values() for action in channel["actions"].values()]
        self.highest_level = max(action["level"] for action in actions)
        self._levels_of = _Index((action["when"], action["level"]) for action in actions)
        self.attribute = [
            AttributeRule(
                rule["id"],
                rule["field"],
                _micro(rule["points"]),
                rule["is"].get("at_least"),
                rule["is"].get("under"),
                [part.casefold() for part in rule["is"].get("contains", [])],
            )
            for rule in data["attribute"]["rules"]
        ]
        self._fields = [(name, field["from"][0].split(".")) for name, field in data["fields"].items()]

    def rules_met(self, name: str, properties: dict[str, Any]) -> list[Rule]:
        """The rules that such an event is about."""
        return self._rules_of.find(name, properties)

    def level_of(self, name: str, properties: dict[str, Any]) -> int:
        """The level of what such an event is in the catalogue; 0: it is nothing of it."""
        return max(self._levels_of.find(name, properties), default=0)

    def fields_told(self, traits: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """The fields that an event tells, with their values."""
        for name, path in self._fields:
            found: Any = traits
            for step in path:
                found = found.get(step) if isinstance(found, dict) else None
            if found is not None:
                yield name, found

    def _add_caps(self, owner: dict[str, Any]) -> list[tuple[int, int]]:
        ways = []
        for name, is_weekly in (("cap_per_week", True), ("cap_ever", False)):
            if name in owner:
                ways.append((len(self.caps), _micro(owner[name])))
                self.caps.append(Cap(_micro(owner[name]), is_weekly))
        return ways


class _Index:
    """What is found by an event's name and one of its properties."""

    def __init__(self, entries: Any) -> None:
        self._named: dict[str, list[tuple[str, Any, Any]]] = {}
        for when, entry in entries:
            ((name, value),) = when["where"].items()
            self._named.setdefault(when["event"], []).append((name, value, entry))

    def find(self, event: str, properties: dict[str, Any]) -> list[Any]:
        named = self._named.get(event, ())
        return [entry for name, value, entry in named if properties.get(name) == value]


def day_of(ms: int) -> int:
    """The day of the playbook's calendar, counted from 1970."""
    return (ms + ZONE_MS) // DAY_MS


def begin_of(day: int) -> int:
    """The moment at which a day begins."""
    return day * DAY_MS - ZONE_MS


def week_of(day: int) -> int:
    """Weeks begin on Monday; day 4 was the first one."""
    return (day + 3) // 7


def _micro(points: float) -> int:
    return round(points * MICRO)


def _days(duration: str) -> int:
    if not duration.endswith("d"):
        raise ValueError(f"expected whole days, not {duration}")
    return int(duration.removesuffix("d"))
