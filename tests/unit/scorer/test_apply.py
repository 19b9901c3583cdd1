"""One batch applied: grouping, copies, publishing, burying."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from services.scorer.apply import Applied, Applying, Codec
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from shared.events import Event, Kind, encode_event
from shared.playbook import load_playbook
from shared.scores import decode_score
from shared.topics import Topics
from tests.load.counting import CODEC, Count, Counting

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
    timestamp: int = 2**42


def record(offset: int, lead: str, points: int = 1, name: str = "", **other: Any) -> Record:
    event = Event(
        kind=Kind.TRACK,
        id=f"m{offset}",
        source="web",
        key=lead,
        time=other.get("time", NOW),
        received_at=other.get("received_at", NOW),
        name=name,
        properties={"points": points},
    )
    return Record(offset, lead.encode(), encode_event(event))


def apply(records: list[Record], states: dict[str, Count] | None = None) -> Applied:
    known = {lead: CODEC.encode(state) for lead, state in (states or {}).items()}
    return Applying(TOPICS, Counting(), CODEC).apply(records, known.get, NOW)


def states(applied: Applied) -> dict[str, Count]:
    return {lead: CODEC.decode(raw) for lead, raw in applied.changes.items()}


def buried(applied: Applied) -> list[Any]:
    return [output for output in applied.outputs if output.topic == TOPICS.dead_letters]


def test_events_are_grouped_by_lead_in_log_order() -> None:
    applied = apply([record(0, "a", 1), record(1, "b", 10), record(2, "a", 2)])
    assert states(applied) == {"a": Count(2, 3, 2), "b": Count(1, 10, 1)}
    assert (applied.events, applied.dead_letters) == (3, 0)


def test_states_known_before_are_continued_but_never_changed() -> None:
    known = Count(5, 50, 7)
    assert states(apply([record(8, "a", 1)], {"a": known})) == {"a": Count(6, 51, 8)}
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
    "a key that no index can hold": (b"a" * 1_101, record(0, "a" * 1_101).value, b"1101 bytes"),
    "a key that Postgres cannot hold": (b"a\0", record(0, "a\0").value, b"NUL"),
    "no time zone": (b"a", record(0, "a", time=NOW.replace(tzinfo=None)).value, b"time zone"),
    "received without a time zone": (b"a", record(0, "a", received_at=NOW.replace(tzinfo=None)).value, b"time zone"),
    "received in a far future": (b"a", record(0, "a", received_at=NOW.replace(year=9999)).value, b"received_at"),
    "received before there were computers": (b"a", record(0, "a", received_at=NOW.replace(year=1)).value, b"received"),
    "before the first year": (
        b"a",
        record(0, "a", time=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))).value,
        b"years",
    ),
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
    assert states(applied)["a"].events == 2
    assert applied.dead_letters == 1


@pytest.mark.parametrize("name", ["unhearable", "unbearable"])
def test_an_event_that_no_rule_can_bear_is_buried_alone(name: str) -> None:
    """Whether it fails when it is heard or when its lead is scored."""
    applied = apply([record(0, "a", 1), record(1, "a", name=name), record(2, "a", 4)], {"a": Count(1, 1, -1)})
    (letter,) = buried(applied)
    assert b"ArithmeticError" in dict(letter.headers)["tasuki_reason"]
    assert dict(letter.headers)["tasuki_origin"] == b"t.events/3/1"
    assert states(applied) == {"a": Count(3, 6, 2)}
    assert applied.events == 2


def test_a_lead_with_nothing_bearable_is_not_made() -> None:
    assert apply([record(0, "a", name="unbearable")]).changes == {}


def test_an_event_whose_state_or_record_cannot_be_written_is_buried_alone() -> None:
    """Before the commit, which would fail again with every restart."""
    scorer = Scorer(load_playbook())
    records = [record(0, "a", name="x"), record(1, "a", name="x" * 950_000)]
    applied = Applying(TOPICS, scorer, Codec(encode_state, decode_state, playbook_of)).apply(records, {}.get, NOW)
    (letter,) = buried(applied)
    headers = dict(letter.headers)
    assert headers["tasuki_origin"] == b"t.events/3/1"
    assert b"the score record would have" in headers["tasuki_reason"]
    assert applied.events == 1
    assert (applied.scores, len(applied.received)) == (1, 1)


def test_a_state_that_cannot_be_encoded_is_never_handed_to_the_store() -> None:
    applied = Applying(TOPICS, Counting(), CODEC).apply([record(0, "a"), record(1, "a", 2**70)], {}.get, NOW)
    assert b"OverflowError" in dict(buried(applied)[0].headers)["tasuki_reason"]
    assert states(applied) == {"a": Count(1, 1, 0)}


def test_live_events_of_long_ago_are_counted() -> None:
    records = [record(0, "a"), record(1, "a", time=NOW.replace(year=2020))]
    applying = Applying(TOPICS, Scorer(load_playbook()), Codec(encode_state, decode_state, playbook_of))
    assert applying.apply(records, {}.get, NOW).remarks["late"] == 1


def test_what_the_playbook_does_not_speak_of_is_counted() -> None:
    names = ["Quote Calculated", "Webinar Attended", "Deal Won", "Email Opened"]
    records = [record(number, "a", name=name) for number, name in enumerate(names)]
    applying = Applying(TOPICS, Scorer(load_playbook()), Codec(encode_state, decode_state, playbook_of))
    assert applying.apply(records, {}.get, NOW).remarks == {"unclassified": 1}
