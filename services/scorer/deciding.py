"""What the deciding side of the scorer is to the rest of it: any scoring, and how its states are stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from services.scorer.scoring.heard import Remark
from shared.events import Event
from shared.scores import Position, ScoreRecord

S = TypeVar("S")


class Heard(Protocol):
    """What the deciding side has made of the event at `offset`."""

    @property
    def offset(self) -> int: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...


H = TypeVar("H", bound=Heard)


class Codec(NamedTuple, Generic[S]):
    """How a lead's state becomes bytes and back, and by which playbook bytes were made."""

    encode: Callable[[S], bytes]
    decode: Callable[[bytes], S]
    playbook_of: Callable[[bytes], str]


class Scoring(Protocol[S, H]):
    """The deciding side, see `services.scorer.scoring.Scorer`."""

    @property
    def playbook_id(self) -> str: ...

    def new_state(self) -> S: ...

    def hear(self, event: Event, offset: int, day: int) -> H: ...

    def score(
        self, state: S, events: Sequence[H], partition: int, event_at: Callable[[int], Event]
    ) -> Sequence[ScoreRecord | Event | Remark]: ...

    def rescore(self, state: S, lead_id: str, position: Position, at: int) -> ScoreRecord | None: ...

    def erase(self, state: S, event: Event, offset: int) -> Sequence[Event]: ...
