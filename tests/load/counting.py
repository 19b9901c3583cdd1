"""A worker whose scoring only counts: measures the stream, and shows every event lost or applied twice.

Unlike the real scoring it does not recognise copies of a message, so nothing is hidden.
Run as a script it is a scorer process, configured by the environment like the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

import msgspec

from services.scorer.apply import Codec
from services.scorer.bootstrap import run
from services.scorer.settings import ScorerSettings
from shared.events import Event
from shared.scores import Position, ScoreRecord, Trigger
from shared.settings import load_settings


class Count(msgspec.Struct, array_like=True):
    """`last` is the offset of the latest event, `playbook` the name by which was counted."""

    events: int = 0
    points: int = 0
    last: int = -1
    playbook: str = "counting"


class Heard(NamedTuple):
    """What is kept of an event until it is counted: as little as the real scoring keeps."""

    offset: int
    points: int
    unbearable: bool
    remarks: tuple[str, ...] = ()


class Counting:
    """One score record per lead and batch; its total is the number of events, its attribute their points."""

    playbook_id = "counting"

    def new_state(self) -> Count:
        return Count()

    def hear(self, event: Event, offset: int, day: int) -> Heard:
        if event.name == "unhearable":
            raise ArithmeticError("nobody can hear this")
        return Heard(offset, event.properties.get("points", 0), event.name == "unbearable")

    def score(
        self, state: Count, events: Sequence[Heard], partition: int, event_at: Callable[[int], Event]
    ) -> list[ScoreRecord]:
        for heard in events:
            if heard.unbearable:
                raise ArithmeticError("no rule can bear this")
            assert heard.offset > state.last, f"{heard.offset} comes after {state.last}"
            state.events += 1
            state.points += heard.points
            state.last = heard.offset
            state.playbook = self.playbook_id
        last = event_at(events[-1].offset)
        return [
            ScoreRecord(
                lead_id=last.key,
                seq=state.events,
                epoch=0,
                time=last.time,
                attribute=float(state.points),
                behaviour=0.0,
                total=float(state.events),
                trigger=Trigger(
                    event_id=last.id, source=last.source, kind=last.kind, time=last.time, received_at=last.received_at
                ),
                position=Position(partition, state.last),
                playbook=self.playbook_id,
            )
        ]

    def rescore(self, state: Count, lead_id: str, position: Position, at: int) -> ScoreRecord | None:
        raise AssertionError("there is no other playbook to count by")


_decode = msgspec.msgpack.Decoder(Count).decode
CODEC: Codec[Count] = Codec(msgspec.msgpack.Encoder().encode, _decode, lambda raw: _decode(raw).playbook)


def main() -> NoReturn:
    run(load_settings(ScorerSettings), Counting(), CODEC)


if __name__ == "__main__":
    main()
