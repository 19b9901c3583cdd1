"""Rules and signals about channels and their actions, certainty levels of outside lists, and of campaigns."""

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import msgspec
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


def test_of_actions_that_one_name_of_event_may_be_any_will_do() -> None:
    phone = deepcopy(DEFAULT["channels"]["phone"])
    phone["actions"]["reached"]["when"]["where"] = {"interested": False}
    events = [event("Call Answered", n, interested=told) for n, told in enumerate((True, False, None))]
    parts = {"channels": DEFAULT["channels"] | {"phone": phone}, "behaviour": rules({"channel": "phone"})}
    assert counted(scored(events, **parts)) == {"r0": 2}


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


HOUSE = event("Lead Listed", 3, list="house_list")


def test_an_outside_lead_is_one_that_has_done_nothing_by_itself() -> None:
    who = event("", 1, {"email": "a@b.example", "company": {"employees": 300, "industry": "製造"}})
    researched = event("Lead Listed", 2, list="bdr_research")
    assert [scored(log).list_kind for log in ([LISTED], [LISTED, who, researched], [who])] == [
        "outside",
        "outside",
        "house",
    ]
    acts = [HOUSE, event("Webinar Booked", 4), event("Email Link Clicked", 5), event("Exhibition Attended", 6)]
    for act in acts:
        assert {scored(log).list_kind for log in ([LISTED, who, act], [act, who, LISTED])} == {"house"}, act.name


def test_what_sales_did_does_not_make_an_outside_lead_ones_own_and_its_answer_does() -> None:
    tried = [LISTED, event("Call Unanswered", 1), event("Sales Email Sent", 2)]
    assert scored(tried).list_kind == "outside"
    assert scored([*tried, event("Call Answered", 3)]).list_kind == "house"


def test_a_scanner_that_follows_the_links_of_a_mail_does_not_act_for_the_lead() -> None:
    links = [event("Email Link Clicked", 1 + n / 86_400 / 4, mail_id="m", link=f"l{n}") for n in range(3)]
    assert scored([LISTED, links[0]]).list_kind == "house"
    assert scored([LISTED, *links]).list_kind == "outside"


def test_the_list_is_told_with_its_name_and_age_and_is_the_channel() -> None:
    told = {"list": "external_database", "kind": "outside", "name": "製造業データベース", "obtained": "2026-10-01"}
    record = scored([msgspec.structs.replace(LISTED, properties=told, traits={"email": "a@b.example"})])
    assert record.trigger.channel == "external_database"
    assert {"contact_obtained", "listed"} <= set(record.signals)
    assert record.signals["listed"].kept == {"name": "製造業データベース", "obtained": "2026-10-01"}


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


def webinar(**more: Any) -> dict[str, Any]:
    return {"channels": DEFAULT["channels"] | {"webinar": DEFAULT["channels"]["webinar"] | more}}


def together(level: int, *actions: str) -> dict[str, Any]:
    return webinar(together=[{"label": LABEL, "level": level, "all": list(actions)}])


BOOKED = event("Webinar Booked", webinar="w1", ends_at="2026-10-12T10:00:00+09:00")
AFTER, BEFORE = 7, 6.999


def test_actions_together_make_a_level_only_in_one_campaign_and_in_any_order() -> None:
    rule = together(4, "attended", "surveyed")
    attended, surveyed = event("Webinar Attended", 1, webinar="w1"), event("Survey Answered", 2, webinar="w1")
    assert scored([attended, surveyed], **rule).level == scored([surveyed, attended], **rule).level == 4
    assert scored([attended, event("Survey Answered", 2, webinar="w2")], **rule).level == 3
    assert scored([event("Webinar Attended", 1), event("Survey Answered", 2)], **rule).level == 3


def test_a_level_of_actions_together_holds_from_the_latest_of_them() -> None:
    log = [event("Webinar Attended", 1, webinar="w1"), event("Survey Answered", 20, webinar="w1")]
    record = scored(log, **together(4, "attended", "surveyed"))
    assert record.level_until == MONDAY + timedelta(days=110)


