"""The mapping file: what a row of a CSV or JSONL file means, as Segment calls.

    format: csv
    time_zone: Asia/Tokyo            # of times that name none
    events:
      - type: track
        event: Booth Visited
        when: {ブース訪問: ["○", "yes"]}   # only rows in which the column has one of these values
        userId: "{メール}"
        timestamp: {column: 来場日時, format: "%Y/%m/%d %H:%M"}
        properties: {exhibition: 業務改善EXPO, rank: "{ランク}", visitors: {column: 人数, as: number}}

A value is a text in which `{column}` stands for the cell (`{{` for a brace), or `column:` with `as:`. Where a cell is
empty its value is left out: "no medium" stays different from any medium that is written down. A dotted name
(`company.name`) makes a nested one.

    list: {kind: outside, name: 製造業データベース, obtained: 2026-11-01}

says that all rows are of a list: what they tell of a person (`identify`) becomes the event `Lead Listed` with these
traits, so that the list is the channel by which the contact was obtained. What has no `timestamp` happened when the
list was obtained.
"""

from __future__ import annotations

import hashlib
import string
from datetime import date
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from services.cli.errors import CommandError
from services.cli.importer.encodings import AUTO, codec_of
from shared.playbook.values import Scalar, Strict
from shared.yaml_model import YamlError, parse_yaml

LISTED = "Lead Listed"


class MappingError(CommandError):
    """The mapping cannot be used; the message lists every problem as `file:line: where: what was expected`."""


class Cell(Strict):
    """One column, read as text, number or boolean (`true_when` lists what counts as yes)."""

    column: str
    as_: Literal["text", "number", "boolean"] = Field(default="text", alias="as")
    true_when: list[str] = Field(default_factory=lambda: ["true", "yes", "1", "○", "はい"])


class Time(Strict):
    """A column with a time: ISO 8601, or as `format` says (strptime)."""

    column: str
    format: str | None = None


class ListOf(Strict):
    """The list that the rows are of. `channel` is the playbook's, by which its leads get their level."""

    kind: Literal["house", "outside"]
    name: str = Field(min_length=1)
    obtained: date
    channel: str | None = None

    @property
    def properties(self) -> dict[str, Scalar]:
        """Of `Lead Listed`."""
        channel = self.channel or {"house": "house_list", "outside": "external_database"}[self.kind]
        return {"list": channel, "kind": self.kind, "name": self.name, "obtained": self.obtained.isoformat()}


Value = Cell | Scalar


class EventTemplate(Strict):
    """One call per row."""

    type: Literal["track", "identify", "page", "group"]
    event: str | None = None
    user_id: str = Field(alias="userId")
    group_id: str | None = Field(default=None, alias="groupId")
    timestamp: Time | date
    properties: dict[str, Value] = Field(default_factory=dict)
    traits: dict[str, Value] = Field(default_factory=dict)
    when: dict[str, list[str]] = Field(default_factory=dict)
    skip_when_empty: list[str] = Field(default_factory=list)

    @field_validator("timestamp", mode="before")
    @classmethod
    def _column_in_braces(cls, value: object) -> object:
        """`"{column}"` is short for `{column: column}`."""
        names = columns_of(value) if isinstance(value, str) else []
        return {"column": names[0]} if len(names) == 1 and value == f"{{{names[0]}}}" else value

    @field_validator("user_id", "group_id", "properties", "traits")
    @classmethod
    def _readable_templates(cls, value: Any) -> Any:
        for text in value.values() if isinstance(value, dict) else [value]:
            if isinstance(text, str):
                columns_of(text)
        return value

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> EventTemplate:
        if (self.type == "track") != (self.event is not None):
            raise ValueError("event: is needed for type track, and only there")
        if (self.type == "group") != (self.group_id is not None):
            raise ValueError("groupId: is needed for type group, and only there")
        return self

    @property
    def columns(self) -> set[str]:
        """Every column that the template reads."""
        values = [self.user_id, self.group_id, *self.properties.values(), *self.traits.values()]
        used = {name for value in values if isinstance(value, str) for name in columns_of(value)}
        used |= {value.column for value in values if isinstance(value, Cell)}
        used |= {self.timestamp.column} if isinstance(self.timestamp, Time) else set()
        return used | {*self.when, *self.skip_when_empty}


class Mapping(Strict):
    """`historical` marks imported history: it moves scores and stages, but offers nothing to anybody."""

    format: Literal["csv", "jsonl"] = "csv"
    encoding: str = AUTO
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    time_zone: str = "Asia/Tokyo"
    historical: bool = False
    list_: ListOf | None = Field(default=None, alias="list")
    events: list[EventTemplate] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _told_when_obtained(cls, value: Any) -> Any:
        match value:
            case {"list": {"obtained": date() as obtained}, "events": [*events]}:
                dated = [{"timestamp": obtained, **event} if isinstance(event, dict) else event for event in events]
                return {**value, "events": dated}
        return value

    @model_validator(mode="after")
    def _tells_who_is_on_the_list(self) -> Mapping:
        if self.list_ is not None and all(event.type != "identify" for event in self.events):
            raise ValueError("list: needs an event of type identify, with what is known of whoever is on it")
        return self

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError(f"'{value}' is no time zone; expected one such as Asia/Tokyo") from None
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        if value != AUTO:
            codec_of(value)
        return value

    @cached_property
    def templates(self) -> list[EventTemplate]:
        """What a row becomes, in this order."""
        if self.list_ is None:
            return self.events
        listed = {"type": "track", "event": LISTED, "properties": self.list_.properties}
        return [event.model_copy(update=listed) if event.type == "identify" else event for event in self.events]

    @property
    def columns(self) -> set[str]:
        return {column for event in self.events for column in event.columns}

    @property
    def digest(self) -> str:
        """Of the meaning, not of comments and layout, nor of the encoding, which is not in the cells."""
        meaning = self.model_dump_json(by_alias=True, exclude={"encoding"})
        return hashlib.blake2b(meaning.encode(), digest_size=8).hexdigest()


def columns_of(template: str) -> list[str]:
    """The columns in a text with `{column}`s; `ValueError` when a brace is not closed."""
    try:
        return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"'{template}' is no template: {error} (write {{{{ for a brace)") from None


def parse_mapping(text: str, file: str) -> Mapping:
    """Raises `MappingError`; `file` is for the messages."""
    try:
        return parse_yaml(Mapping, text, file)
    except YamlError as error:
        raise MappingError(str(error)) from None
