"""What a playbook's rules make of events: caps, groups, expiry, properties, dimensions, grades, bounds."""

from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import msgspec
import pytest
import yaml

from services.scorer.scoring import Scorer
from services.scorer.scoring.state import StateError, decode_state
from shared.events import Event, Kind, Logged
from shared.playbook import Playbook
from shared.points import to_micro
from shared.scores import ScoreRecord, falls_below, score_at

MONDAY = datetime(2026, 10, 5, 1, 0, tzinfo=UTC)  # 10:00 in Tokyo
DEFAULT = yaml.safe_load(resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8"))
LABEL = {"ja": "規則", "en": "rule"}
NEVER_FADES = "1000000d"


def scored(events: list[Event], *rules: dict[str, Any], **parts: Any) -> ScoreRecord:
    """The last record, by a playbook with these rules; points that have faded less than a thousandth do not show."""
    behaviour = {"half_life": parts.pop("half_life", NEVER_FADES), "groups": parts.pop("groups", {})}
    behaviour["rules"] = [{"id": f"r{n}", "label": LABEL, "when": {"event": "a"}} | r for n, r in enumerate(rules)]
    content = DEFAULT | {"behaviour": behaviour, "total": {}} | parts
    scorer = Scorer(Playbook.model_validate(content))
    logged = [Logged(offset, 20_000, event) for offset, event in enumerate(events)]
    return scorer.apply(scorer.new_state(), logged, 0)[-1]


def event(name: str = "a", day: float = 0, traits: dict[str, Any] | None = None, **properties: Any) -> Event:
    at = MONDAY + timedelta(days=day)
    return Event(
        kind=Kind.IDENTIFY if traits else Kind.TRACK, id=f"{name}{day}{properties}", source="web", key="lead-1",
        time=at, received_at=at, name=name, properties=properties, traits=traits or {},
    )  # fmt: skip


def shown(record: ScoreRecord) -> dict[str, float]:
    return {part.rule: round(part.points, 2) for part in record.contributions}


def test_a_week_is_capped_from_monday_on() -> None:
    days = [event(day=day) for day in (0, 2, 4, 6, 7)]  # four in the first week, one on the next Monday
    assert round(scored(days, {"points": 10, "cap_per_week": 25}).total, 2) == 35


def test_what_is_capped_for_ever_stays_so() -> None:
    days = [event(day=day) for day in range(0, 400, 30)]
    assert round(scored(days, {"points": 10, "cap_ever": 25}).total, 1) == 25


def test_of_a_cap_the_earliest_count() -> None:
    """So the latest, which has faded least, is what is cut."""
    record = scored([event(day=10), event(day=0)], {"points": 10, "cap_ever": 10}, half_life="10d")
    faded = 10 * 2 ** (-(10 - 14 / 24) / 10)  # from the end of the first day, fourteen hours after its event
    assert abs(record.total - faded) < 1e-5


def test_a_group_shares_its_cap_in_the_order_of_the_playbook() -> None:
    rules = {"points": 10, "group": "g"}, {"points": 10, "group": "g", "when": {"event": "b"}}
    groups = {"g": {"label": LABEL, "cap_per_day": 15}}
    assert shown(scored([event("b"), event("a")], *rules, groups=groups)) == {"r0": 10, "r1": 5}
    assert shown(scored([event("b"), event("a", 1)], *rules, groups=groups)) == {"r0": 10, "r1": 10}


def test_points_expire() -> None:
    rule = {"points": 10, "expires": "7d"}
    record = scored([event()], rule)
    ends = datetime(2026, 10, 12, 15, tzinfo=UTC)  # seven days after midnight in Tokyo
    assert falls_below(record.attribute, record.decay, 5, after=record.time) == ends
    assert score_at(record.attribute, record.decay, ends - timedelta(milliseconds=1)) > to_micro(9.9)
    assert scored([event(), event("other", 7.58)], rule).total > 9.9
    assert scored([event(), event("other", 7.6)], rule).total == 0


@pytest.mark.parametrize(
    ("value", "points"), [(4, 2), ("1,000", 500), (-4, -2), ("many", 0), (True, 0), (10**9, 500_000), (None, 0)]
)
def test_points_from_a_property(value: Any, points: float) -> None:
    assert scored([event(usage=value)], {"points": 0.5, "points_from": "usage"}).total == points


def test_a_dimension_is_no_part_of_the_total() -> None:
    rules = {"points": 7}, {"points": 5, "dimension": "adoption", "cap_per_week": 5}
    record = scored([event(day=0), event(day=1)], *rules)
    assert round(record.total, 2) == 14
    assert {name: round(points, 2) for name, points in record.dimensions.items()} == {"adoption": 5}
    assert {part.dimension for part in record.contributions} == {"behaviour", "adoption"}


def test_the_attributes_of_a_group_have_a_maximum_and_a_grade() -> None:
    rules = [
        {"id": name, "label": LABEL, "field": "title", "is": {"like": pattern}, "points": points, "group": "role"}
        for name, pattern, points in (("chief", "*長", 20), ("head", "*部*", 10))
    ]
    parts = {"groups": {"role": {"label": LABEL, "at_most": 25}}, "rules": rules, "grades": {"A": 25, "B": 15}}
    record = scored([event(traits={"title": "営業部長"})], {"points": 1}, attribute=parts)
    assert (record.attribute, record.grade) == (25, "A")
    assert shown(record) == {"chief": 20, "head": 5}
    assert [part.uncapped for part in record.contributions] == [None, 10]
    assert scored([event(traits={"title": "会長"})], {"points": 1}, attribute=parts).grade == "B"
    assert scored([event(traits={"title": "担当"})], {"points": 1}, attribute=parts).grade == "D"


def test_a_total_stays_within_its_bounds_and_says_what_they_took() -> None:
    low = scored([event()], {"points": -30}, total={"at_least": 0})
    assert (low.total, low.behaviour, shown(low)) == (0, -30, {"r0": -30, "bounds": 30})
    high = scored([event()], {"points": 300}, total={"at_least": 0, "at_most": 200})
    assert (high.total, shown(high)) == (200, {"r0": 300, "bounds": -100})


def test_a_contribution_tells_how_it_came_to_be() -> None:
    events = [event(day=0, n=1), event(day=0, n=2), event(day=30.6, n=3)]
    (part,) = scored(events, {"points": 10, "cap_per_day": 15}, half_life="30d").contributions
    assert (part.times, part.last, part.event_id) == (3, events[2].time, events[2].id)
    assert (part.earned, part.uncapped) == (25, 30)
    assert 17 < part.points < 18


def test_a_changed_meaning_of_events_is_told_until_the_log_is_read_anew() -> None:
    def scorer(event: str, points: float, label: str = "x") -> Scorer:
        rules = [{"id": "r", "label": {"ja": label, "en": label}, "when": {"event": event}, "points": points}]
        return Scorer(Playbook.model_validate(DEFAULT | {"behaviour": {"rules": rules}}))

    state = scorer("a", 5).new_state()
    exact = [
        by.apply(state, [Logged(number, 20_000, event("a", number / 24))], 0)[-1].exact
        for number, by in enumerate([scorer("a", 5), scorer("a", 7, "y"), scorer("b", 7), scorer("b", 8)])
    ]
    assert exact == [True, True, False, False]
    lead = scorer("b", 8).new_state()
    assert scorer("b", 8).apply(lead, [Logged(0, 20_000, event())], 0)[-1].exact


def test_a_longer_half_life_cannot_bring_back_what_a_shorter_one_has_let_go() -> None:
    def scorer(half_life: str) -> Scorer:
        rules = [{"id": "r", "label": LABEL, "when": {"event": "a"}, "points": 5}]
        return Scorer(Playbook.model_validate(DEFAULT | {"behaviour": {"half_life": half_life, "rules": rules}}))

    state = scorer("1d").new_state()
    scorer("1d").apply(state, [Logged(0, 20_000, event(day=0)), Logged(1, 20_000, event(day=40))], 0)
    assert scorer("1h").apply(state, [Logged(2, 20_000, event(day=41))], 0)[-1].exact
    assert not scorer("30d").apply(state, [Logged(3, 20_000, event(day=42))], 0)[-1].exact


def test_a_state_of_another_layout_is_refused_with_what_to_do() -> None:
    for raw in (msgspec.msgpack.encode([7, 0, 0]), msgspec.msgpack.encode([]) + b"x", b""):
        with pytest.raises(StateError, match="must read the events anew"):
            decode_state(raw)