def test_absence_is_concluded_when_the_campaign_has_ended_and_not_before() -> None:
    rule = together(2, "booked", "absent")
    levels = [scored([BOOKED, event("Email Opened", day)], **rule).level for day in (BEFORE, AFTER)]
    assert levels == [1, 2]
    concluded = scored([BOOKED, event("Email Opened", 30)], **rule)
    assert concluded.level_until == MONDAY + timedelta(days=AFTER + 90)


def test_whoever_attended_was_not_absent_even_when_that_is_told_late() -> None:
    rule = together(4, "booked", "absent")
    attended = event("Webinar Attended", 6.9, webinar="w1")
    assert [record.level for record in records([BOOKED, event("Email Opened", 30), attended], **rule)] == [1, 4, 3]
    assert scored([BOOKED, event("Webinar Attended", 6.9, webinar="w2"), event("Email Opened", 30)], **rule).level == 4


def test_an_action_that_makes_a_level_with_others_has_a_record_of_its_own() -> None:
    """By itself it is worth less than what the lead has already."""
    log = [BOOKED, event("Inquiry Submitted", 1), event("Webinar Missed", 2, webinar="w1"), event("Email Opened", 3)]
    told = [(one.position.offset, one.level) for one in records(log, **together(4, "booked", "absent"))]
    assert told == [(0, 1), (1, 3), (2, 4), (3, 4)]


def test_the_latest_end_that_was_told_counts() -> None:
    rule = together(2, "booked", "absent")
    postponed = event("Webinar Booked", 1, webinar="w1", ends_at="2026-11-01")
    for log in ([BOOKED, postponed], [postponed, BOOKED]):
        levels = [scored([*log, event("Email Opened", day)], **rule).level for day in (26.5, 27.7)]
        assert levels == [1, 2], "its day ends at midnight in Tokyo"


def test_nothing_is_concluded_of_a_campaign_whose_end_nobody_has_told() -> None:
    for ends_at in ("soon", None, 20261012, "9999-99-99"):
        log = [event("Webinar Booked", webinar="w1", ends_at=ends_at), event("Email Opened", 60)]
        assert scored(log, **together(2, "booked", "absent")).level == 1


def test_the_first_event_after_the_end_finds_the_absence_however_the_log_is_cut() -> None:
    log = [BOOKED, *(event("Email Opened", day) for day in (1, BEFORE, AFTER, 8))]
    told = [(one.position.offset, one.level) for one in records(log, **together(2, "booked", "absent"))]
    assert told[-3:] == [(2, 1), (3, 2), (4, 2)]


def test_of_many_campaigns_the_latest_are_remembered_whatever_the_order() -> None:
    rule = together(4, "attended", "surveyed")
    old = [event("Webinar Attended", 0, webinar="old"), event("Survey Answered", 50, webinar="old")]
    many = [event("Webinar Attended", 1 + n / 10, webinar=n) for n in range(49)]
    assert scored([*old, *many[1:]], **rule).level == 4
    assert {scored(log, **rule).level for log in ([*old, *many], [*many, *old], [old[0], *many, old[1]])} == {3}


def test_the_record_tells_the_latest_campaigns_with_what_was_done_in_them() -> None:
    visits = [event("Booth Visited", n, exhibition=f"expo {n}") for n in range(20, 24)]
    survey = event("Exhibition Survey Answered", 25, exhibition="expo 21")
    told = scored([BOOKED, event("Webinar Booked", webinar="early"), *visits, survey]).campaigns
    assert [(one.campaign, one.actions, one.level) for one in told] == [
        ("expo 21", ["booth_visited", "surveyed"], 3),
        ("expo 23", ["booth_visited"], 2),
        ("expo 22", ["booth_visited"], 2),
        ("expo 20", ["booth_visited"], 2),
        ("w1", ["booked", "absent"], 1),
    ]
    assert told[0].last == survey.time
