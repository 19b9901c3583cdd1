"""Rules and signals about channels and their actions, certainty levels of outside lists, and of campaigns."""

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import yaml

from services.scorer.scoring import Scorer
from shared.events import Event, Kind, Logged
from shared.playbook import parse_playbook
from shared.scores import ScoreRecord

MONDAY = datetime(2026, 10, 5, 1, 0, tzinfo=UTC)  # 10:00 in Tokyo
DEFAULT = yaml.safe_load(resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8"))
LABEL = {"ja": "規則", "en": "rule"}


def scored(events: Iterable[Event], **parts: Any) -> ScoreRecord:
    """The last record, by the default playbook with other `parts`, after its loader's checks."""
    content = deepcopy(DEFAULT) | parts
    scorer = Scorer(parse_playbook(yaml.safe_dump(content, allow_unicode=True), "changed.yaml"))
    logged = [Logged(offset, 20_000, event) for offset, event in enumerate(events)]
    return scorer.apply(scorer.new_state(), logged, 0)[-1]


def event(name: str, day: float = 0, traits: dict[str, Any] | None = None, **properties: Any) -> Event:
    at = MONDAY + timedelta(days=day)
    return Event(
        kind=Kind.TRACK if name else Kind.IDENTIFY, id=f"{name}{day}{properties}{traits}", source="web", key="lead-1",
        time=at, received_at=at, name=name, properties=properties, traits=traits or {},
    )  # fmt: skip


def rules(*whens: dict[str, Any]) -> dict[str, Any]:
    """The behaviour part with one rule per condition."""
    return {"rules": [{"id": f"r{n}", "label": LABEL, "points": 1, "when": when} for n, when in enumerate(whens)]}


def counted(record: ScoreRecord) -> dict[str, int]:
    return {part.rule: part.times for part in record.contributions}


def test_a_rule_about_a_channel_counts_each_event_once_whatever_actions_it_is() -> None:
    events = [event("Webinar Booked"), event("Survey Answered", 0.1, contact_requested=True), event("Booth Visited")]
    assert counted(scored(events, behaviour=rules({"channel": "webinar"}))) == {"r0": 2}


def test_a_rule_about_actions_is_about_no_others() -> None:
    events = [event("Booth Visited", talked_in_detail=True), event("Booth Visited", 0.1), event("Exhibition Attended")]
    talked = {"channel": "exhibition", "action": "booth_talked"}
    several = {"channel": "exhibition", "action": ["attended", "booth_talked"]}
    assert counted(scored(events, behaviour=rules(talked, several))) == {"r0": 1, "r1": 2}


def test_channel_and_properties_must_both_hold() -> None:
    events = [event("Call Answered", interested=True, minutes=9), event("Call Answered", 0.1, interested=True)]
    asked = {"channel": "phone", "action": "interested", "where": {"minutes": {"over": 5}}}
    assert counted(scored(events, behaviour=rules(asked))) == {"r0": 1}


def test_a_signal_may_be_drawn_from_a_channel() -> None:
    signal = {"met": {"label": LABEL, "any": [{"channel": "exhibition"}, {"channel": "phone"}]}}
    parts = {"signals": DEFAULT["signals"] | signal}
    record = scored([event("Exhibition Attended"), event("Call Answered", 0.1), event("Webinar Booked", 0.2)], **parts)
    assert record.signals["met"].times == 2
