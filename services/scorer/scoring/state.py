"""What the scorer remembers of one lead: sums, dates and recent ids, from which the score follows at any time.

Every part that is stored, but for `seq` and `total`, is an accumulator whose result does not depend on the order in
which events arrive: sums of whole numbers, earliest and latest by (time, id), sets. Times are milliseconds since 1970
in UTC; points are micro-points.
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


class Account(msgspec.Struct, frozen=True):
    """A rule's days up to the one that ends at `end`: `micro` is what they are worth then, `times` and `last` how
    often and when it was earned."""

    micro: int = 0
    end: int = 0
    times: int = 0
    last: int = BEFORE_ALL


class Today(msgspec.Struct):
    """The lead's latest calendar day, from `begins` to `ends`. `past`: each rule's account of the days before it;
    missing where nobody has asked since an earlier day was booked."""

    day: int
    begins: int
    ends: int
    past: dict[str, Account]


class LeadState(msgspec.Struct, array_like=True):
    """`seq` counts score records; `time` is the latest event's, `total` the total at that moment.

    Days are ordinals of the playbook's calendar; `seen` maps days to 64-bit hashes of message ids (see `duplicates`).
    `today` and `attribute` follow from the others and the playbook: they are kept in memory, because every event asks
    for them, and never stored: a state in memory belongs to one `Scorer`.
    """

    seq: int = 0
    epoch: int = 0
    time: int = BEFORE_ALL
    total: int = 0
    fields: dict[str, FieldValue] = msgspec.field(default_factory=dict)
    behaviour: dict[str, dict[int, RuleDay]] = msgspec.field(default_factory=dict)
    signals: dict[str, SignalState] = msgspec.field(default_factory=dict)
    levels: dict[str, int] = msgspec.field(default_factory=dict)
    seen: dict[int, set[int]] = msgspec.field(default_factory=dict)
    today: Today | None = None
    attribute: int | None = None

    def copy(self) -> LeadState:
        """A working copy that shares nothing: a failed commit must leave the original as it was."""
        copied = decode_state(encode_state(self))
        if self.today is not None:
            copied.today = Today(self.today.day, self.today.begins, self.today.ends, self.today.past.copy())
        copied.attribute = self.attribute
        return copied


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
