"""From where on in the log which playbook holds (domain D6): told by an event in every partition of `events`, so that
all workers change at the same place, whenever they come to it.

The text of each playbook that was ever activated is in the topic `playbooks` under its id.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from shared.events import Event, Kind, decode_event

SOURCE = "tasuki/router"
KEY = "tasuki:playbook"
RAW_KEY = KEY.encode()
NAME = "Playbook Activated"


class Activation(msgspec.Struct, frozen=True):
    """Properties of an event of kind `playbook`. `number`: the how manieth activation it is."""

    playbook: str
    number: int


def check(event: Event) -> None:
    """Raises `ValueError` unless the event, of this kind, is the router's own."""
    if event.source != SOURCE or event.key != KEY or event.traits or event.historical:
        raise ValueError("events of kind playbook are the router's own, and about no lead")
    try:
        msgspec.convert(event.properties, Activation)
    except msgspec.ValidationError as error:
        raise ValueError(f"no activation: {error}") from error


def activation_event(activation: Activation, at: datetime) -> Event:
    """The playbook holds from here on."""
    return Event(
        kind=Kind.PLAYBOOK,
        id=f"playbook:{activation.number}",
        source=SOURCE,
        key=KEY,
        time=at,
        received_at=at,
        name=NAME,
        properties=msgspec.to_builtins(activation),
    )


def activated(key: bytes | None, value: bytes | None) -> str | None:
    """The id of the playbook that a record of `events` activates; None: it is any other record, also one that is no
    event. Asked of every record: nearly all are told by their key."""
    if key != RAW_KEY:
        return None
    try:
        event = decode_event(value or b"")
        if event.kind is not Kind.PLAYBOOK:
            return None
        check(event)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        return None  # whoever scores it finds the same, and keeps a dead letter
    return msgspec.convert(event.properties, Activation).playbook
