"""What senders may do to the scorer: nothing crashes, nothing grows without bound, and each oddity is counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.scorer.apply import Applied, Applying, Codec
from services.scorer.metrics import ScorerMetrics
from services.scorer.scoring import Scorer
from services.scorer.scoring.duplicates import DIGEST_BYTES, MAX_REMEMBERED
from services.scorer.scoring.links import MOST_TOLD
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from shared.events import Event, Kind, encode_event
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, decode_score
from tests.unit.scorer.test_apply import TOPICS, Record

NOW = datetime(2026, 4, 1, 9, 30, tzinfo=UTC)
TODAY_MS = int(NOW.timestamp() * 1000)
APPLYING = Applying(TOPICS, Scorer(load_playbook()), Codec(encode_state, decode_state, playbook_of))


def event(number: int, at: datetime = NOW, **fields: Any) -> Event:
    given = {"kind": Kind.TRACK, "name": "Document Downloaded", "received_at": at} | fields
    return Event(id=f"m{number}", source="web", key="lead", time=at, **given)


def record(event: Event, offset: int) -> Record:
    value = encode_event(event)
    return Record(offset, event.key.encode(), value, timestamp=int(event.received_at.timestamp() * 1000))


def apply(*events: Event) -> Applied:
    return APPLYING.apply([record(event, offset) for offset, event in enumerate(events)], {}.get, NOW)


def counted(applied: Applied) -> Callable[[str], float | None]:
    metrics = ScorerMetrics()
    metrics.committed(applied, 0.01, NOW)
    return lambda name: metrics.registry.get_sample_value(f"tasuki_scorer_{name}_total")


def last(applied: Applied) -> ScoreRecord:
    return decode_score([output.value or b"" for output in applied.outputs if output.topic == TOPICS.scores][-1])


def identify(**traits: Any) -> Event:
    return event(1, kind=Kind.IDENTIFY, name="", traits=traits)


MISFITS = {
    "a list of titles": {"title": ["部長", "課長"]},
    "an object": {"occupation": {"code": 7}},
    "a size that is no number": {"company": {"employees": "many"}},
    "a size that is true": {"company": {"employees": True}},
    "a size in a list": {"employees": [1200]},
    "an address that is a number past all bounds": {"prefecture": [[[]]]},
}


@pytest.mark.parametrize("case", MISFITS)
def test_traits_of_a_wrong_type_are_worth_nothing_and_are_counted(case: str) -> None:
    applied = apply(identify(**MISFITS[case]), event(2))
    assert (last(applied).attribute, last(applied).total) == (0.0, 15.0)
    assert (counted(applied)("misfit_traits_events"), applied.dead_letters) == (1.0, 0)


@pytest.mark.parametrize(
    "traits",
    [
        {"title": "部長", "company": {"name": "アクメ", "employees": "1,200", "industry": "製造"}},
        {"company": "アクメ", "employees": 1200},
        {"title": "", "prefecture": None, "phone": 312345678},
        {"favourites": ["a", "b"], "address": {"state": "大阪"}},
    ],
)
def test_traits_as_people_write_them_are_no_misfits(traits: dict[str, Any]) -> None:
    assert counted(apply(identify(**traits)))("misfit_traits_events") == 0.0


def test_what_is_said_to_happen_in_2099_happens_when_it_is_received_and_is_counted() -> None:
    applied = apply(event(1, NOW.replace(year=2099), received_at=NOW), event(2, NOW + timedelta(minutes=1)))
    assert (last(applied).time, last(applied).total) == (NOW + timedelta(minutes=1), 30.0)
    assert counted(applied)("future_events") == 1.0


def test_a_clock_some_minutes_ahead_is_nothing_odd() -> None:
    applied = apply(event(1, NOW + timedelta(minutes=20), received_at=NOW))
    assert (last(applied).time, counted(applied)("future_events")) == (NOW, 0.0)


def test_what_is_said_to_have_happened_in_1970_moves_no_points_and_is_counted() -> None:
    applied = apply(event(1, datetime(1970, 1, 1, tzinfo=UTC), received_at=NOW), event(2))
    assert (last(applied).time, last(applied).total) == (NOW, 15.0)
    assert (counted(applied)("late_events"), applied.dead_letters) == (1.0, 0)


def test_history_of_1970_has_faded_and_harms_nothing() -> None:
    old = event(1, datetime(1970, 1, 1, tzinfo=UTC), received_at=NOW, historical=True)
    applied = apply(old, event(2))
    assert (last(applied).time, last(applied).total) == (NOW, 15.0)


def test_ten_thousand_names_are_counted_together_and_leave_nothing_behind() -> None:
    applied = apply(*(event(number, name=f"Name {number}") for number in range(10_000)))
    assert counted(applied)("unclassified_events") == 10_000
    assert applied.scores == 1
    raw = applied.changes["lead"]
    state = decode_state(raw)
    assert (state.behaviour, state.levels, state.signals, state.fields) == ({}, {}, {}, {})
    assert len(raw) < MAX_REMEMBERED * DIGEST_BYTES + 200
    metrics = ScorerMetrics()
    before = sum(len(metric.samples) for metric in metrics.registry.collect())
    metrics.committed(applied, 0.01, NOW)
    assert sum(len(metric.samples) for metric in metrics.registry.collect()) == before, "no label for each name"


def test_identities_of_one_lead_past_the_most_are_not_joined_and_counted() -> None:
    applied = apply(*(event(number, user_id="lead", anonymous_id=f"v{number}") for number in range(MOST_TOLD + 7)))
    assert counted(applied)("links_given_up") == 7.0
    told = [output for output in applied.outputs if output.topic == TOPICS.events]
    assert len(told) == MOST_TOLD
    assert counted(applied)("events") == MOST_TOLD + 7
    assert last(applied).total == 30.0, "the events themselves count"


def test_messages_of_partitions_to_each_other_are_no_events_that_others_sent() -> None:
    link = apply(event(1, user_id="lead", anonymous_id="v")).outputs[0]
    at = TODAY_MS
    applied = APPLYING.apply([Record(0, link.key, link.value, timestamp=at)], {}.get, NOW)
    assert (applied.events, applied.dead_letters) == (1, 0)
    assert counted(applied)("events") == 0.0


TEXTS = {
    "emoji": "👩‍👩‍👧‍👦🎌" * 10,
    "right to left": "\u202eمرحبا שלום\u202c",
    "NUL": "a\0b",
    "combining": "e" + "\u0301" * 300,
    "not normalised": "ｶﾞ㍿ﬃ",
    "control": "\x1b[2J\r\n\x7f\u2028",
    "outside of the plane": "𠮷野家" * 20,
    "long": "長" * 20_000,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_texts_of_any_script_are_read_cut_and_written_as_they_are(text: str) -> None:
    known = identify(title=text, industry=text, prefecture=text, email=text)
    told = event(2, name="Deal Registered", properties={"deal_id": text, "amount": 1, "expected_date": text})
    applied = apply(known, told, event(3, name=text))
    assert applied.dead_letters == 0
    kept = last(applied).signals["deal_registered"].kept["deal_id"]
    assert kept == text.replace("\0", "")[:256]
    assert decode_state(applied.changes["lead"]).signals["deal_registered"].kept["deal_id"] == kept
    assert last(applied).attributes["email"] is True
    assert len(applied.changes["lead"]) < 8_000


def test_half_a_character_is_no_text_and_is_buried() -> None:
    """Python could hold it; neither UTF-8 nor Postgres can."""
    whole = encode_event(event(1, traits={"title": "HALF"}))
    bad = Record(0, b"lead", whole.replace(b"HALF", b"\\ud83d"), timestamp=TODAY_MS)
    applied = APPLYING.apply([bad, record(event(2), 1)], {}.get, NOW)
    assert (applied.dead_letters, applied.events) == (1, 1)


VISITS = [
    (Kind.PAGE, "", {"path": "/product"}),
    (Kind.PAGE, "", {"path": "/blog"}),
    (Kind.TRACK, "Email Clicked", {}),
    (Kind.TRACK, "Nothing", {}),
    (Kind.TRACK, "Document Downloaded", {}),
]
EVERY = timedelta(seconds=20)


def batches(count: int, size: int = 20_000) -> Iterator[list[Record]]:
    """One lead's events, one every twenty seconds."""
    for start in range(0, count, size):
        yield [
            record(event(number, NOW + number * EVERY, kind=kind, name=name, properties=properties), number)
            for number in range(start, start + size)
            for kind, name, properties in [VISITS[number % len(VISITS)]]
        ]


