"""The score of one lead under the default playbook."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from services.scorer.scoring import LeadState, Scorer
from services.scorer.scoring.state import decode_state, encode_state
from services.scorer.scoring.times import FLOAT_MS, day_of, from_ms, to_ms
from shared.events import Event, Kind, Logged
from shared.playbook import load_playbook
from shared.points import to_micro
from shared.scores import ScoreRecord, falls_below, score_at

SCORER = Scorer(load_playbook())
MORNING = datetime(2026, 10, 5, 1, 0, tzinfo=UTC)  # 10:00 in Tokyo


def event(name: str = "", at: datetime = MORNING, kind: Kind = Kind.TRACK, **more: Any) -> Event:
    id = more.pop("id", f"{name}-{at.isoformat()}-{sorted(more)}")
    return Event(kind=kind, id=id, source="web", key="lead-1", time=at, received_at=at, name=name, **more)


def page(path: str, at: datetime = MORNING) -> Event:
    return event(at=at, kind=Kind.PAGE, id=f"{path}{at}", properties={"path": path})


def apply(*events: Event, state: LeadState | None = None) -> list[ScoreRecord]:
    logged = [Logged(offset, 20_000, event) for offset, event in enumerate(events)]
    return SCORER.apply(state or SCORER.new_state(), logged, 0)


def test_attributes_and_behaviour_add_up_and_are_explained() -> None:
    traits = {"title": "営業部長", "company": {"name": "株式会社アクメ", "industry": "製造", "employees": "1,200"}}
    record = apply(event(kind=Kind.IDENTIFY, traits=traits), event("Webinar Attended"))[-1]
    assert (record.attribute, record.behaviour, record.total) == (52.0, 20.0, 72.0)
    assert {c.rule: c.points for c in record.contributions} == {
        "employees_1000": 25.0,
        "industry_core": 15.0,
        "title_manager": 12.0,
        "webinar_attended": 20.0,
    }


def test_a_day_is_capped_and_the_next_day_counts_anew() -> None:
    same_day = [event("Document Downloaded", MORNING + timedelta(minutes=n)) for n in range(5)]
    assert apply(*same_day)[-1].total == 30.0
    next_day = event("Document Downloaded", MORNING + timedelta(days=1))
    record = apply(*same_day, next_day)[-1]
    faded = 30 * 2 ** (-10 / 24 / 30)  # ten hours after midnight in Tokyo
    assert abs(record.total - (faded + 15)) < 1e-6


def test_points_are_whole_on_their_own_day_and_half_after_a_half_life() -> None:
    record = apply(event("Document Downloaded"))[-1]
    midnight = datetime(2026, 10, 5, 15, 0, tzinfo=UTC)
    assert score_at(record.attribute, record.decay, midnight) == to_micro(15)
    assert score_at(record.attribute, record.decay, midnight + timedelta(days=30)) == to_micro(7.5)
    below = falls_below(record.attribute, record.decay, 7.5, after=record.time)
    assert below is not None
    assert abs(below - (midnight + timedelta(days=30))) < timedelta(seconds=1)


def test_once_only_counts_the_first_time() -> None:
    joined = [event("Newsletter Joined", MORNING + timedelta(hours=n)) for n in range(3)]
    assert apply(*joined)[-1].total == 5.0


def test_a_copy_of_a_message_changes_nothing() -> None:
    state = SCORER.new_state()
    first = event("Document Downloaded", id="same")
    assert len(apply(first, state=state)) == 1
    assert apply(first, state=state) == []
    assert apply(event("Document Downloaded", MORNING + timedelta(minutes=1), id="same"), state=state) == []


def test_each_new_signal_has_a_record_of_its_own_and_is_its_trigger() -> None:
    records = apply(
        event(kind=Kind.IDENTIFY, traits={"email": "taro@acme.example"}),
        event("Email Link Clicked", MORNING + timedelta(minutes=1)),
        event("Email Link Clicked", MORNING + timedelta(minutes=2)),
        event("Inquiry Submitted", MORNING + timedelta(minutes=3), properties={"medium": "search"}),
    )
    assert [set(record.signals) for record in records] == [
        {"contact_obtained"},
        {"contact_obtained", "mail_clicked"},
        {"contact_obtained", "mail_clicked"},  # the second click adds points only: they must not wait for the inquiry
        {"contact_obtained", "mail_clicked", "inquiry_made", "contact_requested"},
    ]
    last = records[-1].trigger
    assert (last.name, last.channel, last.action, last.medium) == (
        "Inquiry Submitted", "contact_form", "inquiry", "search",
    )  # fmt: skip


def test_personal_data_leaves_no_trace_but_its_presence() -> None:
    person = {"name": "山田太郎", "email": "taro@acme.example", "phone": "03-1234-5678", "prefecture": "大阪"}
    record = apply(event(kind=Kind.IDENTIFY, traits=person))[-1]
    assert record.attributes == {"name": True, "email": True, "phone": True, "prefecture": "大阪府"}


def test_the_level_is_the_highest_and_ends_after_ninety_days() -> None:
    talked = event("Booth Visited", properties={"talked_in_detail": True})
    record = apply(event("Exhibition Attended"), talked)[-1]
    assert (record.level, record.level_until) == (4, MORNING + timedelta(days=90))
    later = apply(talked, event("Email Opened", MORNING + timedelta(days=91)))[-1]
    assert later.level == 0


def test_history_and_live_events_never_share_a_record() -> None:
    records = apply(
        event("Document Downloaded", historical=True), event("Document Downloaded", MORNING + timedelta(hours=1))
    )
    assert [record.historical for record in records] == [True, False]


def test_passing_a_threshold_of_the_playbook_ends_a_record() -> None:
    days = [event("Webinar Attended", MORNING + timedelta(days=n)) for n in range(7)]
    records = apply(*days)
    over = [record for record in records if record.total > 100]
    assert len(over) == 2
    assert over[0].trigger.time == MORNING + timedelta(days=5)


def test_the_last_event_before_a_lead_may_have_cooled_has_a_record_of_its_own() -> None:
    """When it cools depends on that one."""
    traits = {"title": "CEO", "company": {"industry": "製造", "employees": 1000}}
    warm = [event("Webinar Booked", MORNING + timedelta(minutes=1)), event("Webinar Attended", at=MORNING)]
    pages = [page("/", MORNING + timedelta(days=day)) for day in (1, 2, 60, 61)]
    first = [event(kind=Kind.IDENTIFY, traits=traits), page("/", MORNING)]
    quiet = apply(*first, *pages)
    assert [record.position.offset for record in quiet] == [0, 1, 5]
    hot = [event("Survey Answered", MORNING), event("Exhibition Attended", MORNING)]
    records = apply(*first, *warm, *hot, *pages)
    over = [record.position.offset for record in records if record.total > 100]
    assert over == [5, 7]
    assert [record.position.offset for record in records][-2:] == [8, 9], (
        "the first that finds it cold ends what it found"
    )


def test_an_event_that_renews_the_level_or_finds_it_ended_has_a_record_of_its_own() -> None:
    days = [0, 1, 80, 81, 82, 169, 170, 171, 172]
    talks = [event("Booth Visited", MORNING + timedelta(days=day)) for day in (0, 80)]
    told = [talks[0], page("/", MORNING + timedelta(days=1)), talks[1]]
    told += [page("/", MORNING + timedelta(days=day)) for day in days[3:]]
    records = apply(*told)
    assert [(record.position.offset, record.level) for record in records] == [
        (0, 2),
        (1, 2),
        (2, 2),
        (5, 2),
        (6, 0),
        (8, 0),
    ]


def test_a_clock_in_the_future_does_not_age_the_score() -> None:
    wrong = Event(kind=Kind.TRACK, id="x", source="web", key="lead-1", time=datetime(2099, 1, 1, tzinfo=UTC),
                  received_at=MORNING, name="Document Downloaded")  # fmt: skip
    record = apply(page("/pricing"), wrong)[-1]
    assert record.time == MORNING
    assert record.total == 26.0


def test_deal_facts_are_carried_along() -> None:
    won = event("Deal Won", properties={"deal_id": "d1", "amount": 120, "inside_sales": "ito", "secret": "no"})
    assert apply(won)[-1].signals["deal_won"].kept == {"deal_id": "d1", "amount": 120, "inside_sales": "ito"}


def test_days_that_are_worth_nothing_any_more_are_forgotten() -> None:
    """Otherwise a lead that comes every day has a state, and costs a time, that grow for ever."""
    state = SCORER.new_state()
    sizes = []
    for day in range(0, 6 * 365, 3):
        at = MORNING + timedelta(days=day)
        told = event("Document Downloaded", at), event("Newsletter Joined", at), page("/pricing", at)
        record = apply(*told, state=state)[-1]
        assert sum(to_micro(c.points) for c in record.contributions) == to_micro(record.total)
        sizes.append(len(encode_state(state)))
    assert max(sizes[len(sizes) // 2 :]) <= sizes[len(sizes) // 2] + 20  # as numbers get longer
    assert len(state.behaviour["newsletter_joined"].days) == 1


def test_what_is_older_than_32_half_lives_is_forgotten() -> None:
    long_ago = [event("Document Downloaded", MORNING - timedelta(days=days)) for days in range(600, 1000, 7)]
    now = event("Document Downloaded")
    with_past, alone = apply(*long_ago, now)[-1], apply(now)[-1]
    assert with_past.total == alone.total + faded_by_hand(with_past.time)
    assert score_at(0.0, with_past.decay, with_past.time) == to_micro(with_past.total)


def faded_by_hand(at: datetime) -> float:
    """The days above that count, one after the other, each product rounded to a whole micro-point."""
    counting = [days for days in range(600, 1000, 7) if days <= 32 * 30]
    account = 0
    for _ in counting:
        account = round(account * 2 ** (-7 / 30)) + 15_000_000
    last = datetime(2026, 10, 5, 15, tzinfo=UTC) - timedelta(days=counting[0])
    return round(account * 2 ** (-(at - last) / timedelta(days=30))) / 1_000_000


def test_once_is_decided_by_the_earliest_day_also_when_it_arrives_last() -> None:
    late = event("Newsletter Joined", MORNING - timedelta(days=60))
    early_last, early_first = apply(event("Newsletter Joined"), late)[-1], apply(late, event("Newsletter Joined"))[-1]
    assert early_last.total == early_first.total < 5.0
    assert early_last.contributions == early_first.contributions
    assert early_last.contributions[0].times == 2


def test_a_live_event_of_years_ago_moves_no_points_but_imported_history_does() -> None:
    old = msgspec.structs.replace(event("Document Downloaded"), received_at=MORNING + timedelta(days=1200))
    assert apply(old)[-1].total == 0.0
    assert apply(msgspec.structs.replace(old, historical=True))[-1].total == 15.0


@pytest.mark.parametrize("around", [0, -FLOAT_MS, FLOAT_MS, 1_790_000_000_000, -62_135_596_800_000 + 5_000])
def test_milliseconds_become_moments_exactly(around: int) -> None:
    for ms in range(around - 5_000, around + 5_000):
        assert to_ms(from_ms(ms)) == ms
        assert from_ms(ms).microsecond == ms % 1000 * 1000


def test_times_before_1970_are_times() -> None:
    old = event("Document Downloaded", datetime(1965, 5, 1, 3, tzinfo=UTC), historical=True)
    record = apply(old)[-1]
    assert (record.time, record.total, record.contributions[0].last) == (old.time, 15.0, old.time)


def test_the_first_moment_that_there_is_breaks_nothing_in_any_zone() -> None:
    playbook = load_playbook()
    west = Scorer(playbook.model_copy(update={"time_zone": "America/New_York"}))
    first = event(kind=Kind.IDENTIFY, at=datetime(1, 1, 1, tzinfo=UTC), traits={"title": "部長"}, historical=True)
    told = west.apply(west.new_state(), [Logged(0, 20_000, first), Logged(1, 20_000, event("Webinar Attended"))], 0)
    assert told[-1].behaviour == 20.0


def test_where_clocks_go_back_over_midnight_a_day_is_counted_once() -> None:
    zone = ZoneInfo("America/St_Johns")
    playbook = load_playbook().model_copy(update={"time_zone": "America/St_Johns"})
    at = datetime(2010, 11, 7, 2, 20, tzinfo=UTC)  # ten minutes before a midnight that comes twice
    times = [at + timedelta(minutes=20 * number) for number in range(8)]
    days = [day_of(to_ms(time), zone) for time in times]
    assert days == sorted(days)
    events = [event("Document Downloaded", time, historical=True) for time in times]
    scorer = Scorer(playbook)
    kept, restarted = scorer.new_state(), scorer.new_state()
    for offset, one in enumerate(events):
        (here,) = scorer.apply(kept, [Logged(offset, 20_000, one)], 0)[-1:]
        (there,) = scorer.apply(restarted, [Logged(offset, 20_000, one)], 0)[-1:]
        restarted = decode_state(encode_state(restarted))
        assert here.total == there.total <= 60.0
