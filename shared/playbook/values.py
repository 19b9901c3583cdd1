"""The small vocabulary of a playbook: labels, durations, and checks on a single value."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

Scalar = str | int | float | bool


class Strict(BaseModel):
    """Frozen, and an unknown key is an error: a mistyped word must not silently change the scoring."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Label(Strict):
    """What people read, in Japanese and English."""

    ja: str
    en: str


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(value: object) -> timedelta:
    """`30d`, `24h`, `15m`, `10s`, `2w` as a timedelta."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+)\s*([smhdw])", value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a duration such as 30d, 24h or 15m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def in_words(duration: timedelta) -> Label:
    """In the largest unit that it is a whole number of: `7日`, `7 days`."""
    seconds = int(duration.total_seconds())
    size, ja, en = next(unit for unit in _IN_WORDS if seconds % unit[0] == 0)
    count = seconds // size
    return Label(ja=f"{count}{ja}", en=f"{count} {en}" + ("" if count == 1 else "s"))


_IN_WORDS = ((86_400, "日", "day"), (3_600, "時間", "hour"), (60, "分", "minute"), (1, "秒", "second"))

Duration = Annotated[timedelta, BeforeValidator(parse_duration, json_schema_input_type=str)]


class WorkingTime(Strict):
    """A deadline in working hours or working days of the department."""

    hours: int = 0
    days: int = 0


def parse_working_time(value: object) -> object:
    """`1 working hour`, `3 working days` as keyword arguments of `WorkingTime`."""
    match = re.fullmatch(r"(\d+) working (hour|day)s?", value.strip()) if isinstance(value, str) else None
    if match is None and not isinstance(value, WorkingTime | dict):
        raise ValueError("expected a working time such as '1 working hour' or '3 working days'")
    return {match[2] + "s": int(match[1])} if match else value


Deadline = Annotated[WorkingTime, BeforeValidator(parse_working_time, json_schema_input_type=str)]


class Check(Strict):
    """What a value must be; all the given tests must hold. A bare value means `equals`, a bare list means `in`.

    Texts are compared without regard to case. In `like`, * stands for any text and ? for one character. Numbers written
    as text count as numbers for the four comparisons.
    """

    equals: Scalar | None = None
    one_of: list[Scalar] | None = Field(default=None, alias="in")
    none_of: list[Scalar] | None = Field(default=None, alias="not_in")
    over: float | None = None
    at_least: float | None = None
    under: float | None = None
    at_most: float | None = None
    starts_with: str | None = None
    contains: str | list[str] | None = None
    like: str | list[str] | None = None
    present: bool | None = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(core), {"type": ["string", "number", "boolean", "array"]}]}

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"in": value}
        if isinstance(value, str | int | float | bool):
            return {"equals": value}
        return value

    @model_validator(mode="after")
    def _tests_something(self) -> Check:
        if not self.model_fields_set:
            raise ValueError("expected at least one test, such as equals, in, at_least, starts_with, like or present")
        return self
