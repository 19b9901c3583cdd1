"""A playbook file as plain values: durations in milliseconds, points in whole micro-points. Files must be valid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import yaml

Raw = Mapping[str, Any]
_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def micro(points: float) -> int:
    """Whole micro-points: 1 point is 1,000,000."""
    return round(Fraction(str(points)) * 1_000_000)


def _milliseconds(duration: str) -> int:
    found = re.fullmatch(r"(\d+)\s*([smhdw])", duration.strip())
    if found is None:
        raise ValueError(f"no duration: {duration!r}")
    return int(found[1]) * _MS[found[2]]


@dataclass(frozen=True)
class FieldPaths:
    paths: Sequence[str]
    personal: bool
    is_prefecture: bool


@dataclass(frozen=True)
class SignalDrawn:
    matches: Sequence[Raw]
    keep: Sequence[str]


@dataclass(frozen=True)
class ActionLevel:
    channel: str
    action: str
    level: int
    match: Raw


@dataclass(frozen=True)
class AttributePoints:
    field: str
    check: Any
    micro: int


@dataclass(frozen=True)
class BehaviourPoints:
    id: str
    match: Raw
    micro: int
    cap: int | None
    once: bool
    half_life: int


@dataclass(frozen=True)
class StageOnTheWay:
    id: str
    rank: tuple[int, int]
    owner: str | None
    after: str | None
    when: Raw | None
    guarded: bool
    excluded: bool


@dataclass(frozen=True)
class Book:
    """What the oracle knows of a playbook. `teams`: department → [(team, territory)]."""

    zone: ZoneInfo
    fields: Mapping[str, FieldPaths]
    signals: Mapping[str, SignalDrawn]
    actions: Sequence[ActionLevel]
    level_valid: int
    attribute: Sequence[AttributePoints]
    behaviour: Sequence[BehaviourPoints]
    stages: Sequence[StageOnTheWay]
    guards: Sequence[tuple[str, Raw]]
    teams: Mapping[str, Sequence[tuple[str, Mapping[str, Sequence[Any]]]]]


def read_book(text: str) -> Book:
    """The playbook in the YAML `text`."""
    raw = yaml.safe_load(text)
    return Book(
        zone=ZoneInfo(raw.get("time_zone", "Asia/Tokyo")),
        fields={
            name: FieldPaths(told["from"], told.get("personal", False), told.get("kind") == "prefecture")
            for name, told in raw["fields"].items()
        },
        signals={name: SignalDrawn(told["any"], told.get("keep", [])) for name, told in raw["signals"].items()},
        actions=[
            ActionLevel(channel, action, told["level"], told["when"])
            for channel, has in raw["channels"].items()
            for action, told in has["actions"].items()
        ],
        level_valid=_milliseconds(raw.get("levels", {}).get("valid_for", "90d")),
        attribute=[
            AttributePoints(rule["field"], rule["is"], micro(rule["points"]))
            for rule in raw["attribute"].get("rules", [])
        ],
        behaviour=list(_behaviour(raw["behaviour"])),
        stages=[_stage(index, stage) for index, stage in enumerate(raw["stages"])],
        guards=[(guard["id"], guard["when"]) for guard in raw.get("guards", [])],
        teams={
            department: [(team, told.get("territory", {})) for team, told in has["teams"].items()]
            for department, has in raw["departments"].items()
        },
    )


def _behaviour(raw: Raw) -> list[BehaviourPoints]:
    common = raw.get("half_life", "30d")
    return [
        BehaviourPoints(
            id=rule["id"],
            match=rule["when"],
            micro=micro(rule["points"]),
            cap=micro(rule["cap_per_day"]) if rule.get("cap_per_day") is not None else None,
            once=rule.get("once", False),
            half_life=_milliseconds(rule.get("half_life") or common),
        )
        for rule in raw.get("rules", [])
    ]


def _stage(index: int, raw: Raw) -> StageOnTheWay:
    return StageOnTheWay(
        id=raw["id"],
        rank=(raw["number"], index),
        owner=raw.get("owner"),
        after=raw.get("after"),
        when=raw.get("when"),
        guarded=raw.get("guarded", False),
        excluded=raw.get("excluded", False),
    )
