"""Who is not a person to be scored."""

from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest
import yaml

from services.scorer.scoring import Scorer
from shared.events import Event, Kind, Logged
from shared.playbook import Playbook
from shared.scores import ScoreRecord

DEFAULT = yaml.safe_load(resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8"))
INTERNAL = {
    "domains": ["Tasuki.example"],
    "ids": ["test-1", "qa-browser"],
    "networks": ["192.0.2.0/24", "2001:db8::/32"],
}
SCORER = Scorer(Playbook.model_validate(DEFAULT | {"not_people": {"internal": INTERNAL}}))
AT = datetime(2026, 11, 2, 1, tzinfo=UTC)
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
GOOGLE = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def inquiry(number: int = 0, **more: Any) -> Event:
    return Event(kind=Kind.TRACK, id=f"m{number}", source="web", key="lead-1", time=AT, received_at=AT,
                 name="Inquiry Submitted", **more)  # fmt: skip


def identified(email: str, kind: Kind = Kind.IDENTIFY) -> Event:
    return Event(kind=kind, id=email, source="web", key="lead-1", time=AT, received_at=AT, traits={"email": email})


def last(*events: Event) -> ScoreRecord:
    logged = [Logged(offset, 20_000, event) for offset, event in enumerate(events)]
    return SCORER.apply(SCORER.new_state(), logged, 0)[-1]


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ({"userAgent": BROWSER, "ip": "203.0.113.7"}, ""),
        ({"userAgent": GOOGLE}, "crawler"),
        ({"userAgent": "x" * 100_000 + GOOGLE}, ""),
        ({"userAgent": ["Googlebot/2.1"], "ip": 5}, ""),
        ({"ip": "192.0.2.200"}, "internal_network"),
        ({"ip": " 2001:db8::5 "}, "internal_network"),
        ({"ip": "somewhere"}, ""),
        ({"doNotTrack": True}, ""),  # an inquiry is sent on purpose
    ],
)
def test_single_events_that_are_worth_nothing(context: dict[str, Any], reason: str) -> None:
    record = last(inquiry(context=context))
    assert (record.total, record.ignored) == ((0.0, {reason: 1}) if reason else (60.0, {}))
    assert bool(record.signals) is not bool(reason)
    assert last(inquiry(1, context=context), inquiry(2)).total >= 60.0


@pytest.mark.parametrize(
    "who", [{"user_id": "test-1"}, {"anonymous_id": "qa-browser"}, {"user_id": "ito@TASUKI.example"}]
)
def test_of_a_colleague_nothing_counts(who: dict[str, str]) -> None:
    record = last(inquiry(1), inquiry(2, **who), inquiry(3))
    assert (record.total, record.level, record.signals, record.contributions) == (0.0, 0, {}, [])
    assert record.ignored == {"internal": 1}


def test_a_colleague_known_by_the_address_is_one_for_all_that_was_done_before() -> None:
    for events in ([inquiry(), identified("ito@tasuki.example ")], [identified("ito@tasuki.example "), inquiry()]):
        assert (last(*events).total, last(*events).ignored) == (0.0, {"internal": 1})
    assert last(inquiry(), identified("ito@not-tasuki.example")).total == 60.0
    assert last(inquiry(), identified("info@tasuki.example", Kind.GROUP)).total == 60.0


@pytest.mark.parametrize(
    "context",
    [
        {"consent": {"categoryPreferences": {"Analytics": False, "Advertising": True}}},
        {"doNotTrack": "1"},
        {"globalPrivacyControl": True, "page": {"path": "/pricing"}},
    ],
)
def test_of_who_does_not_want_to_be_followed_nothing_is_made(context: dict[str, Any]) -> None:
    page = Event(kind=Kind.PAGE, id="p", source="web", key="lead-1", time=AT, received_at=AT,
                 properties={"path": "/pricing"}, context=context)  # fmt: skip
    told = Event(kind=Kind.IDENTIFY, id="i", source="web", key="lead-1", time=AT, received_at=AT,
                 traits={"email": "taro@example.co.jp", "title": "社長"}, context=context)  # fmt: skip
    record = last(page, told)
    assert (record.total, record.contributions, record.signals) == (0, [], {})
    assert record.ignored == {"consent_withheld": 2}


@pytest.mark.parametrize(
    "context",
    [{"consent": {"categoryPreferences": {"Analytics": True}}}, {"doNotTrack": "unspecified"}, {"consent": "no"}, {}],
)
def test_who_agrees_or_says_nothing_is_scored(context: dict[str, Any]) -> None:
    page = Event(kind=Kind.PAGE, id="p", source="web", key="lead-1", time=AT, received_at=AT,
                 properties={"path": "/pricing"}, context=context)  # fmt: skip
    record = last(page)
    assert record.total > 0
    assert record.ignored == {}
