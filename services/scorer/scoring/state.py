"""What the scorer remembers of one lead: sums, dates and recent ids, from which the score follows at any time.

Every part that is stored, but for `seq`, `total` and what is derived, is an accumulator whose result does not depend
on the order in which events arrive: sums of whole numbers, earliest and latest by (time, id), sets. Times are
milliseconds since 1970 in UTC; points are micro-points.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec

from services.scorer.scoring.times import BEFORE_ALL


class FieldValue(msgspec.Struct, array_like=True):
    """A field's newest value; of personal fields only `True`."""

    value: str | float | int | bool | None
    time: int
    event_id: str


class RuleDay(msgspec.Struct, array_like=True):
    """What one behaviour rule gathered on one calendar day, before its cap. A rule that counts once has only the
    earliest day, which gathers all."""

    times: int = 0
    micro: int = 0
    last: int = BEFORE_ALL


class SignalState(msgspec.Struct, array_like=True):
    """When a signal was shown; `event_id` and `kept` are those of its latest event."""

    first: int
    last: int
    times: int
    event_id: str
    kept: dict[str, Any]


class Account(msgspec.Struct, frozen=True, array_like=True):
    """A rule's days up to the one that ends at `end`: `micro` is what they are worth then, `times` and `last` how
    often and when it was earned."""

    micro: int = 0
    end: int = 0
    times: int = 0
    last: int = BEFORE_ALL


class Today(msgspec.Struct):
    """The lead's latest calendar day, from `begins` to `ends`. `earned`: what counts of this day; `fading`: the
    accounts of the days before it as (micro, end, half-life). Both are missing (`fading` is None) until asked for."""

    begins: int
    ends: int
    earned: int = 0
    fading: list[tuple[int, int, float]] | None = None


class LeadState(msgspec.Struct, array_like=True):
    """`seq` counts score records; `time` is the latest event's, `total` the total at that moment.

    Days are ordinals of the playbook's calendar; `seen` maps days to 64-bit hashes of message ids, in the order of
    arrival (see `duplicates`).

    Derived from the others and from the playbook of the id `playbook`, so that an event costs the same however long the
    history is: `day` (the latest, 0 before the first), `past` (each rule's account of the days before it; missing where
    there is none, and where nobody has asked since an earlier day was booked), `holding` (the numbers of the attribute
    rules that hold) with their sum `attribute`, `first` (no day of any rule is earlier). `today` and `level_ends` (when
    the level does; None: ask) are never stored.
    """

    seq: int = 0
    epoch: int = 0
    time: int = BEFORE_ALL
    total: int = 0
    fields: dict[str, FieldValue] = msgspec.field(default_factory=dict)
    behaviour: dict[str, dict[int, RuleDay]] = msgspec.field(default_factory=dict)
    signals: dict[str, SignalState] = msgspec.field(default_factory=dict)
    levels: dict[str, int] = msgspec.field(default_factory=dict)
    seen: dict[int, dict[int, None]] = msgspec.field(default_factory=dict)
    playbook: str = ""
    day: int = 0
    past: dict[str, Account] = msgspec.field(default_factory=dict)
    attribute: int | None = None
    holding: list[int] | None = None
    first: int = 0
    today: Today | None = None
    level_ends: int | None = None

    def follow(self, playbook: str) -> None:
        """From now on the derived parts follow the playbook of this id."""
        self.playbook, self.day, self.past, self.first, self.today = playbook, 0, {}, 0, None
        self.attribute, self.holding, self.level_ends = None, None, None


STORED = LeadState.__struct_fields__[: LeadState.__struct_fields__.index("today")]
_stored = attrgetter(*STORED)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(LeadState)


def encode_state(state: LeadState) -> bytes:
    """What is stored of a lead."""
    return _encoder.encode(_stored(state))


def decode_state(raw: bytes) -> LeadState:
    """Raises `msgspec.MsgspecError` when the bytes are no lead state."""
    return _decoder.decode(raw)
