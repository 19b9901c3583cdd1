"""A lead's score: the value of topic `scores`, and what it is worth at any moment.

All points are kept as whole micro-points (1 point = 1,000,000) inside, so that sums do not depend on the order
of their parts; JSON shows points. `score_at` and `falls_below` are the one place where decay is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from shared.points import decayed, to_micro

BOUNDS = "bounds"
"""The rule, and the dimension, of what the bounds of the total take or give."""
LONGEST_STEP_MS = 10**14  # three thousand years: what is left by then never fades
CLOUD_EVENT_TYPE = "tasuki.score.updated"
PLAYBOOK_CHANGED = "playbook"
"""The kind of a trigger that is no event: the lead was scored anew by another playbook, whose id is its `event_id`."""


ListKind = Literal["house", "outside"]
"""One's own leads, and those that are only known from a list that was bought or researched (domain A4)."""


class Contribution(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """What one rule adds now: all contributions of a record without a dimension of their own add up to its `total`
    exactly.

    `earned` is what it added before it faded, missing where that is the same; `uncapped` what it would have earned
    without caps, missing where none has cut. `event_id` is the latest event's."""

    rule: str
    dimension: str  # "attribute", "behaviour", "bounds", or one of the playbook's
    points: float
    times: int
    last: datetime | None = None
    event_id: str = ""
    earned: float | None = None
    uncapped: float | None = None


class DecayTerm(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """`points` until `since`; afterwards halved every `half_life_seconds`, and nothing from `until` on. Terms of a
    `dimension` are no part of the total."""

    points: float
    since: datetime
    half_life_seconds: float
    until: datetime | None = None
    dimension: str | None = None


class Signal(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """A dated fact that stage criteria ask for, such as `inquiry_made`. `kept` holds the latest event's facts; `recent`
    when it was shown latest, the last time first, where a guard asks how often that was lately."""

    first: datetime
    last: datetime
    times: int
    event_id: str
    kept: dict[str, Any] = msgspec.field(default_factory=dict)
    recent: list[datetime] = msgspec.field(default_factory=list)


class Trigger(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """The event that led to a record; of kind `playbook`, the playbook (`event_id`) by which the lead was scored anew.
    `received_at` starts the clock of the event-to-hand-off latency."""

    event_id: str
    source: str
    kind: str
    time: datetime
    received_at: datetime
    name: str = ""
    channel: str | None = None
    action: str | None = None
    medium: str | None = None


class Position(msgspec.Struct, gc=False, frozen=True):
    """The last record of `events` that the score includes."""

    partition: int
    offset: int


class Campaign(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """What the lead did in one campaign of a channel: actions of the catalogue, absence included, and the level that
    they make, whether it still holds or not. `last` is the latest action's time."""

    channel: str
    campaign: str
    actions: list[str]
    level: int
    last: datetime


class ScoreRecord(msgspec.Struct, gc=False, frozen=True, kw_only=True, omit_defaults=True):
    """The lead at `time`: of its latest event, or when it was scored anew by another playbook. A record never holds
    more than one new signal, and is either history or live as a whole, so that decisions do not depend on how the
    scorer's batches were cut."""

    lead_id: str
    seq: int
    epoch: int
    """When the behaviour score last began anew, in milliseconds since 1970; 0: never. It falls when the member leaves
    that had begun anew: `seq` alone tells which record is the newer one."""
    time: datetime
    attribute: float
    behaviour: float
    total: float
    trigger: Trigger
    position: Position
    playbook: str
    historical: bool = False
    exact: bool = True
    """Whether all events were counted by this playbook. False after a change of what events mean (which event a rule
    is about, where a field is found), as those of before are gone: until the log is read anew."""
    ignored: dict[str, int] = msgspec.field(default_factory=dict)
    """How many events are worth nothing, by reason: crawler, internal_network, mail_scanner, consent_withheld, internal
    (then all of the lead's)."""
    at_least: float | None = None
    at_most: float | None = None
    """The bounds of the total."""
    grade: str | None = None  # of the attribute score, A to D; None: the playbook has no grades
    dimensions: dict[str, float] = msgspec.field(default_factory=dict)
    level: int = 0
    level_until: datetime | None = None
    list_kind: ListKind = "house"
    campaigns: list[Campaign] = msgspec.field(default_factory=list)  # the latest few, the latest first
    signals: dict[str, Signal] = msgspec.field(default_factory=dict)
    reported: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    """By each signal that the trigger itself shows: the facts kept of it. `signals` has the latest event's, which
    is another one whenever events arrive out of order."""
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)  # fields of the playbook; no personal data
    contributions: list[Contribution] = msgspec.field(default_factory=list)
    decay: list[DecayTerm] = msgspec.field(default_factory=list)
    members: list[str] = msgspec.field(default_factory=list)
    """Other lead ids that are this lead by now: what they did is in this score."""
    merged_into: str | None = None
    """This id is another lead's by now: the last that is told of it, unless that is undone."""

    @property
    def id(self) -> str:
        """Deterministic: a repeated delivery carries the same id."""
        return f"score:{self.lead_id}:{self.epoch}:{self.seq}"


encode_score = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(ScoreRecord)


def decode_score(raw: bytes) -> ScoreRecord:
    """Raises `msgspec.MsgspecError` when the bytes are no score record."""
    return _decoder.decode(raw)


def worth_at(terms: Iterable[DecayTerm], moment: datetime, dimension: str | None = None) -> int:
    """What the terms of a dimension are worth, in micro-points; of None those of the total."""
    return sum(_term_at(term, moment) for term in terms if term.dimension == dimension)


def score_at(attribute: float, terms: Iterable[DecayTerm], moment: datetime) -> int:
    """The total without its bounds, in micro-points, at `moment`, provided that no further event comes."""
    return to_micro(attribute) + worth_at(terms, moment)


def falls_below(attribute: float, terms: Iterable[DecayTerm], threshold: float, after: datetime) -> datetime | None:
    """The first millisecond, from `after` on, at which the total is no longer over `threshold`; None if never.

    Exact also where some terms are negative, so that the total may rise again: all that is positive only falls and all
    that is negative only rises towards nothing, so between two moments the total is never under the positive part of
    the later one with the negative part of the earlier one. Steps are as long as that stays over the threshold."""
    limit, total = to_micro(threshold), [term for term in terms if term.dimension is None]
    up, down = [term for term in total if term.points > 0], [term for term in total if term.points < 0]
    base, at, step = to_micro(attribute), after, 1
    if score_at(attribute, total, at) <= limit:
        return at
    while step < LONGEST_STEP_MS:
        try:
            then = at + timedelta(milliseconds=step)
        except OverflowError:
            return None
        if base + worth_at(up, then) + worth_at(down, at) > limit:
            at, step = then, step * 2
        elif step > 1:
            step //= 2
        elif score_at(attribute, total, then) <= limit:
            return then
        else:
            at = then
    return None


def _term_at(term: DecayTerm, moment: datetime) -> int:
    if term.until is not None and moment >= term.until:
        return 0
    return decayed(to_micro(term.points), (moment - term.since).total_seconds(), term.half_life_seconds)
