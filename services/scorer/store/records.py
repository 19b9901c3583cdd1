"""The records that a partition's store reads and writes."""

from __future__ import annotations

import msgspec

from shared.cloudevents import Headers

POSITION_KEY = b"\xffposition"
"""No UTF-8 text has this byte, so no lead id can ever be this key."""


class Output(msgspec.Struct, gc=False, frozen=True):
    """One record to publish together with a change of state. Without `partition` the key decides."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None


class PositionRecord(msgspec.Struct, gc=False, frozen=True):
    """How far the states have come: the last applied offset of `source`; and by which playbook what follows is to be
    scored (empty: none was ever activated)."""

    source: str
    position: int
    playbook: str = ""


encode_position = msgspec.json.Encoder().encode
decode_position = msgspec.json.Decoder(PositionRecord).decode
