"""The mapping file of a webhook: where a tool puts the id, the e-mail, the event's name and its time. Pure.

    body: json                       # or form
    events: "."                      # where the events are; a list there is one event each
    signature: {scheme: hmac, header: X-Signature, secret_env: TASUKI_WEBHOOK_SECRET_MYTOOL}
    calls:                           # what one event becomes
      - type: track
        id: event_id
        email: [person.email, person.mail]    # the first that is there
        time: {path: at, format: "%Y/%m/%d %H:%M", time_zone: Asia/Tokyo}
        name: {path: kind, names: {opened: Email Opened, queued: null}, default: Mail Tool Event}
        properties: {url: link.href, hot: {path: is_hot, as: boolean}, via: {value: mytool}}

Nothing in it is executed. Paths: `paths.py`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from services.ingest.webhooks.paths import Path, Paths
from shared.playbook.values import Scalar, Strict

SECRET_PREFIX = "TASUKI_WEBHOOK_SECRET_"
_SECRET = re.compile(rf"{SECRET_PREFIX}[A-Z0-9_]+")


def _in_short(value: object) -> object:
    """A path alone is short for `{path: …}`."""
    return {"path": value} if isinstance(value, str | list) else value


def _fixed(value: object) -> object:
    """A text alone is a name that every event has."""
    return {"default": value} if isinstance(value, str) else value


class Source(Strict):
    """A value of the event, or one that is always the same. `as: boolean` makes one of a text such as `on` or `true`;
    numbers may stay texts, as a playbook reads both."""

    path: Paths = ()
    value: Scalar | None = None
    as_: Literal["boolean"] | None = Field(default=None, alias="as")

    @model_validator(mode="after")
    def _one_of_both(self) -> Source:
        if bool(self.path) == (self.value is not None):
            raise ValueError("expected either a path or {value: …}")
        return self


Value = Annotated[Source, BeforeValidator(_in_short)]


class Time(Strict):
    """When it happened. `format` (strptime) is for texts that are not ISO 8601; `time_zone` is that of texts without an
    offset."""

    path: Paths
    as_: Literal["iso", "unix", "unix_ms"] = Field(default="iso", alias="as")
    format: str | None = None
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError):
            raise ValueError(f"'{value}' is no time zone; expected one such as Asia/Tokyo") from None
        return value


class Name(Strict):
    """Of a track. `names` has ours by the tool's: null leaves such events out, one that is not there keeps its name.
    `default` is for events that have none."""

    path: Paths = ()
    names: dict[str, str | None] = Field(default_factory=dict)
    default: str | None = Field(default=None, min_length=1)


class Pair(Strict):
    """A trait whose name is in the event, too: HubSpot tells a change as property name and value."""

    name: Paths
    value: Path
    names: dict[str, str | None] = Field(default_factory=dict)


class CallTemplate(Strict):
    """One call of an event, if each path in `when` leads to one of its values. `id` is made of all its paths together;
    without it of the event's bytes. Properties that are a path are all of what is there but `leave_out`."""

    type: Literal["track", "identify"] = "track"
    when: dict[Path, list[Scalar]] = Field(default_factory=dict)
    id: Paths = ()
    user_id: Paths = Field(default=(), alias="userId")
    anonymous_id: Paths = Field(default=(), alias="anonymousId")
    external_ids: dict[str, Paths] = Field(default_factory=dict, alias="externalIds")
    email: Paths = ()
    time: Annotated[Time | None, BeforeValidator(_in_short)] = None
    name: Annotated[Name | None, BeforeValidator(_fixed)] = None
    properties: dict[str, Value] = Field(default_factory=dict)
    all_properties: Path | None = None
    leave_out: list[str] = Field(default_factory=list)
    traits: dict[str, Value] = Field(default_factory=dict)
    trait: Pair | None = None
    context: dict[Literal["userAgent", "ip", "locale", "timezone"], Paths] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_accepted(self) -> CallTemplate:
        if (self.type == "track") != (self.name is not None):
            raise ValueError("name: is needed for type track, and only there")
        if self.name and not self.name.path and self.name.default is None:
            raise ValueError("name: needs a path, or is a text")
        if not (self.user_id or self.anonymous_id or self.external_ids or self.email):
            raise ValueError("whose event is it? email, userId, anonymousId or externalIds is needed")
        if self.leave_out and self.all_properties is None:
            raise ValueError("leave_out: is for all_properties")
        return self


class Signature(Strict):
    """How the tool signs. `secret_env` names the environment variable with the secret (of SendGrid the public key).

    `hmac` is of the body, or of `<timestamp>.<body>` where there is a header with the time."""

    scheme: Literal["hubspot-v3", "sendgrid", "hmac"]
    secret_env: str
    header: str | None = None
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    timestamp_header: str | None = None

    @field_validator("secret_env")
    @classmethod
    def _is_one_of_ours(cls, value: str) -> str:
        if not _SECRET.fullmatch(value):
            raise ValueError(f"'{value}' is no variable for a secret; expected one such as {SECRET_PREFIX}MYTOOL")
        return value

    @model_validator(mode="after")
    def _has_its_header(self) -> Signature:
        if (self.scheme == "hmac") != (self.header is not None):
            raise ValueError("header: is needed for scheme hmac, and only there")
        return self


class Mapping(Strict):
    """A webhook. A form may have a `honeypot`, a field that people do not see and programs fill in, and a page that is
    shown after it was sent (`redirect`)."""

    body: Literal["json", "form"] = "json"
    events: Path = ()
    signature: Signature | None = None
    redirect: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    honeypot: Path | None = None
    calls: list[CallTemplate] = Field(min_length=1)

    @model_validator(mode="after")
    def _forms_have_one_event(self) -> Mapping:
        if self.body == "json" and (self.redirect or self.honeypot):
            raise ValueError("redirect: and honeypot: are for body: form")
        if self.body == "form" and self.events:
            raise ValueError("events: is for body: json; a form is one event")
        if any(isinstance(step, int) for step in self.events):
            raise ValueError("events: expected a path without [0]")
        return self
