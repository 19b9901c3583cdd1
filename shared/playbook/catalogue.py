"""Events by what they are in the catalogue of channels × actions (domain A1), told by event names and checks alone."""

from __future__ import annotations

from collections.abc import Mapping

from shared.events import Kind
from shared.playbook.channels import Channel
from shared.playbook.conditions import EventMatch

Alternative = tuple[EventMatch, ...]
"""Matches that an event satisfies all at once. Only the parts of each that ask the event itself count."""


def alternatives(match: EventMatch, channels: Mapping[str, Channel]) -> list[Alternative]:
    """What `match` asks: an event satisfies it if it satisfies one of these.

    Raises `KeyError` for a channel that is none; unknown actions are passed over (`crosscheck` finds both)."""
    if match.channel is None:
        return [(match,)]
    return [
        (match, action.when)
        for id, action in channels[match.channel].actions.items()
        if not match.actions or id in match.actions
    ]


def concerns(alternative: Alternative, kind: Kind, name: str) -> bool:
    """Whether events of this kind and name may satisfy it."""
    return all(_concerns(match, kind, name) for match in alternative)


def may_be(alternative: Alternative) -> bool:
    """Whether there are a kind and a name of event that may satisfy it."""
    names = {name for match in alternative for name in match.names} or {""}
    return any(concerns(alternative, kind, name) for kind in Kind for name in names)


def _concerns(match: EventMatch, kind: Kind, name: str) -> bool:
    if match.names:
        return kind is (match.kind or Kind.TRACK) and name in match.names
    return match.kind is None or kind is match.kind
