"""What the Python peers read, keep of a lead and write: typed, and compact in bytes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec


class Event(msgspec.Struct):
    """What the job reads of a record of topic `events`."""

    id: str
    source: str
    key: str
    time: datetime
    received_at: datetime
    name: str = ""
    user_id: str = ""
    anonymous_id: str = ""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}


Days = dict[int, dict[int, int]]
"""Day → rule number → micro-points, before any cap."""


class Gathered(msgspec.Struct, array_like=True):
    """How often a rule was met, and when last."""

    times: int = 0
    last: int = 0


class Field(msgspec.Struct, array_like=True):
    """The newest value told of a field, by time and then id."""

    value: Any
    time: int
    id: str


class Now(msgspec.Struct, array_like=True):
    """`today` is the day of the lead's latest event, `rules` what each gathered on it. `past`: what is left of earlier
    days as this one begins, and `used` what caps over several days have let pass by then. `levels`: when last an
    action of level 1, 2, … was done. `holding`: numbers of the attribute rules that hold. `seen`: day of reception →
    digests of messages, one after the other; kept for the newest two such days. `user`: who this visitor is."""

    time: int = 0
    today: int = 0
    rules: dict[int, int] = {}
    past: dict[int, int] = {}
    used: list[int] = []
    gathered: dict[int, Gathered] = {}
    levels: list[int] = []
    fields: dict[str, Field] = {}
    holding: list[int] = []
    seen: dict[int, bytes] = {}
    user: str = ""


class Part(msgspec.Struct, array_like=True):
    """What a visitor has brought so far: it is in the user's sums, and what the visitor tells next is compared to it.
    `times`: by rule how often it was met."""

    days: Days = {}
    times: dict[int, int] = {}


Parts = dict[str, Part]
"""By visitor."""


class Link(msgspec.Struct, array_like=True, tag="link"):
    """To a visitor's partition: the visitor is this user."""

    visitor: str
    user: str


class Told(msgspec.Struct, array_like=True, tag="told"):
    """To the user's partition: what the visitor has gathered by now. Of the days only those that have changed since the
    last time, but these as a whole: so it does not matter whether a message is repeated."""

    visitor: str
    user: str
    time: int
    days: Days
    gathered: dict[int, Gathered]
    levels: list[int]
    fields: dict[str, Field]


class Lead:
    """A lead's state. The earlier days are loaded when a day begins or an event is told of late, and what visitors have
    brought when they bring more."""

    def __init__(self, now: Now, load_earlier: Callable[[], Days], load_parts: Callable[[], Parts]) -> None:
        self.now = now
        self._load_earlier, self._load_parts = load_earlier, load_parts
        self._earlier: Days | None = None
        self._parts: Parts | None = None
        self.changed: set[int] = set()
        """Days of a visitor who is known of which the user is to be told."""

    @property
    def earlier(self) -> Days:
        """To be changed by the caller."""
        if self._earlier is None:
            self._earlier = self._load_earlier()
        return self._earlier

    @property
    def parts(self) -> Parts:
        """To be changed by the caller."""
        if self._parts is None:
            self._parts = self._load_parts()
        return self._parts

    @property
    def earlier_loaded(self) -> bool:
        """Whether the earlier days may have changed."""
        return self._earlier is not None

    @property
    def parts_loaded(self) -> bool:
        """Whether what visitors have brought may have changed."""
        return self._parts is not None


class Contribution(msgspec.Struct):
    """What one rule adds, in micro-points."""

    rule: str
    points: int
    times: int
    last: int


class Score(msgspec.Struct):
    """What is published: the total in micro-points at `time`, in milliseconds since 1970, and the level then."""

    lead: str
    time: int
    total: int
    level: int
    contributions: list[Contribution]


class Merged(msgspec.Struct):
    """What is published of a visitor who is known."""

    lead: str
    merged_into: str


Between = Link | Told
decode_event = msgspec.json.Decoder(Event).decode
encode_score = msgspec.json.Encoder().encode
encode_state = msgspec.msgpack.Encoder().encode
"""Of each part, and of what goes between partitions."""
decode_now = msgspec.msgpack.Decoder(Now).decode
decode_earlier = msgspec.msgpack.Decoder(Days).decode
decode_parts = msgspec.msgpack.Decoder(Parts).decode
decode_between = msgspec.msgpack.Decoder(Between).decode