def one_lead(count: int) -> tuple[list[float], list[int], ScoreRecord]:
    """Seconds of each batch, sizes of the state after it, the last record."""
    states: dict[str, bytes] = {}
    seconds, sizes, scored = [], [], None
    for batch in batches(count):
        began = time.process_time()
        applied = APPLYING.apply(batch, states.get, NOW)
        seconds.append(time.process_time() - began)
        states |= applied.changes
        sizes.append(len(states["lead"]))
        scored = last(applied)
        assert (applied.dead_letters, applied.events) == (0, len(batch))
    assert scored is not None
    return seconds, sizes, scored


def test_of_a_lead_with_very_many_events_the_state_is_bounded_and_each_event_costs_the_same() -> None:
    """A million take ten times as long as these: `python -m tests.unit.scorer.test_bad_input`."""
    seconds, sizes, scored = one_lead(100_000)
    assert max(sizes) < 10_000
    assert min(seconds[-2:]) < 2.5 * min(seconds[:2]), "the history makes an event dearer"
    assert sum(part.times for part in scored.contributions) == 100_000, (
        "a product page by two rules, what is unknown by none"
    )
    assert len(msgspec.json.encode(scored)) < 10_000


if __name__ == "__main__":
    spent, grown, _ = one_lead(1_000_000)
    print(f"{sum(spent):.1f} s; {min(spent) / 0.02:.0f} to {max(spent) / 0.02:.0f} µs an event; {max(grown):,} bytes")  # noqa: T201
