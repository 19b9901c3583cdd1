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
    """The last record."""
    return records(events, **parts)[-1]


def records(events: Iterable[Event], **parts: Any) -> list[ScoreRecord]:
    """Of one batch, by the default playbook with other `parts`, after its loader's checks."""
    content = deepcopy(DEFAULT) | parts
    scorer = Scorer(parse_playbook(yaml.safe_dump(content, allow_unicode=True), "changed.yaml"))
    logged = [Logged(offset, 20_000, event) for offset, event in enumerate(events)]
    return scorer.apply(scorer.new_state(), logged, 0)


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


LISTED = event("Lead Listed", list="external_database")
ACCOUNTS = {"names": ["株式会社アクメ"], "domains": ["beta.co.jp"]}


def test_an_outside_lead_that_nothing_narrows_stays_at_the_lowest_level() -> None:
    assert scored([LISTED, event("", 1, {"company": {"name": "ガンマ", "employees": 5000}})]).level == 1


def test_what_an_outside_lead_is_gives_its_level_and_takes_it_away() -> None:
    right = event("", 1, {"company": {"employees": 300, "industry": "製造"}})
    wrong = event("", 2, {"company": {"employees": 299, "industry": "製造"}})
    assert [scored(told).level for told in ([right, LISTED], [LISTED, right], [LISTED, right, wrong])] == [2, 2, 1]
    assert scored([wrong, right, LISTED]).level == 1, "the newest value counts, not the one that arrived last"


def test_attributes_alone_give_no_level_to_those_on_no_list_and_none_beyond_its_time() -> None:
    right = event("", 1, {"company": {"employees": 300, "industry": "製造"}})
    assert scored([right, event("Exhibition Attended")]).level == 1
    assert scored([LISTED, right, event("Email Opened", 91)]).level == 0


def test_a_condition_on_what_a_lead_is_may_be_turned_round() -> None:
    small = {"not": {"field": "company.employees", "is": {"at_least": 300}}}
    listed = DEFAULT["channels"]["external_database"] | {"by_attributes": [{"label": LABEL, "level": 2, "when": small}]}
    channels = DEFAULT["channels"] | {"external_database": listed}
    told = [event("", 1, {"employees": employees}) for employees in (299, 300)]
    assert [scored([LISTED, one], channels=channels).level for one in told] == [2, 1]


def test_the_end_of_a_level_that_a_field_has_given_is_noticed_by_the_next_event() -> None:
    """When the lead cools depends on the level after it: a record must tell it, however the log is cut."""
    right = event("", 12, {"company": {"employees": 300, "industry": "製造"}})
    quiet = [event("Email Opened", day) for day in (11, 20, 95, 96)]
    log = [LISTED, event("Exhibition Attended", 10), quiet[0], right, *quiet[1:]]
    ends = [(record.position.offset, record.level) for record in records(log)]
    assert ends[-3:] == [(4, 2), (5, 1), (6, 1)]


def test_named_accounts_are_known_by_name_whatever_its_form_and_by_mail_domain() -> None:
    def level(**traits: Any) -> int:
        return scored([event("", 1, traits), LISTED], target_accounts=ACCOUNTS).level

    assert [level(company=name) for name in ("アクメ㈱", "（株） ｱｸﾒ", "株式会社アクメ東京")] == [3, 3, 1]
    assert [level(email=told) for told in ("a@Mail.BETA.co.jp", "a@notbeta.co.jp", "beta.co.jp")] == [3, 1, 1]


def test_of_an_account_the_score_knows_only_that_it_is_one() -> None:
    told = event("", 1, {"company": "アクメ㈱", "email": "taro@gamma.example"})
    record = scored([told], target_accounts=ACCOUNTS)
    assert record.attributes == {"company.name": True, "email": True, "target_company": True}
    moved = scored([told, event("", 2, {"company": "ガンマ"})], target_accounts=ACCOUNTS)
    assert "target_company" not in moved.attributes


def test_target_accounts_may_give_points_as_any_field() -> None:
    rule = {"id": "wanted", "label": LABEL, "field": "target_domain", "is": True, "points": 30}
    parts = {"target_accounts": ACCOUNTS, "attribute": {"rules": [rule]}}
    assert scored([event("", 1, {"email": "a@beta.co.jp"})], **parts).attribute == 30
