"""What the scorer remembers of one lead: sums, dates and recent ids, from which the score follows at any time.

Every part that is stored, but for `seq`, `total` and what is derived, is an accumulator whose result does not depend
on the order in which events arrive: sums of whole numbers, earliest and latest by (time, id), and the set of `seen`.
Times are milliseconds since 1970 in UTC; points are micro-points.
"""

from __future__ import annotations

import zlib
from operator import attrgetter
from typing import Any

import msgspec

from services.scorer.scoring.parts import (
    Account,
    CampaignStates,
    FieldValue,
    Links,
    Mails,
    RuleState,
    SignalState,
)
from services.scorer.scoring.people import INTERNAL
from services.scorer.scoring.squeezing import head, is_squeezed, pack_days, squeeze, unpack_days, unsqueeze
from services.scorer.scoring.times import BEFORE_ALL
from services.scorer.scoring.today import Today

FORMAT = -5


class StateError(Exception):
    """What is stored of a lead is no state that this version can read."""


class LeadState(msgspec.Struct, gc=False, array_like=True):
    """`format` is the version of this layout, below all numbers that stood first in earlier ones.

    `seq` counts score records; `time` is the latest event's, `total` the total at that moment. `epoch` is when the lead
    was last recycled, 0 if never: of days up to that one nothing is kept.

    Days are ordinals of the playbook's calendar; `seen` maps days to hashes of message ids, one after the other in the
    order of arrival (see `duplicates`).

    `ignored` counts by reason the events that are worth nothing (see `people`).

    `links` is there only where other identities are the same person.

    `campaigns` has by channel and campaign what the lead did in it, the latest alone (see `campaigns`).
    `mails` is there only where acts may turn out to be a scanner's; of a lead with members, in `own` of its links.

    `reading` tells by what playbook events were read, 0 before the first (see `reading`); not `exact` where another one
    read some of them differently.

    Derived from the others and from the playbook of the id `playbook`, so that an event costs the same however long the
    history is: `day` (the latest, 0 before the first), `past` (each rule's account of the days before it; missing where
    there is none, and where nobody has asked since an earlier day was booked), `holding` (the numbers of the attribute
    rules that hold) with their sum `attribute`, `first` (no day of any rule is earlier). `today` and `level_ends` (when
    the level does, or may change otherwise; None: ask) are never stored, nor is `taken_over`: since the last event the
    playbook has changed.
    """

    format: int = FORMAT
    seq: int = 0
    epoch: int = 0
    time: int = BEFORE_ALL
    total: int = 0
    fields: dict[str, FieldValue] = msgspec.field(default_factory=dict)
    behaviour: dict[str, RuleState] = msgspec.field(default_factory=dict)
    signals: dict[str, SignalState] = msgspec.field(default_factory=dict)
    levels: dict[str, int] = msgspec.field(default_factory=dict)
    seen: dict[int, bytes] = msgspec.field(default_factory=dict)
    reading: int = 0
    exact: bool = True
    ignored: dict[str, int] = msgspec.field(default_factory=dict)
    links: Links | None = None
    campaigns: CampaignStates = msgspec.field(default_factory=dict)
    playbook: str = ""
    day: int = 0
    past: dict[str, Account] = msgspec.field(default_factory=dict)
    attribute: int | None = None
    holding: list[int] | None = None
    first: int = 0
    mails: Mails | None = None
    today: Today | None = None
    level_ends: int | None = None
    taken_over: bool = False

    @property
    def is_internal(self) -> bool:
        """Whether the lead is a colleague, or a test account."""
        return INTERNAL in self.ignored

    def follow(self, playbook: str) -> None:
        """From now on the derived parts follow the playbook of this id."""
        self.playbook, self.day, self.past, self.first, self.today = playbook, 0, {}, 0, None
        self.attribute, self.holding, self.level_ends = None, None, None


STORED = LeadState.__struct_fields__[: LeadState.__struct_fields__.index("today")]
FEW_DAYS = 3
"""The account of so few days is reckoned anew sooner than it is written and read."""
LARGE = 2_000
"""Bytes from which a state is stored in fewer, which takes some 100 µs."""
_BEHAVIOUR, _PAST = STORED.index("behaviour"), STORED.index("past")
_stored = attrgetter(*STORED)
_UNREADABLE = (
    "a lead's state was written by another version of the scorer, which must read the events anew: give it another "
    "TASUKI_TOPIC_PREFIX, or empty scorer-state and the offsets of its group"
)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(LeadState)
# Of a state only what tells by which playbook it was made: a whole one takes twenty times as long to read.
_Head = msgspec.defstruct(
    "_Head",
    [(name, {"format": int, "playbook": str}.get(name, msgspec.Raw)) for name in STORED],
    array_like=True,
)
_head_decoder = msgspec.msgpack.Decoder(_Head)


def encode_state(state: LeadState) -> bytes:
    """What is stored of a lead."""
    raw = _encoder.encode(_stored(state))
    if len(raw) < LARGE:
        return raw
    stored = list(_stored(state))
    stored[_BEHAVIOUR] = {id: _packed(rule) for id, rule in state.behaviour.items()}
    stored[_PAST] = {id: past for id, past in state.past.items() if len(state.behaviour[id].days) > FEW_DAYS}
    return squeeze(_encoder.encode(stored), state.playbook)


def _packed(rule: RuleState) -> RuleState:
    packed = pack_days(rule.days) if len(rule.days) > FEW_DAYS else None
    return (
        rule if packed is None else RuleState({}, rule.times, rule.last, rule.event_id, rule.forgot, rule.spare, packed)
    )


def decode_state(raw: bytes) -> LeadState:
    """Raises `StateError`."""
    try:
        state: LeadState = _checked(_decoder.decode(unsqueeze(raw) if is_squeezed(raw) else raw))
    except (msgspec.MsgspecError, zlib.error) as error:
        raise StateError(f"{_UNREADABLE} ({error})") from error
    for rule in state.behaviour.values():
        if rule.packed:
            rule.days, rule.packed = unpack_days(rule.packed), b""
    return state


def copied(state: LeadState) -> LeadState:
    """Another one that is stored alike."""
    copy: LeadState = _decoder.decode(_encoder.encode(_stored(state)))
    return copy


def playbook_of(raw: bytes) -> str:
    """The id of the playbook that a stored state follows. Raises `StateError`."""
    try:
        if is_squeezed(raw):
            return head(raw).playbook
        found = _head_decoder.decode(raw)
    except msgspec.MsgspecError as error:
        raise StateError(f"{_UNREADABLE} ({error})") from error
    playbook: str = _checked(found).playbook
    return playbook


def _checked(found: Any) -> Any:
    if found.format != FORMAT:
        raise StateError(f"{_UNREADABLE} (format {found.format} instead of {FORMAT})")
    return found
