"""Who wants which messages: the filters of webhooks and streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from services.router.alert_messages import alert_type
from services.router.feedback.told import REPORTED
from services.router.lifecycle.model import Alerted
from services.router.messages import STAGE_CHANGED, handoff_types
from shared.topics import Topics

GIVER_ONLY = frozenset({REPORTED})
"""What the giver of a hand-off is told and nobody else; of all others the giver's is a second copy."""
TYPES = (
    STAGE_CHANGED,
    *handoff_types(),
    *GIVER_ONLY,
    *(alert_type(kind.value) for kind in Alerted),
)


class Side(NamedTuple):
    """A department and, where one is named, its team."""

    department: str | None
    team: str | None


@dataclass(frozen=True, slots=True)
class Addressed:
    """A message of a topic and whom it is for. Of a hand-off the giver is told the outcome in the giver's topic: then
    `receiver` is who reads the same message in another one."""

    type: str
    lead_id: str
    side: Side
    receiver: Side | None = None


@dataclass(frozen=True, slots=True)
class Interest:
    """What a subscriber wants; an empty set: all. A type may end in `.*`, for all that begin so."""

    types: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    leads: frozenset[str] = frozenset()

    def wants(self, message: Addressed) -> bool:
        """Each message once: who also wants what is for the receiver gets the receiver's."""
        if self.leads and message.lead_id not in self.leads:
            return False
        if self.types and not any(_names(pattern, message.type) for pattern in self.types):
            return False
        return self._is_for(message.side) and not (message.receiver and self._is_for(message.receiver))

    def _is_for(self, side: Side) -> bool:
        return (not self.departments or side.department in self.departments) and (
            not self.teams or side.team in self.teams
        )


class Addressing:
    """Reads from messages whom they are for."""

    def __init__(self, topics: Topics) -> None:
        self._plain = {topics.stages, topics.alerts}
        self._handoffs = topics.handoffs("")

    def read(self, topic: str, type: str, value: bytes) -> Addressed | None:
        """None for topics that are not told to subscribers. Raises `msgspec.MsgspecError` for no message of ours."""
        if topic in self._plain:
            body = _decode_plain(value)
            return Addressed(type, body.lead_id, Side(body.department, body.team))
        if not topic.startswith(self._handoffs):
            return None
        handoff = _decode_handoff(value)
        receiver = Side(handoff.receiver.department, handoff.receiver.team)
        if topic.removeprefix(self._handoffs) == receiver.department:
            return Addressed(type, handoff.lead_id, receiver)
        giver = Side(handoff.giver.department, handoff.giver.team)
        return Addressed(type, handoff.lead_id, giver, None if type in GIVER_ONLY else receiver)


def unknown_types(patterns: frozenset[str]) -> list[str]:
    """Those that no message will ever have."""
    return sorted(pattern for pattern in patterns if not any(_names(pattern, type) for type in TYPES))


def _names(pattern: str, type: str) -> bool:
    return type == pattern or (pattern.endswith(".*") and type.startswith(pattern[:-1]))


class _Plain(msgspec.Struct):
    lead_id: str
    department: str | None = None
    team: str | None = None


class _Party(msgspec.Struct):
    department: str
    team: str | None = None


class _HandOff(msgspec.Struct):
    lead_id: str
    giver: _Party = msgspec.field(name="from")
    receiver: _Party = msgspec.field(name="to")


_decode_plain = msgspec.json.Decoder(_Plain).decode
_decode_handoff = msgspec.json.Decoder(_HandOff).decode
