"""Programs of mail security open mails and follow their links before the person does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import permutations
from typing import Any

import pytest
import yaml

from services.scorer.scoring import LeadState, Scorer
from services.scorer.scoring.mails import MOST_ACTS, MOST_SCANNERS, MOST_SENT
from services.scorer.scoring.state import decode_state, encode_state
from shared.events import Event, Kind, Logged
from shared.playbook import Playbook, load_playbook
from shared.scores import ScoreRecord

DEFAULT = yaml.safe_load(resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8"))
SCORER = Scorer(load_playbook())
AT = datetime(2026, 11, 2, 1, tzinfo=UTC)


def event(name: str, seconds: float = 0.0, id: str = "", **properties: Any) -> Event:
    time = AT + timedelta(seconds=seconds)
    return Event(kind=Kind.TRACK, id=id or f"{name}-{seconds}-{properties}", source="mail", key="lead-1", time=time,
                 received_at=AT + timedelta(days=400), name=name, properties=properties, historical=True)  # fmt: skip


def clicked(seconds: float, link: str, mail: str = "m1", **more: Any) -> Event:
    return event("Email Clicked", seconds, mail_id=mail, link_url=link, **more)


def opened(seconds: float, mail: str = "m1", **more: Any) -> Event:
    return event("Email Opened", seconds, mail_id=mail, **more)


def sent(seconds: float = 0.0, mail: str = "m1") -> Event:
    return event("Email Sent", seconds, mail_id=mail)


def run(*events: Event, scorer: Scorer = SCORER, state: LeadState | None = None) -> list[ScoreRecord]:
    """Each event is a batch of its own, and the state is stored in between."""
    state, records = state or scorer.new_state(), []
    for offset, one in enumerate(events):
        records += scorer.apply(state, [Logged(offset, 20_000, one)], 0)
        state = decode_state(encode_state(state))
    return records


def last(*events: Event, scorer: Scorer = SCORER) -> ScoreRecord:
    return run(*events, scorer=scorer)[-1]


def in_any_order(*events: Event) -> list[ScoreRecord]:
    return [last(*order) for order in permutations(events)]


@pytest.mark.parametrize(("seconds", "is_scanners"), [(-0.001, False), (0, True), (4.999, True), (5, False)])
def test_an_act_within_seconds_of_sending_is_a_scanners_whichever_is_heard_of_first(
    seconds: float, is_scanners: bool
) -> None:
    for record in in_any_order(sent(), opened(seconds), event("Nothing", 60)):
        assert record.total == (0.0 if is_scanners else 1.0)
        assert record.ignored == ({"mail_scanner": 1} if is_scanners else {})


def test_neither_another_mail_nor_another_sending_makes_it_one() -> None:
    assert last(sent(mail="m2"), opened(1)).ignored == {}
    # A campaign that was sent twice.
    assert last(sent(0), sent(100), opened(50)).ignored == {}
    assert last(sent(0), sent(100), opened(101)).ignored == {"mail_scanner": 1}


def test_many_links_at_once_are_a_scanners_the_earlier_clicks_too() -> None:
    before, *records = run(clicked(0, "a"), clicked(1, "b"), clicked(2, "c"), event("Nothing", 60))
    assert (before.total, "mail_clicked" in before.signals) == (5.0, True)
    assert (records[-1].total, records[-1].signals, records[-1].contributions) == (0.0, {}, [])
    assert records[-1].ignored == {"mail_scanner": 3}
    taking_back = next(record for record in records if record.ignored)
    assert taking_back.trigger.event_id == clicked(2, "c").id


@pytest.mark.parametrize(
    "clicks",
    [
        [clicked(0, "a"), clicked(1, "b"), clicked(2.001, "c")],
        [clicked(0, "a"), clicked(0.5, "b"), clicked(1, "b"), clicked(1.5, "a")],
        [clicked(0, "a"), clicked(1, "b"), clicked(2, "c", mail="m2")],
        [opened(0), opened(0.5), clicked(1, "a"), clicked(1, "b")],
    ],
    ids=["too slow", "two links", "two mails", "opened"],
)
def test_what_a_person_may_do(clicks: list[Event]) -> None:
    for record in in_any_order(*clicks):
        assert record.ignored == {}
        assert record.total >= 10.0


def test_a_persons_click_stays_when_a_scanners_are_taken_back() -> None:
    for record in in_any_order(clicked(0, "a"), clicked(1, "b"), clicked(2, "c"), clicked(60, "a", id="person")):
        assert (record.total, record.ignored) == (5.0, {"mail_scanner": 3})
        (click,) = record.contributions
        assert (click.rule, click.times, click.event_id) == ("mail_link_clicked", 1, "person")
        shown = record.signals["mail_clicked"]
        assert (shown.times, shown.event_id, shown.first) == (1, "person", AT + timedelta(seconds=60))


def test_a_level_is_taken_back_to_what_other_actions_give() -> None:
    mail_opened = event("Download Mail Opened", 3, mail_id="m1")
    downloaded = event("Document Downloaded", -60)
    assert last(downloaded, mail_opened, event("Nothing", 60)).level == 2
    for record in in_any_order(downloaded, mail_opened, sent()):
        assert (record.level, record.total) == (1, 15.0)


@pytest.mark.parametrize(
    "told",
    [
        {"machine": True}, {"sg_machine_open": "true"}, {"is_bot": 1}, {"sent_at": "2026-11-02T10:00:00+09:00"},
        {"sent_at": "2026-11-02t01:00:00z"}, {"sent_at": "2026-11-02T01:00:00"}, {"sent_at": AT.timestamp()},
        {"delivered_at": int(AT.timestamp() * 1000)},
    ],
)  # fmt: skip
def test_an_act_may_tell_so_itself(told: dict[str, Any]) -> None:
    assert last(opened(3, **told)).ignored == {"mail_scanner": 1}
    assert SCORER.hear(opened(3, **told), 0, 20_000).remarks == ("mail_scanner",)


@pytest.mark.parametrize(
    "told",
    [{"machine": False}, {"machine": "no"}, {"machine": [True]}, {"sent_at": "yesterday"}, {"sent_at": 1e300},
     {"sent_at": float("nan")}, {"sent_at": -5}, {"sent_at": True}, {"sent_at": "0001-01-01T00:00:00+14:00"}],
)  # fmt: skip
def test_or_not(told: dict[str, Any]) -> None:
    assert last(opened(3, **told)).ignored == {}


def test_what_the_tool_tells_of_the_lead_counts_whoever_opened_the_mail() -> None:
    known = Event(kind=Kind.TRACK, id="1", source="mail", key="lead-1", time=AT, received_at=AT, name="Email Opened",
                  traits={"title": "CEO"}, properties={"mail_id": "m1"})  # fmt: skip
    for record in in_any_order(known, sent()):
        assert (record.attribute, record.behaviour, record.ignored) == (20.0, 0.0, {"mail_scanner": 1})


def test_a_cap_for_ever_is_free_again() -> None:
    behaviour = DEFAULT["behaviour"]
    rules = [rule for rule in behaviour["rules"] if rule["id"] in {"mail_link_clicked", "booth_visited"}]
    changed = [{key: rule[key] for key in ("id", "label", "when", "points")} | {"group": "all"} for rule in rules]
    groups = {"all": {"label": {"ja": "全体", "en": "All"}, "cap_ever": 15}}
    part = {"half_life": "3650d", "groups": groups, "rules": changed}
    scorer = Scorer(Playbook.model_validate(DEFAULT | {"behaviour": part}))
    clicks = [clicked(second, link) for second, link in enumerate("abc")]
    *_, full = run(*clicks[:2], clicked(5, "d"), event("Booth Visited", 5 * 86_400), scorer=scorer)
    assert {part.rule for part in full.contributions if part.points > 1} == {"mail_link_clicked"}
    *_, freed = run(*clicks[:2], clicked(5, "d"), event("Booth Visited", 5 * 86_400), clicks[2], sent(4), scorer=scorer)
    assert freed.ignored == {"mail_scanner": 4}
    assert {part.rule: round(part.points) for part in freed.contributions} == {"booth_visited": 15}


def test_what_is_kept_stays_bounded_and_what_leaves_it_stays_as_it_was_judged() -> None:
    state = SCORER.new_state()
    days = [number * 86_400.0 for number in range(100)]
    scanned = [clicked(second, link, f"m{second}") for second in days[:15] for link in "abc"]
    log = [*scanned, *(clicked(second + 3600, "a", f"m{second}") for second in days)]
    for offset, one in enumerate([*(sent(second, f"m{second}") for second in days), *log]):
        record = SCORER.apply(state, [Logged(offset, 20_000, one)], 0)[-1]
    assert state.mails is not None
    assert (len(state.mails.acts), len(state.mails.sent)) == (MOST_ACTS + MOST_SCANNERS, MOST_SENT)
    assert record.ignored == {"mail_scanner": 45}
    assert [part.times for part in record.contributions] == [100]
    # All that is kept is a scanner's: the others stay.
    for offset, second in enumerate(days, 1000):
        record = SCORER.apply(state, [Logged(offset, 20_000, sent(second + 3599, f"m{second}"))], 0)[-1]
    assert record.ignored == {"mail_scanner": 45 + MOST_ACTS}
    assert [part.times for part in record.contributions] == [100 - MOST_ACTS]


def test_without_the_part_nobody_looks_for_them() -> None:
    scorer = Scorer(Playbook.model_validate(DEFAULT | {"not_people": {}}))
    state = scorer.new_state()
    records = run(sent(), opened(1, machine=True), *(clicked(2, link) for link in "abc"), scorer=scorer, state=state)
    assert (records[-1].total, records[-1].ignored, state.mails) == (11.0, {}, None)


def test_events_that_are_about_no_mail_leave_no_trace() -> None:
    state = SCORER.new_state()
    SCORER.apply(state, [Logged(0, 20_000, event("Document Downloaded", mail_id="m1"))], 0)
    assert state.mails is None


def test_a_part_in_a_campaign_is_taken_back_as_well() -> None:
    download = DEFAULT["channels"]["download"] | {
        "campaign": {"from": ["campaign"]},
        "together": [{"level": 4, "label": {"ja": "x", "en": "x"}, "all": ["downloaded", "mail_opened"]}],
    }
    scorer = Scorer(Playbook.model_validate(DEFAULT | {"channels": DEFAULT["channels"] | {"download": download}}))
    downloaded = event("Document Downloaded", 50, campaign="spring")
    read = event("Download Mail Opened", 1, mail_id="m1", campaign="spring")
    assert last(downloaded, read, scorer=scorer).level == 4
    for order in permutations((downloaded, read, sent())):
        record = last(*order, scorer=scorer)
        assert (record.level, [part.actions for part in record.campaigns]) == (1, [["downloaded"]])
