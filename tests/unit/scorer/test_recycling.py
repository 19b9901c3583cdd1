"""A lead that is recycled begins anew: what it did up to that day counts no more, whenever the scorer is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import permutations
from typing import Any

import msgspec
import pytest
import yaml

from services.scorer.apply import Applied, Applying, Codec
from services.scorer.metrics import ScorerMetrics
from services.scorer.scoring import Scorer
from services.scorer.scoring.line import MOST_SPARE
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from services.scorer.scoring.times import to_ms
from shared.events import Event, Kind, Logged, encode_event
from shared.playbook import Playbook, load_playbook
from shared.points import to_micro
from shared.recycling import recycle_event
from shared.scores import ScoreRecord, decode_score
from tests.unit.scorer.test_apply import TOPICS, Record

MONDAY = datetime(2026, 10, 5, 1, 0, tzinfo=UTC)  # 10:00 in Tokyo
DEFAULT = yaml.safe_load(resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8"))
SCORER = Scorer(load_playbook())
LABEL = {"ja": "規則", "en": "rule"}
NEVER_FADES = "1000000d"


def event(name: str, day: float, **fields: Any) -> Event:
    at = MONDAY + timedelta(days=day)
    given = {"kind": Kind.TRACK, "id": f"{name}{day}", "source": "web"} | fields
    return Event(key="lead-1", name=name, time=at, received_at=at, **given)


def recycled(day: float) -> Event:
    return recycle_event("lead-1", f"recycled-{day}", "unresponsive", MONDAY + timedelta(days=day))


def records(events: Sequence[Event], scorer: Scorer = SCORER) -> list[ScoreRecord]:
    """Each event a batch of its own; in between the state is stored and read."""
    state, found = scorer.new_state(), []
    for offset, one in enumerate(events):
        found += scorer.apply(state, [Logged(offset, 20_000, one)], 0)
        state = decode_state(encode_state(state))
    return found


def by_rule(rule: dict[str, Any], events: Sequence[Event]) -> float:
    """The behaviour score of a playbook with this rule alone, about events `a`."""
    only = {"id": "r", "label": LABEL, "when": {"event": "a"}, "points": 10} | rule
    content = DEFAULT | {"behaviour": {"half_life": NEVER_FADES, "rules": [only]}}
    return round(records(events, Scorer(Playbook.model_validate(content)))[-1].behaviour, 3)


def test_behaviour_begins_anew_and_all_else_stays() -> None:
    told = event("", 0, kind=Kind.IDENTIFY, traits={"title": "CEO", "email": "a@b.example"})
    log = [told, event("Inquiry Submitted", 0), event("Webinar Attended", 1), recycled(30)]
    *_, before, after = records(log)
    assert (before.epoch, after.epoch) == (0, to_ms(log[-1].time))
    assert before.behaviour > 0.0
    assert (after.behaviour, after.total, after.decay) == (0.0, before.attribute, [])
    for name in ("attribute", "grade", "level", "level_until", "signals", "attributes"):
        assert getattr(after, name) == getattr(before, name)


def test_contributions_add_up_to_the_new_total() -> None:
    log = [event("Document Downloaded", 0), event("Newsletter Joined", 0), recycled(30), event("Booth Visited", 31)]
    last = records([event("", 0, kind=Kind.IDENTIFY, traits={"title": "CEO"}), *log])[-1]
    assert last.behaviour == 20.0
    assert sum(to_micro(part.points) for part in last.contributions) == to_micro(last.total)


def test_the_record_is_of_its_own_and_says_why() -> None:
    log = [event("a", 0), event("b", 0), recycled(1), event("c", 1), event("d", 1)]
    logged = [Logged(offset, 20_000, one) for offset, one in enumerate(log)]
    found = SCORER.apply(SCORER.new_state(), logged, 0)
    assert [(one.trigger.kind, one.position.offset, one.historical) for one in found] == [
        ("track", 1, False),
        ("recycle", 2, False),
        ("track", 4, False),
    ]


def test_the_new_start_is_the_day_after_in_the_playbooks_time_zone() -> None:
    same_day, next_day = 13.9 / 24, 14 / 24  # midnight in Tokyo is at 15:00 UTC
    assert by_rule({}, [recycled(0), event("a", same_day), event("a", 0)]) == 0
    assert by_rule({}, [recycled(0), event("a", same_day), event("a", next_day)]) == 10


def test_when_it_is_told_makes_no_difference() -> None:
    """Newer behaviour stays, and older behaviour that is told of later still does not count."""
    log = [event("a", 0), event("a", 9), recycled(10), event("a", 12), event("a", 40), event("other", 41)]
    found = {by_rule({"half_life": "10d", "cap_per_day": 15}, order) for order in permutations(log)}
    assert len(found) == 1
    assert found != {by_rule({"half_life": "10d", "cap_per_day": 15}, [one for one in log if one != log[2]])}


@pytest.mark.parametrize(
    ("rule", "without", "anew"),
    [
        ({"once": True}, 10, 10),
        ({"cap_ever": 25}, 25, 25),
        ({"cap_per_week": 25}, 25, 20),  # four days of one week, of which two lie behind the line
        ({"cap_per_day": 5, "cap_ever": 12}, 12, 10),
        ({"expires": "1000000d"}, 40, 20),
    ],
)
def test_what_lies_before_the_line_uses_up_nothing(rule: dict[str, Any], without: float, anew: float) -> None:
    days = [event("a", day) for day in (0, 1, 2, 3)]
    more = [event("a", 4)] if anew == 25 and "cap_ever" in rule else []
    assert by_rule(rule, days + more) == without
    for order in ([*days[:2], recycled(1), *days[2:], *more], [*days, *more, recycled(1)], [recycled(1), *more, *days]):
        assert by_rule(rule, order) == anew


def test_a_rule_that_counts_once_begins_to_fade_on_its_first_day_behind_the_line() -> None:
    log = [event("a", 0), event("a", 20), event("a", 30), event("other", 40)]
    rule = {"once": True, "half_life": "10d"}
    assert by_rule(rule, [*log, recycled(10)]) == by_rule(rule, log[1:])
    assert by_rule(rule, [*log, recycled(25)]) == by_rule(rule, log[2:])


def test_the_latest_of_several_lines_counts() -> None:
    log = [event("a", day) for day in (0, 11, 21)]
    for order in permutations([recycled(10), recycled(20), recycled(5)]):
        assert by_rule({}, [*log, *order]) == by_rule({}, [*order, *log]) == 10


def test_points_taken_away_are_given_back() -> None:
    log = [event("Email Unsubscribed", 0), recycled(1)]
    assert [record.behaviour for record in records(log)] == [-30, 0]


def test_a_lead_that_does_the_same_every_day_keeps_no_more_than_a_hundred_days_aside() -> None:
    days = [event("Newsletter Joined", day) for day in range(MOST_SPARE + 50)]
    state = SCORER.new_state()
    SCORER.apply(state, [Logged(offset, 20_000, one) for offset, one in enumerate(days)], 0)
    gathered = state.behaviour["newsletter_joined"]
    assert (len(gathered.days), len(gathered.spare)) == (1, MOST_SPARE)
    assert records([*days, recycled(MOST_SPARE)])[-1].behaviour > 0.0


def test_what_a_scanner_did_is_taken_back_without_bringing_back_what_lies_before_the_line() -> None:
    def click(day: float, mail: str, link: str) -> Event:
        id = f"{mail}-{link}"
        return event("Email Clicked", day, id=id, properties={"mail_id": mail, "link_url": f"https://{link}.example"})

    second = 1 / 24 / 3600
    persons, scanners = (
        click(0, "first", "a"),
        [click(3 + number * second, "second", "abc"[number]) for number in (0, 1, 2)],
    )
    *before, last = records([persons, recycled(2), *scanners])
    assert before[-1].behaviour > 0.0, "two links may well be a person's"
    assert (last.behaviour, last.ignored) == (0.0, {"mail_scanner": 3})


def test_days_that_were_forgotten_before_the_line_do_not_make_a_later_score_inexact() -> None:
    """They would count by no half-life."""

    def scorer(half_life: str) -> Scorer:
        rules = [{"id": "r", "label": LABEL, "when": {"event": "a"}, "points": 10, "half_life": half_life}]
        return Scorer(Playbook.model_validate(DEFAULT | {"behaviour": {"rules": rules}}))

    def followed(*log: Event) -> ScoreRecord:
        state = scorer("1d").new_state()
        scorer("1d").apply(state, [Logged(offset, 20_000, one) for offset, one in enumerate(log)], 0)
        return scorer("30d").apply(state, [Logged(len(log), 20_000, event("a", 61))], 0)[-1]

    forgotten = [event("a", 0), event("a", 60)]
    assert not followed(*forgotten).exact
    assert followed(*forgotten, recycled(50)).exact
    assert followed(event("a", 60), recycled(50), event("a", 0)).exact


CODEC = Codec(encode_state, decode_state, playbook_of)


def applied(*events: Event) -> Applied:
    taken = [
        Record(offset, one.key.encode(), encode_event(one), timestamp=to_ms(one.received_at))
        for offset, one in enumerate(events)
    ]
    return Applying(TOPICS, SCORER, CODEC).apply(taken, {}.get, MONDAY)


@pytest.mark.parametrize(
    "change",
    [
        {"source": "web"},
        {"source": "tasuki/scorer"},
        {"historical": True},
        {"traits": {"title": "CEO"}},
        {"properties": {}},
        {"properties": {"reason": 7}},
    ],
)
def test_nobody_else_can_say_so(change: dict[str, Any]) -> None:
    forged = msgspec.structs.replace(recycled(1), **change)
    found = applied(event("Webinar Attended", 0), forged)
    assert found.dead_letters == 1
    reasons = [dict(one.headers)["tasuki_reason"] for one in found.outputs if one.topic == TOPICS.dead_letters]
    assert b"recycle" in reasons[0]
    last = decode_score([one.value or b"" for one in found.outputs if one.topic == TOPICS.scores][-1])
    assert (last.behaviour, last.epoch) == (20.0, 0)


def test_it_is_counted_apart_from_what_others_have_sent() -> None:
    metrics = ScorerMetrics()
    metrics.committed(applied(event("a", 0), recycled(1)), 0.01, MONDAY)
    names = ("tasuki_scorer_events_total", "tasuki_scorer_recycled_leads_total")
    assert [metrics.registry.get_sample_value(name) for name in names] == [1.0, 1.0]
