"""Laws of cooling: the moment is exact, and who notices it first makes no difference (domain N5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.router.batch import Decided, Hours, Known, Received, cool_until, decide_all
from services.router.lifecycle.cooling import cools_at
from services.router.lifecycle.decide import new_lead
from services.router.lifecycle.fading import faded, next_end
from services.router.lifecycle.rules import Rules
from shared.clock import EventClock
from shared.playbook import load_playbook
from shared.points import to_micro, to_points
from shared.scores import DecayTerm, ScoreRecord, encode_score, falls_below, score_at
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())
MS = timedelta(milliseconds=1)
DAY = 86_400.0

terms = st.lists(
    st.builds(
        lambda points, hours, days: DecayTerm(
            points=points, since=MONDAY + timedelta(hours=hours), half_life_seconds=days * DAY
        ),
        st.floats(-40, 200).map(lambda points: round(points, 6)),
        st.integers(-500, 24),
        st.sampled_from([1.0, 7.0, 30.0, 45.5]),
    ),
    max_size=4,
)


def fading(attribute: float, decay: list[DecayTerm]) -> ScoreRecord:
    record = Story("l", at=MONDAY - timedelta(minutes=1)).record("contact_obtained")
    return replace(record, attribute=attribute, decay=decay)


@given(st.floats(0, 120).map(lambda points: round(points, 6)), terms, st.sampled_from([20.0, 100.0]))
@example(100.0, [DecayTerm(points=0.000001, since=MONDAY, half_life_seconds=DAY)], 100.0)
@example(60.0, [DecayTerm(points=141.0, since=MONDAY, half_life_seconds=3.0e12)], 100.0)
@example(60.0, [DecayTerm(points=41.0, since=MONDAY + timedelta(hours=14), half_life_seconds=30 * DAY)], 100.0)
def test_the_short_way_finds_the_moment_of_the_long_one(attribute: float, decay: list[DecayTerm], limit: float) -> None:
    record = fading(attribute, decay)
    if score_at(attribute, decay, MONDAY) <= to_micro(limit):
        assert next_end(record, [limit], MONDAY) is None
    else:
        assert next_end(record, [limit], MONDAY) == falls_below(attribute, decay, limit, MONDAY)


@given(st.floats(0, 120).map(lambda points: round(points, 6)), terms)
def test_it_is_hot_until_the_moment_and_not_from_it_on(attribute: float, decay: list[DecayTerm]) -> None:
    decay = [term for term in decay if term.points > 0]
    record = fading(attribute, decay)
    lead = replace(new_lead("l", 0, RULES), stage="hot", reached=("awareness", "acquired", "hot"))
    moment = cools_at(lead, None, record, RULES)
    if moment is None:
        assert score_at(attribute, decay, MONDAY + timedelta(days=5_000)) > to_micro(100)
        return
    assert score_at(attribute, decay, moment) <= to_micro(100)
    assert moment == MONDAY or score_at(attribute, decay, moment - MS) > to_micro(100)


steps = st.lists(
    st.fixed_dictionaries(
        {
            "signal": st.sampled_from([None, None, None, "mail_clicked", "appointment_made", "retired"]),
            "total": st.sampled_from([0.0, 90.0, 101.0, 250.0]),
            "level": st.sampled_from([0, 0, 2, 4]),
            "historical": st.booleans(),
            "later": st.sampled_from([0, 1, 20, 29, 30, 31, 100]).map(lambda days: timedelta(days=days)),
        }
    ),
    max_size=12,
)


def records(given_steps: list[dict[str, Any]]) -> list[Received]:
    """Of one lead, in order of time. Points that fade with different half-lives."""
    story = Story("l")
    first = [story.record("contact_obtained")]
    made = first + [story.record(step["signal"], **{k: step[k] for k in step if k != "signal"}) for step in given_steps]
    return [Received(0, number, b"l", encode_score(record), [], record) for number, record in enumerate(made)]


def live(received: Sequence[Received], looks: Sequence[datetime]) -> tuple[list[Decided], Known]:
    """Each record is decided as it comes; between two of them a timer may look, at any moment from the first's time to
    the second's, as often as it likes."""
    known, decided = Known({}, {}), list[Decided]()
    for number, item in enumerate(received):
        decided += decide_all([item], known, RULES, Hours(EventClock(item.record.time)))
        last = number + 1 == len(received)
        until = received[-1].record.time + timedelta(days=400) if last else received[number + 1].record.time
        for look in sorted(looks):
            if item.record.time <= look <= until:
                decided += cool_until(look, "l", known, RULES)
    decided += cool_until(received[-1].record.time + timedelta(days=400), "l", known, RULES)
    return decided, known


@given(steps, st.lists(st.integers(0, 400 * 24).map(lambda hours: MONDAY + timedelta(hours=hours)), max_size=8))
def test_a_timer_changes_nothing_but_when_it_is_told(given_steps: list[dict[str, Any]], looks: list[datetime]) -> None:
    received = records(given_steps)
    assert live(received, looks) == live(received, [])


@given(steps)
def test_who_is_not_taken_stands_where_the_score_has_put_it(given_steps: list[dict[str, Any]]) -> None:
    """After everything that is due, no lead is left in a stage whose condition does not hold."""
    for item in live(records(given_steps), [])[0]:
        lead, record = item.decision.lead, item.score.record
        if lead.cools_at is not None:
            may_move = lead.stage in RULES.cooling or lead.stage in RULES.recycled_from or lead.line_at is not None
            assert may_move
            assert lead.cools_at >= record.time
            assert not lead.taken or lead.handoffs > 0


@given(terms, st.integers(1, 400 * 24))
def test_a_faded_record_tells_what_is_left(decay: list[DecayTerm], hours: int) -> None:
    moment = MONDAY + timedelta(hours=hours)
    left = faded(fading(20.0, decay), moment)
    assert left.total == to_points(score_at(20.0, decay, moment))
    assert to_micro(left.behaviour) == to_micro(left.total) - to_micro(20.0)
