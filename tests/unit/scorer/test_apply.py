"""One batch applied: grouping, copies, publishing, burying."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from services.scorer.apply import Applied, Applying
from shared.events import Event, Kind, encode_event
from shared.scores import decode_score
from shared.topics import Topics
from tests.load.counting import Count, Counting

NOW = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)
TOPICS = Topics("t.")


@dataclass
class Record:
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    topic: str = TOPICS.events
    partition: int = 3


def record(offset: int, lead: str, points: int = 1, name: str = "") -> Record:
    event = Event(
        kind=Kind.TRACK,
        id=f"m{offset}",
        source="web",
        key=lead,
        time=NOW,
        received_at=NOW,
        name=name,
        properties={"points": points},
    )
    return Record(offset, lead.encode(), encode_event(event))


def apply(records: list[Record], states: dict[str, Count] | None = None) -> Applied:
    return Applying(TOPICS, Counting()).apply(records, (states or {}).get, NOW)


def buried(applied: Applied) -> list[Any]:
    return [output for output in applied.outputs if output.topic == TOPICS.dead_letters]


def test_events_are_grouped_by_lead_in_log_order() -> None:
    applied = apply([record(0, "a", 1), record(1, "b", 10), record(2, "a", 2)])
    assert applied.changes == {"a": Count(2, 3, 2), "b": Count(1, 10, 1)}
    assert (applied.events, applied.dead_letters) == (3, 0)


def test_states_known_before_are_continued_but_never_changed() -> None:
    known = Count(5, 50, 7)
    assert apply([record(8, "a", 1)], {"a": known}).changes == {"a": Count(6, 51, 8)}
    assert known == Count(5, 50, 7)


def test_a_score_is_a_cloud_event_in_the_partition_of_its_events() -> None:
    (output,) = apply([record(4, "a")]).outputs
    score = decode_score(output.value or b"")
    assert (output.topic, output.key, output.partition) == (TOPICS.scores, b"a", 3)
    assert (score.lead_id, score.position.offset) == ("a", 4)
    headers = dict(output.headers)
    assert headers["ce_id"] == score.id.encode()
    assert (headers["ce_type"], headers["ce_subject"]) == (b"tasuki.score.updated", b"a")
    assert headers["ce_time"] == b"2026-04-01T09:30:00.000Z"


BAD = {
    "no JSON": (b"a", b"{oops", b"no event"),
    "another shape": (b"a", b'{"kind":"track"}', b"no event"),
    "no UTF-8": (b"a", b'{"kind":"\xff"}', b"no event"),
    "no value": (b"a", None, b"without a value"),
    "neither": (None, None, b"without a value"),
    "the key of somebody else": (b"b", record(0, "a").value, b"key"),
    "no key": (None, record(0, "a").value, b"key"),
    "an empty key": (b"", record(0, "").value, b"key"),
    "half a character": (b"a", (record(0, "a").value or b"").replace(b'"key":"a"', b'"key":"\\ud800"'), b""),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_event_is_buried_byte_for_byte_and_the_others_go_on(case: str) -> None:
    key, value, reason = BAD[case]
    bad = Record(1, key, value, [("sent-by", b"x\x00")])
    applied = apply([record(0, "a"), bad, record(2, "a")])
    (letter,) = buried(applied)
    assert letter.key == key
    assert letter.value == (b"" if key is None and value is None else value)
    assert letter.partition is None
    headers = dict(letter.headers)
    assert reason in headers["tasuki_reason"]
    assert headers["tasuki_origin"] == b"t.events/3/1"
    assert headers["sent-by"] == b"x\x00"
    assert applied.changes["a"].events == 2
    assert applied.dead_letters == 1


def test_an_event_that_no_rule_can_bear_is_buried_alone() -> None:
    applied = apply([record(0, "a", 1), record(1, "a", name="unbearable"), record(2, "a", 4)], {"a": Count(1, 1, -1)})
    (letter,) = buried(applied)
    assert b"ArithmeticError" in dict(letter.headers)["tasuki_reason"]
    assert dict(letter.headers)["tasuki_origin"] == b"t.events/3/1"
    assert applied.changes == {"a": Count(3, 6, 2)}
    assert applied.events == 2


def test_a_lead_with_nothing_bearable_is_not_made() -> None:
    assert apply([record(0, "a", name="unbearable")]).changes == {}
