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


def milliseconds(duration: str) -> int:
    """Of 5s, 15m, 24h, 30d, 2w."""
    found = re.fullmatch(r"(\d+)\s*([smhdw])", duration.strip())
    if found is None:
        raise ValueError(f"no duration: {duration!r}")
    return int(found[1]) * _MS[found[2]]


@dataclass(frozen=True)
class Accounts:
    """Companies by name and by mail domain."""

    names: Sequence[str]
    domains: Sequence[str]


@dataclass(frozen=True)
class FieldPaths:
    paths: Sequence[str]
    personal: bool
    is_prefecture: bool
    accounts: Accounts | None
    """Of a field that is True for whoever is of one of these: the target accounts."""


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
    by_attributes: Sequence[tuple[int, Raw]]
    """Other levels, each with the condition by which a lead has it; the highest counts."""
    list_kind: str


@dataclass(frozen=True)
class CampaignsOf:
    """Of one channel: the paths by which events tell of a campaign, who was absent as (of, without, is), and levels of
    actions together."""

    names: Sequence[str]
    ends: Sequence[str]
    absence: tuple[str, Sequence[str], str] | None
    together: Sequence[tuple[Sequence[str], int]]


@dataclass(frozen=True)
class AttributePoints:
    field: str
    check: Any
    micro: int
    group: str | None


Caps = Mapping[str, int]
"""Micro-points by period: "day", "week", "ever", in this order."""


@dataclass(frozen=True)
class BehaviourPoints:
    """`lasting`: for how long something is left of a day's points, in milliseconds."""

    id: str
    match: Raw
    micro: int
    source: str | None
    caps: Caps
    once: bool
    half_life: int
    expires: int | None
    lasting: int
    group: str | None
    dimension: str | None


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
class WayBack:
    """How leads are recycled: from which stages, by a condition, or by silence (of a signal, for so long), to a stage,
    through another one for `hold`. `restarts`: whether the behaviour score begins anew."""

    id: str
    sources: Sequence[str]
    when: Raw | None
    silence: tuple[str, int] | None
    through: str | None
    target: str
    hold: int
    restarts: bool


@dataclass(frozen=True)
class Book:
    """What the oracle knows of a playbook. `teams`: department → [(team, territory)]."""

    zone: ZoneInfo
    fields: Mapping[str, FieldPaths]
    signals: Mapping[str, SignalDrawn]
    actions: Sequence[ActionLevel]
    campaigns: Mapping[str, CampaignsOf]
    level_valid: int
    attribute: Sequence[AttributePoints]
    attribute_groups: Mapping[str, int]
    grades: Mapping[str, int]
    behaviour: Sequence[BehaviourPoints]
    behaviour_groups: Mapping[str, Caps]
    late_after: int
    dimensions: Sequence[str]
    not_people: Raw
    privacy: Raw
    identity: Raw
    bounds: tuple[int | None, int | None]
    stages: Sequence[StageOnTheWay]
    guards: Sequence[tuple[str, Raw]]
    teams: Mapping[str, Sequence[tuple[str, Mapping[str, Sequence[Any]]]]]
    recycling: Sequence[WayBack]
    rejection: WayBack
    reassigned: Sequence[str]
    """The reason codes with which a rejected lead is offered to somebody else instead, `asked_again` times at most."""
    asked_again: int

    def stage(self, id: str) -> StageOnTheWay:
        return next(stage for stage in self.stages if stage.id == id)


