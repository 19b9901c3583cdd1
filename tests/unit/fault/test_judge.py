"""The judge finds whatever is changed in what it has accepted before."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.dead_letters import marker
from tests.fault.judge import Truth, differences
from tests.fault.oracle import ExpectedLead, HandOffStep, RouterTold, StageStep
from tests.fault.oracle.calls import EPOCH
from tests.fault.record import Left, Written
from tests.fault.stories import Stories
from tests.fault.ways import routed
from tests.score_records import MONDAY

LEAD = ExpectedLead(
    lead_id="l",
    time=1_000,
    attribute=5_000_000,
    behaviour=1_500_000,
    total=6_500_000,
    dimensions={},
    grade=None,
    ignored={},
    level=2,
    list_kind="house",
    fields={"title": "部長"},
    signals={},
    stage="hot",
    stages=(StageStep("awareness", "acquired", 900, "m1", False), StageStep("acquired", "hot", 1_000, "m2", False)),
    handoffs=(HandOffStep("h1", "offered", "marketing", None, "inside-sales", "head-office", "hot", "m2"),),
    owner=("marketing", "all"),
)
TRUTH = Truth({"l": LEAD}, lost=set(), foreign=[], copies=0)
STORIES = Stories([{"messageId": "m1"}, {"messageId": "m2"}, {"messageId": "b"}], frozenset({"b"}))
POISON = {"t.events/0/9": b"{oops"}


def written(topic: str, offset: int, value: dict[str, Any], **headers: str) -> Written:
    return Written(topic, 0, offset, b"l", json.dumps(value).encode(), headers)


def told(topic: str, offset: int, id: str, seq: int, trigger: str) -> Written:
    value = {"seq": seq, "trigger": {"event_id": trigger}, "reason": [{"condition": "signal"}]}
    return written(topic, offset, value, ce_id=id)


def offered(due: datetime) -> Written:
    """On a Monday at 10:00 in Tokyo, to be answered after 2,000 working days."""
    value = {
        "seq": 3,
        "trigger": {"event_id": "m2"},
        "reason": [{"condition": "signal"}],
        "to": {"department": "inside-sales"},
        "team": "hq-inside-sales",
        "stage": {"id": "hot"},
        "offered_at": MONDAY.isoformat(),
        "respond_by": due.isoformat(),
    }
    return written("handoffs.inside-sales", 0, value, ce_id="handoff:h1:offered")


DUE = datetime(2034, 12, 26, 1, 0, tzinfo=UTC)
"""Four hundred weeks later, and as many days as there are holidays between."""


def said_to_have_cooled(record: Written) -> Written:
    return replace(record, value=(record.value or b"").replace(b"signal", b"cooled"))


def entered(seq: int, source: str, target: str, ms: int) -> dict[str, Any]:
    at = EPOCH + timedelta(milliseconds=ms)
    return {"lead_id": "l", "seq": seq, "source": source, "target": target, "at": at, "historical": False}


def recycled(seq: int, reason: str = "lost") -> Written:
    event = {"kind": "recycle", "id": f"recycle:l:{seq}", "source": "tasuki/router", "time": "1970-01-01T00:00:01Z"}
    value = json.dumps(event | {"properties": {"reason": reason}}, separators=(",", ":")).encode()
    return Written("events", 0, seq, b"l", value, {})


def right() -> Left:
    score = {
        "seq": 1,
        "epoch": 0,
        "time": "1970-01-01T00:00:01Z",
        "attribute": 5.0,
        "behaviour": 1.5,
        "total": 6.5,
        "level": 2,
        "attributes": {"title": "部長"},
    }
    return Left(
        topics={
            "events": [],
            "scores": [written("scores", 0, score, ce_id="score:l:0:1")],
            "stages": [told("stages", 0, "stage:l:1", 1, "m1"), told("stages", 1, "stage:l:2", 2, "m2")],
            "handoffs.inside-sales": [offered(DUE)],
            "handoffs.marketing": [],
            "alerts": [told("alerts", 0, "alert:l:4", 4, "m2")] * 2,
            "dead-letters": [
                replace(written("dead-letters", 0, {"messageId": "b"}), headers={"tasuki_origin": "http:chaos"}),
                Written("dead-letters", 0, 1, None, b"{oops", {"tasuki_origin": "t.events/0/9"}),
            ],
        },
        rows={
            "leads": [
                {
                    "lead_id": "l",
                    "stage": "hot",
                    "department": "marketing",
                    "team": "all",
                    "seq": 4,
                    "total": 6.5,
                    "score_at": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
                    "merged_into": None,
                }
            ],
            "stages": [
                entered(1, "awareness", "acquired", 900),
                entered(2, "acquired", "hot", 1_000),
            ],
            "changes": [
                {
                    "lead_id": "l",
                    "seq": 3,
                    "handoff_id": "h1",
                    "status": "offered",
                    "giver": "marketing",
                    "giver_team": None,
                    "receiver": "inside-sales",
                    "team": "head-office",
                    "stage": "hot",
                    "company": "domain:acme.example",
                }
            ],
            "open": [{"lead_id": "l"}],
            "ownerless": [],
            "outbox": [],
            "moved_back": [],
        },
    )


def broken(left: Left, truth: Truth = TRUTH) -> set[str]:
    return {promise for promise, wrong in differences(left, truth, STORIES, POISON).items() if wrong}


def test_what_is_right_is_accepted() -> None:
    assert broken(right()) == set()


def test_a_repetition_of_the_end_is_accepted_and_one_of_an_old_message_alone_is_not() -> None:
    left = right()
    left.topics["stages"] += left.topics["stages"]
    assert broken(left) == set()
    left.topics["stages"].append(left.topics["stages"][0])
    assert broken(left) == {"messages: in order per lead"}


def test_another_team_is_right_where_it_has_taken_a_colleague_and_nowhere_else() -> None:
    left = right()
    row, lead = left.rows["changes"][0], left.rows["leads"][0]
    row.update(team="osaka")
    left.rows["leads"].append(lead | {"lead_id": "k"})
    for status, company, is_right in (
        ("offered", row["company"], False),
        ("accepted", row["company"], True),
        ("accepted", "domain:beta.example", False),
    ):
        colleagues = row | {"lead_id": "k", "handoff_id": "h2", "status": status, "company": company}
        left.rows["changes"] = [row, colleagues]
        (step,) = routed(left, TRUTH.leads)["l"]["handoffs"]
        assert (step in LEAD.handoffs) == is_right


Change = Callable[[Left], Any]
CHANGES: list[tuple[str, Change]] = [
    ("scores equal the oracle's", lambda left: left.topics["scores"].clear()),
    ("score records: in order, each once", lambda left: left.topics["scores"].append(left.topics["scores"][0])),
    ("stages, owners and hand-offs equal the oracle's", lambda left: left.rows["leads"][0].update(team="other")),
    ("stages, owners and hand-offs equal the oracle's", lambda left: left.rows["stages"][0].update(at=EPOCH)),
    ("the router tells the log what it must, each once", lambda left: left.topics["events"].append(recycled(2))),
    ("stages, owners and hand-offs equal the oracle's", lambda left: left.rows["leads"][0].update(total=6.4)),
    ("stages, owners and hand-offs equal the oracle's", lambda left: left.rows["changes"][0].update(team="other")),
    (
        "stages, owners and hand-offs equal the oracle's",
        lambda left: left.topics["stages"].append(said_to_have_cooled(left.topics["stages"].pop())),
    ),
    ("ids of one person are one lead", lambda left: left.rows["leads"][0].update(merged_into="m")),
    ("the ledger numbers a lead's messages without holes", lambda left: left.rows["leads"][0].update(seq=5)),
    ("the ledger numbers a lead's messages without holes", lambda left: left.topics["alerts"].clear()),
    ("ledger and topics agree by id", lambda left: left.topics["handoffs.inside-sales"].clear()),
    ("ledger and topics agree by id", lambda left: left.rows["stages"].pop()),
    ("messages: in order per lead", lambda left: left.topics["stages"].reverse()),
    (
        "deadlines: counted in working time",
        lambda left: left.topics.update({"handoffs.inside-sales": [offered(DUE - timedelta(minutes=1))]}),
    ),
    ("nobody without or with two owners", lambda left: left.rows["open"].append({"lead_id": "l"})),
    ("nobody without or with two owners", lambda left: left.rows["ownerless"].append({"lead_id": "l"})),
    ("dead letters hold exactly the poison", lambda left: left.topics["dead-letters"].pop()),
    ("dead letters hold exactly the poison", lambda left: left.topics["dead-letters"].pop(0)),
    (
        "dead letters hold exactly the poison",
        lambda left: left.topics["dead-letters"].append(left.topics["dead-letters"][1]),
    ),
    (
        "the ledger's offsets only go forward",
        lambda left: left.rows["moved_back"].append({"topic": "t.scores", "partition": 0, "before": 9, "after": 5}),
    ),
    ("the outbox is empty", lambda left: left.rows["outbox"].append({"id": 1})),
]


@pytest.mark.parametrize(("promise", "change"), CHANGES)
def test_each_change_is_found(promise: str, change: Change) -> None:
    left = right()
    change(left)
    assert promise in broken(left)


def test_what_the_router_tells_the_log_is_what_it_must_tell_once_by_id() -> None:
    wanted = replace(TRUTH, leads={"l": replace(LEAD, told=(RouterTold("recycle", 1_000, "lost"),))})
    promise = {"the router tells the log what it must, each once"}
    left = right()
    assert broken(left, wanted) == promise, "it is missing"
    left.topics["events"] = [recycled(2), recycled(2)]
    assert broken(left, wanted) == set(), "a copy is no other one"
    left.topics["events"] = [recycled(2), recycled(2, reason="stalled")]
    assert broken(left, wanted) == promise, "the same id, and something else"
    left.topics["events"] = [recycled(2), recycled(1)]
    assert broken(left, wanted) == promise, "one too many"
    left.topics["events"] = [recycled(7)]
    assert broken(left, wanted) == promise, "no stage change has this number"


def test_a_score_that_is_off_by_a_millionth_of_a_point_is_found() -> None:
    off = replace(TRUTH, leads={"l": replace(LEAD, total=6_500_001)})
    assert broken(right(), off) == {"scores equal the oracle's", "stages, owners and hand-offs equal the oracle's"}


def test_a_member_has_neither_owner_nor_hand_off() -> None:
    wanted = replace(TRUTH, leads={"l": replace(LEAD, merged_into="m")})
    promise = "ids of one person are one lead"
    assert promise in broken(right(), wanted)
    left = right()
    left.topics["scores"] = [written("scores", 0, {"lead_id": "l", "seq": 2, "merged_into": "m"}, ce_id="score:l:0:2")]
    left.rows["leads"][0].update(merged_into="m", department=None)
    assert promise in broken(left, wanted), "its hand-off is still open"
    left.rows["open"].clear()
    assert broken(left, wanted) == set()


def test_a_marker_of_a_dead_letter_sent_again_is_none() -> None:
    left = right()
    headers = {name: value.decode() for name, value in marker("0/1", EPOCH)}
    left.topics["dead-letters"].append(Written("dead-letters", 0, 2, None, b"", headers))
    assert broken(left) == set()


def test_what_was_acknowledged_and_is_gone_is_found_and_so_is_what_nobody_sent() -> None:
    promise = {"events: acknowledged is stored, and nothing else"}
    assert broken(right(), replace(TRUTH, lost={("chaos", "m1")})) == promise
    assert broken(right(), replace(TRUTH, foreign=[("web", "x")])) == promise
