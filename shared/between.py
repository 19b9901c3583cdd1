"""What the scorer tells itself from one partition to another, by events in the log: who is the same person.

`Link`: the event's lead is also known as `lead`, as `witness` said at its place `version`; or, if it `ends`, does not
say so any more; `taken_back`: a user has said that they are two; `erased`: `lead` is no more, and whoever names it
forgets it.

`Membership`: `member` is of the event's lead, and has gathered `parts` up to its place `position`: by identity the
place up to which that one's part goes, and its state. Without any it has left.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from shared.events import Event, Kind

SOURCE = "tasuki/scorer"
T = TypeVar("T")


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """Properties of an event of kind `link`."""

    lead: str
    witness: str
    version: int
    ends: bool = False
    taken_back: bool = False
    erased: bool = False


class Membership(msgspec.Struct, frozen=True):
    """Properties of an event of kind `member`."""

    member: str
    position: int
    parts: dict[str, tuple[int, bytes]]


def link_of(event: Event) -> Link:
    """Raises `ValueError` where the event tells of none."""
    return _read(event, Link)


def membership_of(event: Event) -> Membership:
    """Raises `ValueError` where the event tells of none."""
    return _read(event, Membership)


def check(event: Event) -> None:
    """Raises `ValueError` unless the event, of one of these kinds, is the scorer's own."""
    if event.source != SOURCE or event.traits:
        raise ValueError(f"events of kind {event.kind.value} are the scorer's own")
    _read(event, Link if event.kind is Kind.LINK else Membership)


def told(cause: Event, key: str, id: str, what: Link | Membership) -> Event:
    """To the partition of `key`, because of the event `cause`."""
    return Event(
        kind=Kind.LINK if isinstance(what, Link) else Kind.MEMBER,
        id=id,
        source=SOURCE,
        key=key,
        time=cause.time,
        received_at=cause.received_at,
        name=cause.name,
        properties=msgspec.to_builtins(what),
        historical=cause.historical,
    )


def _read(event: Event, kind: type[T]) -> T:
    try:
        return msgspec.convert(event.properties, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"no {event.kind.value}: {error}") from error
