"""What the services decide is what the oracle of the fault suite expects, however the log was cut into batches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import count, zip_longest
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from services.cli.sample.generate import generate
from services.router.lifecycle.rules import Rules
from services.scorer.scoring import Scorer
from shared.playbook import Playbook, load_playbook
from shared.playbook.crosscheck import crosscheck
from tests.fault.oracle import ExpectedLead, Sent, Told, expected
from tests.property import mails, recyclings
from tests.property.living import START, Entry, Wish, composed, lives, ms
from tests.property.playbooks import contents, level_contents, recycling_contents

PLAYBOOK = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")
SCORER, RULES = Scorer(load_playbook()), Rules(load_playbook())


def produced(
    log: Sequence[Entry],
    cuts: set[int],
    until: datetime | None = None,
    scorer: Scorer = SCORER,
    rules: Rules = RULES,
) -> dict[str, ExpectedLead]:
    """What scorer and router make of the log, whose batches begin at `cuts`, and of the time that passes afterwards."""
    return {id: life.as_expected() for id, life in lives(log, cuts, scorer, rules, until).items()}


def unlike(found: Mapping[str, ExpectedLead], wanted: Mapping[str, ExpectedLead]) -> list[str]:
    """What is different; of steps, the first that is."""
    lines = []
    for id in sorted(found.keys() | wanted.keys()):
        for part in (part.name for part in fields(ExpectedLead) if part.compare):
            is_, must_be = (getattr(leads.get(id), part, None) for leads in (found, wanted))
            if isinstance(is_, tuple) and isinstance(must_be, tuple):
                pairs = zip_longest(is_, must_be)
                is_, must_be = next((pair for pair in pairs if pair[0] != pair[1]), (None, None))
            if is_ != must_be:
                lines.append(f"{part} of {id} is {is_}, must be {must_be}")
    return lines


def due(until: datetime | None) -> int | None:
    return None if until is None else ms(until)


TRACKED = [
    *("Document Downloaded", "Webinar Attended", "Email Link Clicked", "Newsletter Joined", "Email Unsubscribed"),
    *(
        "Inquiry Submitted",
        "Appointment Made",
        "Deal Registered",
        "Deal Won",
        "Onboarding Completed",
        *("Deal Lost", "Churned", "Call Answered", "Note Written", "Case Closed"),
        "Contact Retired",
    ),
    *(
        "Email Clicked",
        "Booth Visited",
        "Lead Acquired",
        "Survey Answered",
        "Catalogue Requested",
        "Lead Listed",
        *("Webinar Booked", "Webinar Missed", "Webinar Booked", "Exhibition Attended"),
        "Unheard Of",
        "deal won",
    ),
]
PROPERTIES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"list": st.sampled_from(["external_database", "bdr_research", "house_list"])},
    optional={
        "webinar": st.sampled_from(["w1", " w1", "w2", 7, "", None]),
        "exhibition": st.sampled_from(["w1", "expo"]),
        "ends_at": st.sampled_from(["2026-02-10", "2026-03-01T15:00:00", "2026-04-01T06:00:00z", "x", 5, "20260315"]),
        "talked_in_detail": st.sampled_from([True, False, "true", 1]),
        "contact_requested": st.booleans(),
        "deal_id": st.sampled_from(["d1", "d2", None]),
        "amount": st.integers(0, 9),
        "usage": st.sampled_from([1, 2.5, -3, "1,000", "many", True, 10**9]),
        "expected_date": st.sampled_from(["2026-12-01", "", None]),
        "path": st.sampled_from(["/", "/pricing", "/Product/a", "/PRICING"]),
    },
)
TRAITS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        # A mailbox of several people links nobody.
        "email": st.sampled_from(["info@acme.example", "Info@Tokyo.ACME.example", "info@gmail.com", "", " "]),
        "title": st.sampled_from(["部長", "ＣＥＯ", "担当", ""]),
        "company_name": st.sampled_from(["(株) アクメ", "㈱ｱｸﾒ", "アクメ有限会社", "ベータ", "ＢＥＴＡ Co., Ltd.", ""]),
        "company": st.sampled_from(["Acme", {"employees": "1,200"}, {"employees": 299.5, "industry": "製造"}, {}]),
        "industry": st.sampled_from(["官公庁", " 金融 ", "小売", None]),
        "occupation": st.sampled_from(["学生", "会社員"]),
        "unsubscribed": st.booleans(),
        "do_not_call": st.sampled_from([True, False, "true"]),
        "prefecture": st.sampled_from(["大阪", "Kyoto-fu", "東京都", "nowhere", 27]),
        "address": st.just({"state": "nara"}),
    },
)
MOMENTS = st.one_of(
    st.integers(0, 60 * 24 * 150).map(lambda minutes: START + timedelta(minutes=minutes)),
    # Around the end of a day in Tokyo, where points begin to fade.
    st.builds(
        lambda day, ms: START + timedelta(days=day, hours=15, milliseconds=ms), st.integers(0, 150), st.integers(-2, 2)
    ),
)


DEVICES = st.fixed_dictionaries(
    {},
    optional={
        "userAgent": st.sampled_from(["Mozilla/5.0 (Windows NT 10.0) Chrome/126.0", "Googlebot/2.1", "curl/8.5", 5]),
        "ip": st.sampled_from(["203.0.113.9", " 192.0.2.7", "2001:db8::1", "here", None]),
        "consent": st.sampled_from([{"categoryPreferences": {"Analytics": False}}, {"categoryPreferences": {}}, "no"]),
        "doNotTrack": st.sampled_from([True, False, 1, "YES", None]),
    },
)


@st.composite
def calls(draw: st.DrawFn, number: int) -> dict[str, Any]:
    kind = draw(st.sampled_from(["track", "track", "track", "page", "identify", "identify", "group"]))
    call: dict[str, Any] = {"type": kind, "messageId": f"m{number:03d}", "timestamp": draw(MOMENTS).isoformat()}
    call |= {"userId": "lead-1"} if draw(st.integers(0, 9)) else {"anonymousId": "visitor"}
    if kind in ("track", "page"):
        call["properties"] = draw(PROPERTIES)
    if kind == "track":
        call["event"] = draw(st.sampled_from(TRACKED))
    if kind in ("identify", "group"):
        call["traits"] = draw(TRAITS)
    if kind == "group":
        call["groupId"] = "company-1"
    if draw(st.integers(0, 4)) == 0:
        call["context"] = {"traits": draw(TRAITS), "page": {"path": "/product/from-context"}}
    if draw(st.integers(0, 4)) == 0:
        call["context"] = call.get("context", {}) | draw(DEVICES)
    if draw(st.integers(0, 5)) == 0:
        call["historical"] = True
    if draw(st.integers(0, 2)) == 0:
        name, at, properties = draw(mails.told())
        call |= {"type": "track", "event": name, "timestamp": at.isoformat(), "properties": properties}
    return call


@st.composite
def warm_logs(draw: st.DrawFn) -> list[Told]:
    """Of a lead that is worth 60 points from the beginning on: it heats up and cools down again and again."""
    first = {"type": "identify", "userId": "lead-1", "messageId": "m-first", "timestamp": START.isoformat()}
    first["traits"] = {"email": "taro@acme.example", **WORTH_60} | draw(st.sampled_from([{}, {"prefecture": "大阪"}]))
    told = draw(st.lists(st.tuples(MOMENTS, st.sampled_from(WARMING)), max_size=25))
    if draw(st.integers(0, 3)):
        told.sort(key=lambda one: one[0])
    log = [Sent(first, START + timedelta(days=200), "web")]
    for number, (at, (kind, event, more)) in enumerate(told):
        call = {"type": kind, "userId": "lead-1", "messageId": f"m{number:03d}", "timestamp": at.isoformat(), **more}
        call |= {"event": event} if event else {}
        call |= {"historical": True} if draw(st.integers(0, 9)) == 0 else {}
        if draw(st.integers(0, 4)) == 0:
            name, moment, properties = draw(mails.told())
            call |= {"type": "track", "event": name, "timestamp": moment.isoformat(), "properties": properties}
        log.append(Sent(call, START + timedelta(days=200, seconds=number), "web"))
    kept = mails.kept(log, lambda sent: mails.of_call(sent.call))
    return draw(recyclings.among(kept, ["lead-1"], MOMENTS))


@st.composite
def level_logs(draw: st.DrawFn) -> list[Sent]:
    """Of a lead that nothing but its level moves: it takes part in two campaigns, and is on an outside list."""
    first = {"type": "identify", "userId": "lead-1", "messageId": "m-first", "timestamp": START.isoformat()}
    log = [Sent(first | {"traits": {"email": "taro@acme.example"}}, START + timedelta(days=200), "web")]
    days = st.integers(0, 130).map(lambda day: START + timedelta(days=day, hours=1))
    told = draw(st.lists(st.tuples(days, st.sampled_from(TAKING_PART)), min_size=2, max_size=14))
    if draw(st.booleans()):
        told.sort(key=lambda one: one[0])
    for number, (at, (kind, event, more)) in enumerate(told):
        call = {"type": kind, "userId": "lead-1", "messageId": f"m{number:03d}", "timestamp": at.isoformat(), **more}
        log.append(Sent(call | ({"event": event} if event else {}), START + timedelta(days=200, seconds=number), "web"))
    return log


@st.composite
def worked_logs(draw: st.DrawFn) -> list[Told]:
    """Of a lead whom people work: its days are full of what sales tells, and between them nothing may happen for
    months."""
    first = {"type": "identify", "userId": "lead-1", "messageId": "m-first", "timestamp": START.isoformat()}
    traits = {"email": "taro@acme.example", **draw(st.sampled_from([{}, WORTH_60]))}
    log = [Sent(first | {"traits": traits}, START + timedelta(days=400), "web")]
    told = draw(st.lists(st.tuples(DAYS, st.sampled_from(WORKING)), min_size=3, max_size=18))
    if draw(st.integers(0, 3)):
        told.sort(key=lambda one: one[0])
    for number, (day, (kind, event, more)) in enumerate(told):
        at = START + timedelta(days=day, hours=number % 5)
        call = {"type": kind, "userId": "lead-1", "messageId": f"m{number:03d}", "timestamp": at.isoformat(), **more}
        call |= {"event": event} if event else {}
        call |= {"historical": True} if draw(st.integers(0, 9)) == 0 else {}
        log.append(Sent(call, START + timedelta(days=400, seconds=number), "web"))
    return log


@st.composite
def logs(draw: st.DrawFn) -> list[Told]:
    """Calls of a lead and a visitor in any order of time, some of them copies, some told before they could happen."""
    sent = mails.kept([draw(calls(number)) for number in range(draw(st.integers(1, 25)))], mails.of_call)
    if draw(st.booleans()):
        sent.sort(key=lambda call: str(call["timestamp"]))
    for copied in draw(st.lists(st.integers(0, len(sent) - 1), max_size=3)):
        sent.insert(draw(st.integers(copied, len(sent))), sent[copied])
    first = START + timedelta(days=draw(st.sampled_from([60, 200])))
    log = [Sent(call, first + timedelta(seconds=number), "web") for number, call in enumerate(sent)]
    return draw(recyclings.among(log, ["lead-1", "anon:visitor"], MOMENTS))


def story(*told: tuple[int, str, dict[str, Any]]) -> list[Sent]:
    """(day, kind or event, traits) of one lead."""
    found = []
    for number, (day, what, traits) in enumerate(told):
        kind = what if what in ("identify", "page") else "track"
        at = START + timedelta(days=day, minutes=number)
        call = {"type": kind, "userId": "lead-1", "messageId": f"m{number}", "timestamp": at.isoformat()}
        call |= {"event": what} if kind == "track" else {}
        found.append(Sent(call | {"traits": traits}, START + timedelta(days=200, seconds=number), "web"))
    return found


WORTH_60 = {"title": "CEO", "employees": 1000, "industry": "金融"}
WARMING: list[tuple[str, str, dict[str, Any]]] = [
    ("track", "Webinar Booked", {"properties": {"webinar": "w1", "ends_at": "2026-02-10T15:00:00+09:00"}}),
    ("track", "Webinar Attended", {"properties": {"webinar": "w1"}}),
    ("track", "Webinar Booked", {"properties": {"webinar": "w2", "ends_at": "2026-03-20"}}),
    ("track", "Lead Listed", {"properties": {"list": "external_database"}}),
    ("identify", "", {"traits": {"company_name": "アクメ㈱"}}),
    ("identify", "", {"traits": {"company_name": "ベータ", "industry": "小売"}}),
    *(("track", event, {}) for event in ("Document Downloaded", "Webinar Booked", "Booth Visited", "Survey Answered")),
    *(("track", event, {}) for event in ("Webinar Attended", "Email Unsubscribed", "Email Clicked", "Contact Retired")),
    *(("track", event, {}) for event in ("Appointment Made", "Download Mail Opened", "Call Unanswered")),
    ("track", "Booth Visited", {"properties": {"talked_in_detail": True}}),
    ("page", "", {"properties": {"path": "/pricing"}}),
    ("page", "", {}),
    *(("track", event, {}) for event in ("Inquiry Submitted", "Call Answered", "Deal Lost", "Deal Won", "Churned")),
    ("track", "Deal Registered", {"properties": {"amount": 5, "expected_date": "2026-12-01"}}),
    ("identify", "", {"traits": {"title": "担当"}}),
    ("identify", "", {"traits": {"title": "CEO"}}),
]
DAYS = st.integers(0, 12) | st.integers(0, 300)
WORKING: list[tuple[str, str, dict[str, Any]]] = [
    *(("track", event, {}) for event in ("Inquiry Submitted", "Catalogue Requested", "Appointment Made", "Deal Won")),
    *(("track", event, {}) for event in ("Deal Lost", "Churned", "Call Answered", "Note Written", "Case Closed")),
    *(("track", event, {}) for event in ("Onboarding Completed", "Email Clicked", "Booth Visited", "Webinar Attended")),
    *(("track", event, {}) for event in ("Contact Retired", "Document Downloaded", "Email Unsubscribed")),
    *[("track", "Call Unanswered", {})] * 3,
    *[("track", "Deal Registered", {"properties": {"amount": 5, "expected_date": "2026-12-01"}})] * 2,
    *[("page", "", {"properties": {"path": "/pricing"}})] * 2,
    ("page", "", {}),
    ("identify", "", {"traits": {"occupation": "学生"}}),
    ("identify", "", {"traits": {"occupation": "会社員", **WORTH_60}}),
]
TAKING_PART: list[tuple[str, str, dict[str, Any]]] = [
    *(
        ("track", "Webinar Booked", {"properties": {"webinar": webinar, "ends_at": end}})
        for webinar in ("w1", "w2")
        for end in ("2026-01-20", "2026-02-20T15:00:00")
    ),
    *(
        ("track", event, {"properties": {"webinar": "w1"}})
        for event in ("Webinar Attended", "Webinar Missed", "Survey Answered")
    ),
    ("track", "Survey Answered", {"properties": {"webinar": "w2", "contact_requested": True}}),
    ("track", "Lead Listed", {"properties": {"list": "bdr_research"}}),
    *(("identify", "", {"traits": {"company_name": name}}) for name in ("アクメ㈱", "ベータ")),
    *(("identify", "", {"traits": {"employees": employees}}) for employees in (10, 1000)),
    *[("track", "Unheard Of", {})] * 3,
]
DOWNLOADS = [(0, "Document Downloaded", {})] * 2
CLICKS = [(0, "Email Clicked", {})] * 2
EXAMPLES = {
    # Over 100 while nobody knew whose it was; known when it had long faded.
    "a total that has faded": story(
        (0, "identify", WORTH_60), *DOWNLOADS, *CLICKS, (0, "page", {}), (0, "page", {}), (150, "Lead Acquired", {})
    ),
    "freed and soon no longer wanted": story(
        (0, "Lead Acquired", {}), (0, "identify", {"occupation": "学生"}), (1, "Deal Won", {}),
        (2, "identify", {"occupation": "会社員"}), (3, "Contact Retired", {}),
    ),
    "freed while the level holds": story(
        (0, "identify", {"email": "a@b.example", "do_not_call": True}), (0, "Booth Visited", {}),
        (80, "identify", {"do_not_call": False}), (150, "page", {}),
    ),
    # Each of the later calls comes shortly before the lead would have cooled by what was known until then.
    "kept warm by little": story(
        (0, "identify", {"email": "a@b.example", **WORTH_60}), *DOWNLOADS, *CLICKS, (0, "page", {}),
        (1, "page", {}), (1, "page", {}), (2, "Document Downloaded", {}), (3, "page", {}), (60, "page", {}),
    ),
    # By the first record it would have cooled before the last event; what came in between kept it warm.
    "kept warm by what had no record yet": story(
        (0, "identify", {"email": "a@b.example", **WORTH_60}), *DOWNLOADS, *CLICKS, (0, "page", {}), (0, "page", {}),
        (1, "Newsletter Joined", {}), (5, "page", {}),
    ),
    "a level renewed without a word": story(
        (0, "identify", {"email": "a@b.example"}), (0, "Booth Visited", {}), (80, "Booth Visited", {}),
        (100, "page", {}),
    ),
    "a level that ends, and leaves a lower one": story(
        (0, "identify", {"email": "a@b.example"}), (0, "Webinar Attended", {}), (1, "Booth Visited", {}),
        (90, "page", {}), (90, "page", {}), (91, "page", {}), (92, "page", {}),
    ),
    "cooled, heated again, and cooled while an offer to field sales was open": story(
        (0, "identify", {"email": "a@b.example", **WORTH_60}), (0, "Booth Visited", {}), (85, "Booth Visited", {}),
        (100, "page", {}), (176, "page", {}), (177, "Webinar Attended", {}),
    ),
    "worth less of a sudden": story(
        (0, "identify", {"email": "a@b.example", **WORTH_60}), *DOWNLOADS, *CLICKS, (0, "page", {}), (0, "page", {}),
        (0, "identify", {"title": "担当"}), (0, "page", {}),
    ),
    "called in vain three times, held back, and let go": story(
        (0, "identify", {"email": "a@b.example"}), *[(0, "Call Unanswered", {})] * 3, (1, "Catalogue Requested", {}),
        (6, "page", {}), (20, "page", {}),
    ),
    "called in vain, and let go because it asks": story(
        (0, "identify", {"email": "a@b.example"}), *[(0, "Call Unanswered", {})] * 3, (1, "Catalogue Requested", {}),
        (2, "Inquiry Submitted", {}), (20, "page", {}),
    ),
    "blocked while over 100, freed when it has faded": story(
        (0, "identify", {"email": "a@b.example", "unsubscribed": True, **WORTH_60}), *DOWNLOADS, *CLICKS,
        (0, "page", {}), (0, "page", {}), (150, "identify", {"unsubscribed": False}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("log", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_batches_that_once_mattered(log: list[Sent]) -> None:
    wanted = expected(log, PLAYBOOK)
    for cuts in (set[int](), {len(log) - 1}, {len(log) - 2}, set(range(1, len(log)))):
        assert unlike(produced(log, cuts), wanted) == []


WISHES = st.lists(
    st.builds(
        Wish,
        st.integers(0, 25),
        st.sampled_from(["lead-1", "lead-1", "lead-1", "anon:visitor"]),
        st.sampled_from([None, None, None, "no_need", "not_a_target", "wrong_territory"]),
        st.sampled_from([timedelta(0), timedelta(0), timedelta(hours=1), timedelta(days=20)]),
    ),
    max_size=8,
)
CUTS = st.sets(st.integers(1, 40))
DELAYS = st.integers(0, 3)
UNTIL = st.sampled_from([None, START + timedelta(days=160), START + timedelta(days=400)])


@pytest.mark.timeout(900)
@given(warm_logs(), WISHES, DELAYS, CUTS, UNTIL)
def test_any_warm_lead_in_any_batches(
    log: list[Told], wishes: list[Wish], delay: int, cuts: set[int], until: datetime | None
) -> None:
    whole = composed(log, wishes, delay, SCORER, RULES, until)
    assert unlike(produced(whole, cuts, until), expected(whole, PLAYBOOK, due(until))) == []


# Long enough to shrink what it finds: without a small example a failure tells little.
@pytest.mark.timeout(900)
@given(logs(), WISHES, DELAYS, CUTS)
def test_any_log_in_any_batches(log: list[Told], wishes: list[Wish], delay: int, cuts: set[int]) -> None:
    whole = composed(log, wishes, delay, SCORER, RULES, None)
    assert unlike(produced(whole, cuts), expected(whole, PLAYBOOK)) == []


@pytest.mark.timeout(900)
@given(logs() | warm_logs(), contents(), WISHES, DELAYS, CUTS, UNTIL)
def test_any_log_by_any_playbook(  # noqa: PLR0913, PLR0917 - all that may be different
    log: list[Told],
    content: dict[str, Any],
    wishes: list[Wish],
    delay: int,
    cuts: set[int],
    until: datetime | None,
) -> None:
    try:
        playbook = Playbook.model_validate(content)
    except ValidationError:
        reject()
    assume(not crosscheck(playbook))
    scorer, rules = Scorer(playbook), Rules(playbook)
    whole = composed(log, wishes, delay, scorer, rules, until)
    assert unlike(produced(whole, cuts, until, scorer, rules), expected(whole, json.dumps(content), due(until))) == []


@pytest.mark.timeout(900)
@given(worked_logs(), recycling_contents(), WISHES, DELAYS, CUTS, UNTIL)
def test_any_worked_lead_by_any_ways_back(  # noqa: PLR0913, PLR0917 - all that may be different
    log: list[Told],
    content: dict[str, Any],
    wishes: list[Wish],
    delay: int,
    cuts: set[int],
    until: datetime | None,
) -> None:
    playbook = Playbook.model_validate(content)
    assert crosscheck(playbook) == []
    scorer, rules = Scorer(playbook), Rules(playbook)
    whole = composed(log, wishes, delay, scorer, rules, until)
    assert unlike(produced(whole, cuts, until, scorer, rules), expected(whole, json.dumps(content), due(until))) == []


@pytest.mark.timeout(900)
@given(level_logs(), level_contents(), st.sets(st.integers(1, 15)))
def test_any_level_by_any_channels(log: list[Sent], content: dict[str, Any], cuts: set[int]) -> None:
    playbook = Playbook.model_validate(content)
    assert crosscheck(playbook) == []
    scorer, rules = Scorer(playbook), Rules(playbook)
    wanted = expected(log, json.dumps(content))
    assert unlike(produced(log, cuts, None, scorer, rules), wanted) == []
    assert unlike(produced(log, set(), None, scorer, rules), wanted) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_the_sample(seed: int) -> None:
    end = datetime(2026, 11, 20, 9, tzinfo=UTC)
    sample = generate(seed=seed, leads=200, end=end).calls
    random, seconds = Random(seed), count()
    # As it arrives: mostly in order, with some resent, some late, and now and then a clock that goes wrong.
    log = [Sent(call, end + timedelta(milliseconds=next(seconds)), "demo") for call in shaken(sample, random)]
    cuts = {cut for cut in range(1, len(log)) if random.random() < random.choice([0.001, 0.3])}
    # Those of several ids: see test_identity_laws.
    wanted = {id: lead for id, lead in expected(log, PLAYBOOK).items() if not (lead.members or lead.merged_into)}
    found = {id: lead for id, lead in produced(log, cuts).items() if id in wanted}
    assert found.keys() == wanted.keys()
    assert {lead_id: lead for lead_id, lead in found.items() if lead != wanted[lead_id]} == {}
    assert sum(len(lead.handoffs) for lead in wanted.values()) > 10


def shaken(calls: Sequence[dict[str, Any]], random: Random) -> list[dict[str, Any]]:
    resent = [*calls, *random.sample(list(calls), len(calls) // 20)]
    place = {id(call): number for number, call in enumerate(calls)}
    order = [(place[id(call)] + (random.randrange(3000) if random.random() < 0.1 else 0), call) for call in resent]
    return [call for _, call in sorted(order, key=lambda one: one[0])]
