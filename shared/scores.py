"""A lead's score: the value of topic `scores`, and what it is worth at any moment.

All points are kept as whole micro-points (1 point = 1,000,000) inside, so that sums do not depend on the order
of their parts; JSON shows points. `score_at` and `falls_below` are the one place where decay is evaluated.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

MICRO = 1_000_000
CLOUD_EVENT_TYPE = "tasuki.score.updated"


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule adds now: all contributions of a record add up to its `total` exactly."""

    rule: str
    dimension: str  # "attribute" or "behaviour"
    points: float
    times: int
    last: datetime | None = None


class DecayTerm(msgspec.Struct, frozen=True, kw_only=True):
    """`points` until `since`; afterwards halved every `half_life_seconds`."""

    points: float
    since: datetime
    half_life_seconds: float


class Signal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A dated fact that stage criteria ask for, such as `inquiry_made`. `kept` holds the latest event's facts."""

    first: datetime
    last: datetime
    times: int
    event_id: str
    kept: dict[str, Any] = msgspec.field(default_factory=dict)


class Trigger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The event that led to a record. `received_at` starts the clock of the event-to-hand-off latency."""

    event_id: str
    source: str
    kind: str
    time: datetime
    received_at: datetime
    name: str = ""
    channel: str | None = None
    action: str | None = None
    medium: str | None = None


class Position(msgspec.Struct, frozen=True):
    """The last record of `events` that the score includes."""

    partition: int
    offset: int


class ScoreRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The lead at `time` (its latest event). A record never holds more than one new signal, and is either history
    or live as a whole, so that decisions do not depend on how the scorer's batches were cut."""

    lead_id: str
    seq: int
    epoch: int
    time: datetime
    attribute: float
    behaviour: float
    total: float
    highest_total: float  # since the previous record, evaluated at the events' own times
    trigger: Trigger
    position: Position
    playbook: str
    historical: bool = False
    level: int = 0
    level_until: datetime | None = None
    signals: dict[str, Signal] = msgspec.field(default_factory=dict)
    reported: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """By each signal that the trigger itself shows: the facts kept of it. `signals` has the latest event's, which
    is another one whenever events arrive out of order."""
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)  # fields of the playbook; no personal data
    contributions: list[Contribution] = msgspec.field(default_factory=list)
    decay: list[DecayTerm] = msgspec.field(default_factory=list)

    @property
    def id(self) -> str:
        """Deterministic: a repeated delivery carries the same id."""
        return f"score:{self.lead_id}:{self.epoch}:{self.seq}"


encode_score = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(ScoreRecord)


def decode_score(raw: bytes) -> ScoreRecord:
    """Raises `msgspec.MsgspecError` when the bytes are no score record."""
    return _decoder.decode(raw)


def to_micro(points: float) -> int:
    """Points as whole micro-points."""
    return round(points * MICRO)


def to_points(micro: int) -> float:
    """Micro-points as the number that people read."""
    return micro / MICRO


def decayed(micro: int, seconds: float, half_life_seconds: float) -> int:
    """`micro · 2^(−seconds / half-life)`, whole; before its start a term is worth all of it."""
    if seconds <= 0:
        return micro
    remaining: float = 2.0 ** (-seconds / half_life_seconds)
    return round(micro * remaining)


def score_at(attribute: float, terms: list[DecayTerm], moment: datetime) -> int:
    """The total in micro-points at `moment`, provided that no further event comes."""
    behaviour = sum(
        decayed(to_micro(term.points), (moment - term.since).total_seconds(), term.half_life_seconds) for term in terms
    )
    return to_micro(attribute) + behaviour


def falls_below(attribute: float, terms: list[DecayTerm], threshold: float, after: datetime) -> datetime | None:
    """The first millisecond after `after` at which the total is no longer over `threshold`; None if never.

    Assumes that decay only lowers the total (no negative behaviour terms outweigh it): found by bisection.
    """
    limit = to_micro(threshold)
    if score_at(attribute, terms, after) <= limit:
        return after
    if to_micro(attribute) > limit or not terms:
        return None
    low, high = 0, 1000
    while score_at(attribute, terms, after + timedelta(milliseconds=high)) > limit:
        low, high = high, high * 2
        if high > 10**14:  # three thousand years: the sum of what never decays stays above
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if score_at(attribute, terms, after + timedelta(milliseconds=middle)) > limit:
            low = middle
        else:
            high = middle
    return after + timedelta(milliseconds=high)
