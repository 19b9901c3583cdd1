"""The oracle of the fault suite against examples reckoned by hand."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fault.oracle import ExpectedLead, Recycled, Refused, Sent, Told, expected, pair, poison
from tests.fault.oracle.calls import EPOCH

ROOT = Path(__file__).parents[3]
PLAYBOOK = (ROOT / "shared/playbook/default.yaml").read_text()
NOON = datetime(2026, 11, 16, 3, tzinfo=UTC)
"""Monday 12:00 in Tokyo; its day ends at 15:00 UTC."""
DAY_END = datetime(2026, 11, 16, 15, tzinfo=UTC)
RECEIVED = datetime(2028, 6, 1, tzinfo=UTC)
EMAIL = {"traits": {"email": "a@b.example"}}


def sent(kind: str, id: str, at: datetime = NOON, **body: Any) -> Sent:
    received_at = body.pop("received_at", RECEIVED)
    call = {"type": kind, "messageId": id, "userId": "u1", "timestamp": at.isoformat(), **body}
    return Sent(call, received_at, "web")


def track(event: str, id: str, at: datetime = NOON, **body: Any) -> Sent:
    return sent("track", id, at, event=event, **body)


def lead(*log: Told) -> ExpectedLead:
    found = expected(log, PLAYBOOK)
    assert list(found) == ["u1"]
    return found["u1"]


def way(found: ExpectedLead) -> list[str]:
    return [step.target for step in found.stages]


def handed(found: ExpectedLead) -> list[tuple[str, str, str, str]]:
    return [(step.status, step.giver, step.receiver, step.event_id) for step in found.handoffs]


def test_points_are_capped_per_day_and_halve_from_the_days_end() -> None:
    three = [track("Document Downloaded", f"d{number}", NOON + timedelta(minutes=number)) for number in range(3)]
    assert lead(*three).total == 30_000_000  # 3 · 15, capped at 30
    later = lead(*three, track("Unheard Of", "x", DAY_END + timedelta(days=30)))
    assert later.total == 15_000_000
    assert lead(*three, track("Unheard Of", "x", DAY_END)).total == 30_000_000
    assert lead(*three, track("Unheard Of", "x", DAY_END + timedelta(days=15))).total == 21_213_203  # 30 / √2


def test_the_day_is_the_playbooks_and_each_has_its_own_cap() -> None:
    before, after = DAY_END - timedelta(seconds=1), DAY_END
    found = lead(track("Webinar Attended", "a", before), track("Webinar Attended", "b", after))
    assert found.total == 40_000_000


def test_every_term_is_rounded_on_its_own_and_half_to_even() -> None:
    # A page's point after 7 half-lives: 7812.5 micro-points. A click's 5 points: 39062.5.
    log = [sent("page", "p"), track("Email Clicked", "c"), track("x", "x", DAY_END + timedelta(days=210))]
    assert lead(*log).total == 7812 + 39062


def test_once_counts_on_the_earliest_day_whatever_comes_first_in_the_log() -> None:
    late, early = DAY_END + timedelta(days=29, hours=12), NOON
    log = [track("Newsletter Joined", "late", late), track("Newsletter Joined", "early", early)]
    close = track("x", "x", DAY_END + timedelta(days=30))
    assert lead(*log, close).total == lead(*log[::-1], close).total == 2_500_000


def test_a_recycled_lead_begins_anew_on_the_next_day_wherever_that_stands_in_the_log() -> None:
    line = Recycled("u1", "r", (NOON - EPOCH) // timedelta(milliseconds=1))
    early = [sent("identify", "i", traits={"title": "CEO"}), track("Newsletter Joined", "before")]
    late = [track("Newsletter Joined", "after", DAY_END), track("Webinar Attended", "w", DAY_END)]
    for log in ([*early, line, *late], [*early, *late, line], [line, *late, *early, line]):
        found = lead(*log)
        assert (found.behaviour, found.epoch) == (25_000_000, line.time)
        assert found.attribute == lead(*early).attribute > 0
    same_day = lead(*early, line, track("Webinar Attended", "w", DAY_END - timedelta(seconds=1)))
    assert same_day.behaviour == 0


def test_points_taken_away_fade_too() -> None:
    assert (
        lead(track("Email Unsubscribed", "a"), track("x", "x", DAY_END + timedelta(days=30))).behaviour == -15_000_000
    )


def test_a_lead_cools_when_its_points_have_faded_and_heats_up_again() -> None:
    worth_60 = {"email": "a@b.example", "title": "CEO", "employees": 1000, "industry": "金融"}
    log = [sent("identify", "i", traits=worth_60), track("Webinar Booked", "b"), track("Inquiry Heard Of", "x")]
    log += [track("Document Downloaded", f"d{n}") for n in range(2)] + [sent("page", f"p{n}") for n in range(3)]
    assert lead(*log).total == 101_000_000
    # 41 · 2^(−days / 30) is 40 after 1.0687 days, reckoned from the end of the day.
    cooled = [
        expected(log, PLAYBOOK, round((DAY_END + timedelta(days=days)).timestamp() * 1000))["u1"]
        for days in (1.06, 1.07)
    ]
    assert [way(found) for found in cooled] == [["acquired", "hot"], ["acquired", "hot", "acquired"]]
    offered = ("offered", "marketing", "inside-sales", "p2")
    assert handed(cooled[1]) == [offered, ("withdrawn", "marketing", "inside-sales", "")]
    again = lead(*log, track("Webinar Attended", "w", DAY_END + timedelta(days=2)))
    assert way(again) == ["acquired", "hot", "acquired", "hot"]
    assert len({step.handoff_id for step in again.handoffs}) == 2


def test_copies_count_once_and_the_first_one_counts() -> None:
    copy = track("Webinar Attended", "a")
    assert lead(copy, copy).total == 20_000_000
    other = Sent(copy.call, RECEIVED, "another source")
    assert lead(copy, other).signals == {}
    assert expected([copy, Sent({**copy.call, "userId": "u2"}, RECEIVED, "web")], PLAYBOOK).keys() == {"u1", "u2"}


def test_attributes_take_the_newest_by_time_and_id() -> None:
    newer = sent("identify", "b", traits={"company": {"employees": "１,２００"}, "title": "営業部長"})
    older = sent("identify", "a", traits={"employees": 60, "title": "CEO"})
    for log in ([newer, older], [older, newer]):
        assert lead(*log).attribute == 25_000_000 + 12_000_000
    cleared = sent("identify", "c", traits={"title": ""})
    assert lead(older, newer, cleared).attribute == 25_000_000
    assert "title" not in lead(cleared).fields


def test_a_groups_traits_are_the_companys() -> None:
    found = lead(
        sent("group", "g", groupId="g1", traits={"industry": "製造", "employees": 300, "email": "x@y.example"})
    )
    assert found.fields == {"company.industry": "製造", "company.employees": 300}
    assert found.attribute == 30_000_000
    assert found.stage == "awareness"


def test_times_are_corrected_and_never_in_the_future() -> None:
    received = NOON + timedelta(hours=1)
    skewed = {"sentAt": "2030-01-01T00:10:00Z", "timestamp": "2030-01-01T00:00:00Z"}
    assert lead(sent("page", "a", received_at=received, **skewed)).time == ms(received - timedelta(minutes=10))
    future = sent("page", "a", NOON + timedelta(days=2), received_at=received)
    assert lead(future).time == ms(received)
    original = sent("page", "a", originalTimestamp=(NOON - timedelta(days=1)).isoformat())
    assert lead(original).time == ms(NOON - timedelta(days=1))


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def test_a_level_ends_after_its_time() -> None:
    booth = track("Booth Visited", "a")
    assert lead(booth).level == 2
    assert lead(booth, track("x", "x", NOON + timedelta(days=90) - timedelta(milliseconds=1))).level == 2
    assert lead(booth, track("x", "x", NOON + timedelta(days=90))).level == 0
    assert lead(booth, track("Booth Visited", "b", properties={"talked_in_detail": True})).level == 4


def test_signals_keep_the_newest_facts() -> None:
    won = [
        track("Deal Won", "b", NOON + timedelta(days=1), properties={"deal_id": "d2", "amount": 7, "other": 1}),
        track("Deal Won", "a", NOON, properties={"deal_id": "d1"}),
    ]
    signal = lead(*won).signals["deal_won"]
    assert (signal.first, signal.last, signal.times, signal.event_id) == (
        ms(NOON),
        ms(NOON + timedelta(days=1)),
        2,
        "b",
    )
    assert signal.kept == {"deal_id": "d2", "amount": 7}


def test_from_a_click_to_an_upsell() -> None:
    found = lead(
        sent("identify", "1", **EMAIL),
        track("Email Clicked", "2"),
        track("Inquiry Submitted", "3"),
        track("Appointment Made", "4"),
        track("Deal Registered", "5", properties={"amount": 120, "expected_date": "2027-01-31"}),
        track("Deal Won", "6"),
        track("Onboarding Completed", "7"),
    )
    assert way(found) == ["acquired", "nurturing", "hot", "appointment", "opportunity", "onboarding", "expansion"]
    assert [step.event_id for step in found.stages] == ["1", "2", "3", "4", "5", "6", "7"]
    assert handed(found) == [
        ("offered", "marketing", "inside-sales", "3"),
        ("completed", "marketing", "inside-sales", "4"),
        ("offered", "inside-sales", "field-sales", "4"),
        ("completed", "inside-sales", "field-sales", "5"),
        ("offered", "field-sales", "customer-success", "6"),
        ("completed", "field-sales", "customer-success", "7"),
    ]
    assert found.owner == ("customer-success", "customer-success")
    assert len({step.handoff_id for step in found.handoffs}) == 3


def test_level_four_goes_straight_to_field_sales_by_territory() -> None:
    talk = track("Booth Visited", "2", properties={"talked_in_detail": True})
    kinki = lead(sent("identify", "1", traits={"email": "a@b.example", "state": "Osaka"}), talk)
    assert way(kinki) == ["acquired", "hot", "appointment"]
    assert [(step.giver, step.receiver, step.team) for step in kinki.handoffs] == [
        ("marketing", "field-sales", "osaka-branch")
    ]
    elsewhere = lead(sent("identify", "1", **EMAIL), talk)
    assert [step.team for step in elsewhere.handoffs] == ["hq-corporate"]


def test_a_higher_level_withdraws_the_offer_to_inside_sales() -> None:
    found = lead(
        sent("identify", "1", **EMAIL),
        track("Catalogue Requested", "2"),
        track("Survey Answered", "3", properties={"contact_requested": True}),
    )
    assert handed(found) == [
        ("offered", "marketing", "inside-sales", "2"),
        ("withdrawn", "marketing", "inside-sales", "3"),
        ("offered", "marketing", "field-sales", "3"),
    ]
    assert found.owner == ("marketing", "marketing")


def test_over_a_hundred_is_more_than_a_hundred() -> None:
    known = sent(
        "identify", "0", traits={"email": "a@b.example", "employees": 1000, "industry": "金融", "title": "CEO"}
    )
    # 60 of attributes; downloads have a level of their own, 1, and clicks and pages none.
    forty = [
        *(track("Document Downloaded", f"d{number}") for number in range(2)),
        *(track("Email Clicked", f"c{number}") for number in range(2)),
    ]
    exactly = lead(known, *forty)
    assert (exactly.total, exactly.stage) == (100_000_000, "nurturing")
    over = lead(known, *forty, track("Email Opened", "o"))
    assert (over.total, over.stage, handed(over)) == (
        101_000_000,
        "hot",
        [("offered", "marketing", "inside-sales", "o")],
    )


def test_a_total_counts_at_its_moment_only() -> None:
    points = [track("Inquiry Submitted", "i"), track("Webinar Attended", "w"), track("Catalogue Requested", "c")]
    assert lead(*points).total == 120_000_000
    anonymous_then = [track("Webinar Attended", "w"), *(sent("page", f"p{n}", path="/") for n in range(5))]
    assert lead(*anonymous_then, sent("identify", "e", **EMAIL)).stage == "hot"  # level 3 still holds
    late = sent("identify", "e", NOON + timedelta(days=100), **EMAIL)
    assert lead(*anonymous_then, late).stage == "acquired"


def test_guards_keep_a_lead_from_sales_until_they_are_gone() -> None:
    blocked = [
        sent("identify", "1", traits={"email": "a@b.example", "do_not_call": True}),
        track("Inquiry Submitted", "2"),
    ]
    assert (lead(*blocked).stage, handed(lead(*blocked))) == ("acquired", [])
    freed = lead(*blocked, sent("identify", "3", traits={"do_not_call": False}))
    assert handed(freed) == [("offered", "marketing", "inside-sales", "3")]
    # What sales itself has done is a fact, whatever the guard says.
    assert lead(*blocked, track("Deal Won", "3")).stage == "onboarding"


def test_exclusion_is_entered_before_sales_and_left_again() -> None:
    student = sent("identify", "2", traits={"occupation": "学生"})
    found = lead(sent("identify", "1", **EMAIL), track("Email Clicked", "c"), student, track("Inquiry Submitted", "3"))
    assert (way(found), handed(found)) == (["acquired", "nurturing", "excluded"], [])
    later = sent("identify", "4", NOON + timedelta(days=1), traits={"occupation": "会社員"})
    back = lead(sent("identify", "1", **EMAIL), student, track("Inquiry Submitted", "3"), later)
    assert way(back) == ["acquired", "excluded", "acquired", "hot"]
    withdrawn = lead(sent("identify", "1", **EMAIL), track("Inquiry Submitted", "3"), student)
    assert (withdrawn.stage, [status for status, *_ in handed(withdrawn)]) == ("excluded", ["offered", "withdrawn"])
    sold = lead(sent("identify", "1", **EMAIL), track("Appointment Made", "3"), student)
    assert sold.stage == "appointment"


def test_history_moves_stages_and_offers_nothing() -> None:
    past = {"historical": True}
    found = lead(track("Lead Acquired", "1", **past), track("Deal Won", "2", context=past))
    assert (way(found), handed(found)) == (["acquired", "onboarding"], [])
    assert all(step.historical for step in found.stages)
    live = lead(track("Lead Acquired", "1", **past), track("Inquiry Submitted", "2"))
    assert handed(live) == [("offered", "marketing", "inside-sales", "2")]


def test_whoever_was_one_with_a_computer_until_its_second_user_came_is_known_as_such() -> None:
    at_the_room = {"anonymousId": "room"}
    log = [sent("identify", "m1", **at_the_room), sent("page", "m2", userId="u2"), sent("page", "m3", userId="u3")]
    assert {id for id, lead in expected(log, PLAYBOOK).items() if lead.was_several} == set()
    found = expected([*log, sent("identify", "m4", userId="u2", **at_the_room)], PLAYBOOK)
    assert {id for id, lead in found.items() if lead.was_several} == {"u1", "u2"}
    assert not any(lead.members or lead.merged_into for lead in found.values())


@pytest.mark.parametrize(
    "change",
    [
        {"type": "buy"},
        {"userId": None},
        {"userId": "  "},
        {"userId": "x" * 257},
        {"event": " "},
        {"event": 3},
        {"timestamp": "yesterday"},
        {"properties": [1]},
        {"properties": {"text": "x" * 33_000}},
        {"type": "group"},
        {"type": "alias"},
    ],
)
def test_calls_that_ingest_must_refuse(change: dict[str, Any]) -> None:
    call = {**track("Deal Won", "1").call, **change}
    with pytest.raises(Refused):
        expected([Sent(call, RECEIVED, "web")], PLAYBOOK)


def test_an_address_names_no_lead() -> None:
    (one,) = expected([sent("page", "1", userId="Taro@Acme.example")], PLAYBOOK)
    (other,) = expected([sent("page", "1", userId=" taro@acme.example ")], PLAYBOOK)
    assert one == other
    assert one.startswith("email:")
    assert "acme" not in one


RECORD = {
    "kind": "track",
    "id": "m1",
    "source": "web",
    "key": "u1",
    "time": "2026-11-16T03:00:00Z",
    "received_at": "2026-11-16T03:00:01Z",
    "name": "Deal Won",
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"u1", None),
        (b"u1", b""),
        (b"u1", b"\xff\xfe"),
        (b"u1", b"[]"),
        (b"u1", b'{"kind": "track"'),
        (b"u2", json.dumps(RECORD).encode()),
        (None, json.dumps(RECORD).encode()),
        (b"", json.dumps({**RECORD, "key": ""}).encode()),
        (b"u1", json.dumps({**RECORD, "kind": "buy"}).encode()),
        (b"u1", json.dumps({**RECORD, "time": "noon"}).encode()),
        (b"u1", json.dumps({**RECORD, "traits": 3}).encode()),
        (b"u1", json.dumps({name: value for name, value in RECORD.items() if name != "id"}).encode()),
    ],
)
def test_poison(key: bytes | None, value: bytes | None) -> None:
    assert poison(key, value) is not None
    assert poison(b"u1", json.dumps(RECORD).encode()) is None


def test_pairing_finds_what_is_lost_foreign_and_poison() -> None:
    def record(id: str, **more: Any) -> tuple[bytes, bytes, int]:
        return b"u1", json.dumps({**RECORD, "id": id, **more}).encode(), taken

    calls = {("web", name): track("Deal Won", name).call for name in ("a", "b", "c")}
    later, taken = "2026-11-16T03:00:09Z", 1_794_798_005_000
    records = [record("b"), (b"u1", b"junk", taken), record("a"), record("b", received_at=later), record("z")]
    paired = pair(calls, records)
    log = [one for one in paired.log if isinstance(one, Sent)]
    assert [one.call["messageId"] for one in log] == ["b", "a", "b"]
    assert log[0].received == datetime(2026, 11, 16, 3, 0, 1, tzinfo=UTC)
    assert log[2].received == datetime(2026, 11, 16, 3, 0, 5, tzinfo=UTC), "not after Kafka had it"
    assert (paired.lost, paired.foreign, paired.poison) == ({("web", "c")}, [("web", "z")], [1])


def test_pairing_takes_from_the_log_who_is_recycled_if_the_router_says_so() -> None:
    told = {**RECORD, "kind": "recycle", "source": "tasuki/router", "id": "r", "properties": {"reason": "lost"}}
    forged = [{"source": "web"}, {"historical": True}, {"traits": {"title": "CEO"}}, {"properties": {}}]
    records = [(b"u1", json.dumps(one).encode(), 2**41) for one in (told, *(told | more for more in forged))]
    paired = pair({}, records)
    moment = (datetime.fromisoformat(RECORD["time"]) - EPOCH) // timedelta(milliseconds=1)
    assert paired.log == [Recycled("u1", "r", moment)]
    assert (paired.foreign, paired.poison) == ([], [1, 2, 3, 4])


def test_it_shares_nothing_with_what_it_judges() -> None:
    package = ROOT / "tests/fault/oracle"
    imported = [
        name
        for file in package.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    ]
    assert len(imported) > 20
    assert [name for name in imported if name.split(".")[0] in ("services", "shared")] == []
    told = subprocess.run(
        [sys.executable, "-c", "import sys, tests.fault.oracle; print(*sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [name for name in told.stdout.split() if name.split(".")[0] in ("services", "shared")] == []
