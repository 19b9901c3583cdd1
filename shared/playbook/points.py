"""What gives points: the parts `attribute` and `behaviour` of a playbook."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from shared.playbook.conditions import EventMatch
from shared.playbook.values import Check, Duration, Label, Strict

Identifier = str
Points = Annotated[float, Field(ge=-100_000, le=100_000)]
"""Sums of any length then fit into 64 bits as millionths."""


class AttributeRule(Strict):
    """Points for what the lead is."""

    id: Identifier
    label: Label
    field: str
    is_: Check = Field(alias="is")
    points: Points
    group: Identifier | None = None


class AttributeGroup(Strict):
    """Rules that together give no more than `at_most` points."""

    label: Label
    at_most: float = Field(gt=0)


class AttributeScore(Strict):
    """`grades`: from how many points on a lead has the grade; below all of them it is D. `stale_after`: a field that
    was told longer ago is marked as old."""

    groups: dict[Identifier, AttributeGroup] = Field(default_factory=dict)
    rules: list[AttributeRule] = Field(default_factory=list)
    grades: dict[Literal["A", "B", "C"], float] = Field(default_factory=dict)
    stale_after: Duration = timedelta(days=365)

    @field_validator("grades")
    @classmethod
    def _in_order(cls, grades: dict[str, float]) -> dict[str, float]:
        points = [grades[grade] for grade in sorted(grades)]
        if any(better <= worse for better, worse in pairwise(points)):
            raise ValueError("expected grades that ask for fewer points from A to C")
        return grades


class Caps(Strict):
    """How much counts at most: of a calendar day, of a calendar week (from Monday), and ever; before points fade."""

    cap_per_day: float | None = Field(default=None, gt=0)
    cap_per_week: float | None = Field(default=None, gt=0)
    cap_ever: float | None = Field(default=None, gt=0)

    @property
    def caps(self) -> list[str]:
        """The names of those that are given."""
        return [name for name in Caps.model_fields if getattr(self, name) is not None]


class BehaviourRule(Caps):
    """Points for what the lead did: `points` each time, or times a number that the event has at `points_from`.

    `once` counts the first time only. Points fade by half every `half_life`, and end `expires` after the end of the day
    on which they were earned. Those of a `dimension` of its own are no part of the total."""

    id: Identifier
    label: Label
    when: EventMatch
    points: Points = 1.0
    points_from: str | None = None
    once: bool = False
    half_life: Duration | None = None
    expires: Duration | None = None
    group: Identifier | None = None
    dimension: Identifier | None = None

    @model_validator(mode="after")
    def _consistent(self) -> BehaviourRule:
        if not {"points", "points_from"} & self.model_fields_set:
            raise ValueError("expected points, or points_from: a property of the event that holds a number")
        if self.once and self.caps:
            raise ValueError(f"expected once or {self.caps[0]}, not both: what counts once needs no cap")
        if self.once and self.points_from is not None:
            raise ValueError("expected once or points_from, not both: what counts once has the same points for all")
        if self.cap_ever is not None and self.points < 0:
            raise ValueError("expected points of 0 or more where there is a cap_ever")
        return self


class RuleGroup(Caps):
    """Behaviour rules that share caps: day by day, in the order of the playbook, until the cap is reached."""

    label: Label

    @model_validator(mode="after")
    def _consistent(self) -> RuleGroup:
        if not self.caps:
            raise ValueError(f"expected at least one of {', '.join(Caps.model_fields)}")
        if self.cap_ever is not None and self.cap_per_week is not None:
            raise ValueError("expected cap_ever or cap_per_week, not both")
        return self


class Dimension(Strict):
    """A score beside the two, such as the adoption of a customer or the interest in one product line."""

    label: Label


class BehaviourScore(Strict):
    """`late_after`: a live event told of so long after it happened moves no points."""

    half_life: Duration = timedelta(days=30)
    late_after: Duration = timedelta(days=3 * 365)
    groups: dict[Identifier, RuleGroup] = Field(default_factory=dict)
    rules: list[BehaviourRule] = Field(default_factory=list)


class Bounds(Strict):
    """The total is never under `at_least` nor over `at_most`, whatever the rules add up to."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Bounds:
        if self.at_least is not None and self.at_most is not None and self.at_least >= self.at_most:
            raise ValueError("expected at_least under at_most")
        return self
