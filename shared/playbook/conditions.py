"""The two kinds of condition: on one event (the scorer's), and on a lead (the router's stage criteria)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from shared.events import Kind
from shared.playbook.values import Check, Duration, Strict

MOST_RECENT = 10
"""Of a signal that a guard counts, so many of its latest times are kept."""


class EventMatch(Strict):
    """One event: its kind and name, checks on its properties (`where`, dotted paths) and on the fields it reports; or
    what it is in the catalogue of channels: any action of a `channel`, or (one of) these."""

    event: str | list[str] | None = None
    kind: Kind | None = None
    where: dict[str, Check] = Field(default_factory=dict)
    traits: dict[str, Check] = Field(default_factory=dict)
    channel: str | None = None
    action: str | list[str] | None = None

    @model_validator(mode="after")
    def _matches_something(self) -> EventMatch:
        if not self.model_fields_set:
            raise ValueError("expected at least one of event, kind, where, traits, channel")
        if self.action is not None and self.channel is None:
            raise ValueError("expected the channel of this action beside it")
        if self.action == []:
            raise ValueError("expected at least one action; without 'action' it is any of the channel")
        return self

    @property
    def names(self) -> list[str]:
        """Event names of a `track` call; empty: any."""
        if self.event is None:
            return []
        return [self.event] if isinstance(self.event, str) else self.event

    @property
    def actions(self) -> list[str]:
        """Ids of actions of the channel; empty: any."""
        if self.action is None:
            return []
        return [self.action] if isinstance(self.action, str) else self.action


class SignalIs(Strict):
    """The lead has shown this signal (since it was last recycled); with `later_than`, and has not shown that other one
    since: a deal was lost after the latest one was registered."""

    signal: str
    later_than: str | None = None


class ShownOften(Strict):
    """The lead has shown the signal so many times in the time just passed. It ends with time alone, so that only guards
    may ask it: they keep a lead from a stage, and it goes on by itself when they let it."""

    often: str
    times: int = Field(ge=1, le=MOST_RECENT)
    within: Duration


class TotalOver(Strict):
    """The total score exceeds so many points."""

    total_over: float


class AttributeAtLeast(Strict):
    """The attribute score is so many points or more."""

    attribute_at_least: float


class GradeAtLeast(Strict):
    """The grade of the attribute score is this one or better."""

    grade_at_least: Literal["A", "B", "C"]


class BehaviourAtLeast(Strict):
    """The behaviour score is so many points or more: the lead has done something itself, not too long ago."""

    behaviour_at_least: float


class LevelAtLeast(Strict):
    """The certainty level is so high or higher."""

    level_at_least: int = Field(ge=1, le=4)


class FieldIs(Strict):
    """A field of the lead passes a check."""

    field: str
    is_: Check = Field(alias="is")


class AnyOf(Strict):
    """At least one holds."""

    any: list[LeadCondition] = Field(min_length=1)


class AllOf(Strict):
    """Every one holds."""

    all: list[LeadCondition] = Field(min_length=1)


class NotOf(Strict):
    """It does not hold."""

    not_: LeadCondition = Field(alias="not")


class SomeOf(Strict):
    """At least so many of these hold, for example two of the four points of BANT."""

    at_least: int = Field(ge=1)
    of: list[LeadCondition] = Field(min_length=1)


_TAGS = (
    *(
        "signal",
        "often",
        "total_over",
        "attribute_at_least",
        "grade_at_least",
        "behaviour_at_least",
        "level_at_least",
        "field",
    ),
    *("any", "all", "not", "of"),
)
CONDITION_KEYS = ", ".join(_TAGS)


def _tag(value: Any) -> str | None:
    """Which condition is meant: each is known by a key that no other has."""
    if isinstance(value, Strict):
        keys = {field.alias or name for name, field in type(value).model_fields.items()}
    else:
        keys = set(value) if isinstance(value, dict) else set()
    return next((tag for tag in _TAGS if tag in keys), None)


LeadCondition = Annotated[
    Annotated[SignalIs, Tag("signal")]
    | Annotated[ShownOften, Tag("often")]
    | Annotated[TotalOver, Tag("total_over")]
    | Annotated[AttributeAtLeast, Tag("attribute_at_least")]
    | Annotated[GradeAtLeast, Tag("grade_at_least")]
    | Annotated[BehaviourAtLeast, Tag("behaviour_at_least")]
    | Annotated[LevelAtLeast, Tag("level_at_least")]
    | Annotated[FieldIs, Tag("field")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[NotOf, Tag("not")]
    | Annotated[SomeOf, Tag("of")],
    Discriminator(
        _tag,
        custom_error_type="condition",
        custom_error_message=f"expected a condition: one of {CONDITION_KEYS}",
    ),
]


def leaves(condition: LeadCondition) -> Iterator[LeadCondition]:
    """The conditions that ask something of the lead itself."""
    match condition:
        case AnyOf(any=parts) | AllOf(all=parts) | SomeOf(of=parts):
            for part in parts:
                yield from leaves(part)
        case NotOf(not_=part):
            yield from leaves(part)
        case _:
            yield condition


def thresholds(conditions: Iterable[LeadCondition]) -> set[float]:
    """All totals that some condition compares with."""
    return {leaf.total_over for condition in conditions for leaf in leaves(condition) if isinstance(leaf, TotalOver)}