def read_book(text: str) -> Book:
    """The playbook in the YAML `text`."""
    raw = yaml.safe_load(text)
    targets = raw.get("target_accounts", {})
    accounts = Accounts(targets.get("names", []), targets.get("domains", []))
    return Book(
        zone=ZoneInfo(raw.get("time_zone", "Asia/Tokyo")),
        fields={
            name: FieldPaths(
                told["from"],
                told.get("personal", False),
                told.get("kind") == "prefecture",
                accounts if told.get("kind") == "target_account" else None,
            )
            for name, told in raw["fields"].items()
        },
        signals={
            name: SignalDrawn([_resolved(match, raw) for match in told["any"]], told.get("keep", []))
            for name, told in raw["signals"].items()
        },
        actions=[
            ActionLevel(channel, action, told["level"], told["when"], _by_attributes(has), has.get("list", "house"))
            for channel, has in raw["channels"].items()
            for action, told in has["actions"].items()
        ],
        campaigns={id: _campaigns(has) for id, has in raw["channels"].items() if "campaign" in has},
        level_valid=milliseconds(raw.get("levels", {}).get("valid_for", "90d")),
        attribute=[
            AttributePoints(rule["field"], rule["is"], micro(rule["points"]), rule.get("group"))
            for rule in raw["attribute"].get("rules", [])
        ],
        attribute_groups={id: micro(told["at_most"]) for id, told in raw["attribute"].get("groups", {}).items()},
        grades={grade: micro(points) for grade, points in raw["attribute"].get("grades", {}).items()},
        behaviour=list(_behaviour(raw["behaviour"], raw)),
        behaviour_groups={id: _caps(told) for id, told in raw["behaviour"].get("groups", {}).items()},
        late_after=milliseconds(raw["behaviour"].get("late_after", f"{3 * 365}d")),
        dimensions=list(raw.get("dimensions", {})),
        not_people=raw.get("not_people", {}),
        privacy=raw.get("privacy", {}),
        identity=raw.get("identity", {}),
        bounds=_bounds(raw.get("total", {})),
        stages=[_stage(index, stage) for index, stage in enumerate(raw["stages"])],
        guards=[(guard["id"], guard["when"]) for guard in raw.get("guards", [])],
        teams={
            department: [(team, told.get("territory", {})) for team, told in has["teams"].items()]
            for department, has in raw["departments"].items()
        },
        recycling=[_way_back(id, told) for id, told in raw.get("recycling", {}).items()],
        rejection=_way_back("rejected", raw["rejection"]),
        reassigned=[code for code, told in raw["rejection"]["reasons"].items() if told.get("then") == "reassign"],
        asked_again=len(raw.get("handoffs", {}).get("on_expiry", ["next", "escalate"])),
    )


def _way_back(id: str, raw: Raw) -> WayBack:
    return WayBack(
        id=id,
        sources=raw.get("from", []),
        when=raw.get("when"),
        silence=(raw["silent"], milliseconds(raw["silent_for"])) if "silent" in raw else None,
        through=raw.get("through"),
        target=raw["to"],
        hold=milliseconds(raw.get("hold", "0d")),
        restarts=raw.get("behaviour", "restart") == "restart",
    )


def _campaigns(channel: Raw) -> CampaignsOf:
    told = channel["campaign"]
    absence = told.get("absence")
    return CampaignsOf(
        told["from"],
        told.get("ends", []),
        (absence["of"], absence["without"], absence["is"]) if absence else None,
        [(rule["all"], rule["level"]) for rule in channel.get("together", [])],
    )


def _by_attributes(channel: Raw) -> list[tuple[int, Raw]]:
    return [(told["level"], told["when"]) for told in channel.get("by_attributes", [])]


def _resolved(match: Raw, raw: Raw) -> Raw:
    """A match by channel and action with, as `of`, those of its actions."""
    if "channel" not in match:
        return match
    wanted = match.get("action")
    wanted = [wanted] if isinstance(wanted, str) else wanted
    actions = raw["channels"][match["channel"]]["actions"]
    return {**match, "of": [told["when"] for id, told in actions.items() if wanted is None or id in wanted]}


def _behaviour(raw: Raw, whole: Raw) -> list[BehaviourPoints]:
    common = raw.get("half_life", "30d")
    rules = []
    for rule in raw.get("rules", []):
        half_life = milliseconds(rule.get("half_life") or common)
        expires = milliseconds(rule["expires"]) if rule.get("expires") else None
        rules.append(
            BehaviourPoints(
                id=rule["id"],
                match=_resolved(rule["when"], whole),
                micro=micro(rule.get("points", 1)),
                source=rule.get("points_from"),
                caps=_caps(rule),
                once=rule.get("once", False),
                half_life=half_life,
                expires=expires,
                lasting=min(32 * half_life, expires if expires is not None else 32 * half_life),
                group=rule.get("group"),
                dimension=rule.get("dimension"),
            )
        )
    return rules


def _caps(raw: Raw) -> Caps:
    given = {"day": raw.get("cap_per_day"), "week": raw.get("cap_per_week"), "ever": raw.get("cap_ever")}
    return {period: micro(points) for period, points in given.items() if points is not None}


def _bounds(raw: Raw) -> tuple[int | None, int | None]:
    least, most = raw.get("at_least"), raw.get("at_most")
    return (None if least is None else micro(least)), (None if most is None else micro(most))


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
