"""Reports in a real ledger: each counts once, whatever way it comes, with all that it comes to."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router import repository
from services.router.batch import Batch, Received
from services.router.feedback.desk import Desk, Filed, Refused
from services.router.ledger import Ledger
from services.router.lifecycle.answers import accept
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Decision, HandOff, Lead
from services.router.lifecycle.rules import Rules
from services.router.outbox import decode_headers
from shared.clock import EventClock
from shared.events import decode_event
from shared.feedback import ReportInvalid, parse_report
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, encode_score
from shared.topics import Topics
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())
HOUR = timedelta(hours=1)
PLACE = ("tasuki.feedback", 0)


@dataclass
class Wall:
    """A clock that somebody sets."""

    at: datetime = MONDAY + HOUR

    def now(self) -> datetime:
        return self.at

    def witness(self, moment: datetime) -> None:
        """The wall needs no telling."""


@dataclass(frozen=True)
class Record:
    """As it came from the topic."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes]] = ()


@dataclass
class Tools:
    """What sales tools do: `http` calls, and `topic` writes, which are read at once."""

    ledger: Ledger
    wall: Wall
    offset: int = 0

    def __post_init__(self) -> None:
        self.desk = Desk(self.ledger)

    async def http(self, lead: str, report_id: str = "r", **report: Any) -> Filed:
        told = parse_report(json.dumps({"report_id": report_id, **report}).encode())
        return await self.desk.take(lead, told, report_id, "crm")

    async def topic(self, lead: str, report_id: str | None = "r", **report: Any) -> Filed | None:
        body = {**({"report_id": report_id} if report_id else {}), **report}
        return await self.raw(lead.encode(), json.dumps(body).encode())

    async def raw(self, key: bytes | None, value: bytes | None) -> Filed | None:
        async with self.ledger.engine.begin() as connection:
            await repository.starting_offsets(connection, [PLACE])
        filed = await self.desk.take_record(PLACE, self.offset, Record(self.offset, key, value))
        self.offset += 1
        return filed

    async def scores(self, *records: ScoreRecord) -> None:
        async with self.ledger.engine.begin() as connection:
            place = (self.ledger.topics.scores, 0)
            before = (await repository.starting_offsets(connection, [place]))[place]
        received = [Received(0, before + n, b"k", encode_score(record), [], record) for n, record in enumerate(records)]
        await self.ledger.apply(Batch(scores=received, offsets={place: (before, before + len(records))}))

    async def accepts(self, person: str) -> str:
        """Somebody accepts the one offer that there is; its id."""
        ((id,),) = await self.rows("SELECT handoff_id FROM handoffs WHERE status = 'offered'")

        def yes(lead: Lead, handoff: HandOff, case: Case) -> Decision:
            return accept(lead, handoff, person, "crm", case)

        await self.ledger.answer(id, yes)
        return str(id)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.ledger.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]

    async def sent(self, topic: str) -> list[tuple[dict[str, str], Any]]:
        """Headers and values."""
        rows = await self.rows(f"SELECT headers, value FROM outbox WHERE topic = 'tasuki.{topic}' ORDER BY id")
        return [
            ({name: value.decode() for name, value in decode_headers(headers)}, value and json.loads(value))
            for headers, value in rows
        ]

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Events that went into the log."""
        rows = await self.rows("SELECT value FROM outbox WHERE topic = 'tasuki.events' ORDER BY id")
        events = [decode_event(value) for (value,) in rows]
        return [(event.name, event.properties) for event in events if event.id.startswith("report:")]


@pytest.fixture
def tools(engine: AsyncEngine) -> Tools:
    wall = Wall()
    return Tools(Ledger(engine, RULES, Topics(), wall), wall)


def hot(id: str = "l") -> Story:
    return Story(id)


async def worked(tools: Tools, story: Story) -> str:
    """Inside sales, by Ito, works the lead; the hand-off."""
    await tools.scores(story.record("contact_obtained"), story.record("inquiry_made", total=60.0))
    return await tools.accepts("ito")


async def visited(tools: Tools, story: Story) -> str:
    """Ito has passed it to field sales, where Sato works it; the hand-off."""
    await worked(tools, story)
    await tools.scores(story.record("appointment_made"))
    return await tools.accepts("sato")


async def test_a_report_is_a_row_and_an_event_and_nothing_when_it_is_repeated(tools: Tools) -> None:
    await worked(tools, hot())
    first = await tools.http("l", type="call", outcome="answered", interested=True, by="ito", note="話を聞きたい")
    tools.wall.at += HOUR
    again = [await tools.http("l", type="call", outcome="answered", interested=True, by="ito", note="話を聞きたい")]
    again.append(
        await tools.topic("l", type="call", outcome="answered", interested=True, by="ito", note="話を聞きたい") or first
    )
    assert [one.reported for one in again] == [first.reported] * 2
    assert [first.again, *(one.again for one in again)] == [False, True, True]
    assert await tools.told() == [("Call Answered", {"outcome": "answered", "interested": True})]
    assert await tools.rows('SELECT report_id, lead_id, type, "by" FROM reports') == [("r", "l", "call", "crm")]


async def test_of_many_that_send_a_report_at_once_one_files_it(tools: Tools) -> None:
    await worked(tools, hot())
    filed = await asyncio.gather(*(tools.http("l", type="call", outcome="answered") for _ in range(6)))
    assert sorted(one.again for one in filed) == [False] + [True] * 5
    assert len(await tools.told()) == 1


async def test_of_two_workers_that_read_the_same_record_one_goes_on(tools: Tools) -> None:
    await worked(tools, hot())
    await tools.topic("l", "r0", type="note", text="x")
    record = Record(1, b"l", b'{"type":"note","text":"y","report_id":"r1"}')
    read = (tools.desk.take_record(PLACE, 1, record), Desk(tools.ledger).take_record(PLACE, 1, record))
    done = await asyncio.gather(*read, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Filed", "OffsetsMoved"]
    assert await tools.rows("SELECT count(*) FROM reports") == [(2,)]


async def test_another_report_under_an_id_that_is_taken_is_refused_and_nothing_changes(tools: Tools) -> None:
    await worked(tools, hot())
    await tools.scores(hot("m").record("contact_obtained"))
    await tools.http("l", type="call", outcome="answered")
    for lead, outcome in (("l", "unanswered"), ("m", "answered")):
        with pytest.raises(Refused) as refused:
            await tools.http(lead, type="call", outcome=outcome)
        assert refused.value.code == "report_id_taken"
        assert await tools.topic(lead, type="call", outcome=outcome) is None
    letters = await tools.sent("dead-letters")
    assert [headers["tasuki_origin"] for headers, _ in letters] == ["tasuki.feedback/0/0", "tasuki.feedback/0/1"]
    assert len(await tools.told()) == 1


async def test_reports_count_once_in_whatever_order_and_by_whatever_way_they_come(tools: Tools) -> None:
    at = [(MONDAY + timedelta(minutes=n)).isoformat() for n in range(4)]
    reports: list[dict[str, Any]] = [
        {"type": "deal", "deal_id": "d", "amount": 100, "expected_date": "2026-12-31", "at": at[0], "partner": "p"},
        {"type": "quote", "deal_id": "d", "amount": 120, "at": at[1], "presales": "kato"},
        {"type": "won", "deal_id": "d", "amount": 110, "at": at[2], "field_sales": "sato"},
        {"type": "points", "issue": "人手不足", "at": at[3]},
    ]
    leads = [f"l{number}" for number in range(8)]
    for number, lead in enumerate(leads):
        await visited(tools, hot(lead))
        sends = [(f"{lead}-{n}", report, way) for n, report in enumerate(reports) for way in (tools.http, tools.topic)]
        sends += random.Random(number).choices(sends, k=4)
        random.Random(number).shuffle(sends)
        for id, report, way in sends:
            await way(lead, id, **report)
    assert await tools.rows("SELECT DISTINCT count(*) FROM reports GROUP BY lead_id") == [(4,)]
    expected = ["Deal Points Told", "Deal Registered", "Deal Won", "Quote Made"]
    assert sorted(name for name, _ in await tools.told()) == [name for name in expected for _ in leads]
    told = [value["report"]["report_id"] for _, value in await reported(tools, "inside-sales")]
    assert told == [f"{lead}-2" for lead in leads]
    query = "SELECT DISTINCT status, amount, partner, presales, field_sales, expected_at::date::text FROM deals"
    assert await tools.rows(query) == [("won", Decimal(110), "p", "kato", "sato", "2026-12-31")]


async def reported(tools: Tools, department: str) -> list[tuple[dict[str, str], Any]]:
    sent = await tools.sent(f"handoffs.{department}")
    return [(headers, value) for headers, value in sent if headers["ce_type"] == "tasuki.handoff.reported"]


async def test_a_call_in_time_beats_the_deadline_although_its_score_is_still_to_come(tools: Tools) -> None:
    id = await worked(tools, hot())
    ((contact_by,),) = await tools.rows(f"SELECT contact_by FROM handoffs WHERE handoff_id = '{id}'")
    tools.wall.at = contact_by - timedelta(seconds=1)
    await tools.http("l", type="call", outcome="unanswered")
    tools.wall.at = contact_by + HOUR
    assert await tools.ledger.meet_deadlines(0, tools.wall.at, 10) == []
    assert await tools.rows("SELECT status, person FROM handoffs") == [("accepted", "ito")]


async def test_what_is_no_contact_does_not_meet_the_deadline(tools: Tools) -> None:
    id = await worked(tools, hot())
    ((contact_by,),) = await tools.rows(f"SELECT contact_by FROM handoffs WHERE handoff_id = '{id}'")
    await tools.http("l", type="health", health=1)
    tools.wall.at = contact_by
    await tools.ledger.meet_deadlines(0, tools.wall.at, 10)
    assert (await tools.rows(f"SELECT status FROM handoffs WHERE handoff_id = '{id}'")) == [("expired",)]


async def test_the_result_of_a_visit_goes_to_the_very_person_who_passed_the_lead(tools: Tools) -> None:
    id = await visited(tools, hot())
    ((before,),) = await tools.rows("SELECT seq FROM leads")
    await tools.http("l", type="visit", result="見積を依頼された", field_sales="sato")
    ((headers, message),) = await reported(tools, "inside-sales")
    assert (headers["ce_id"], headers["ce_subject"]) == ("reported:r", "l")
    assert (message["person"], message["handoff_id"], message["seq"]) == ("ito", id, before + 1)
    assert (message["from"]["department"], message["to"]["department"]) == ("inside-sales", "field-sales")
    assert message["to"]["person"] == "sato"
    assert message["report"]["result"] == "見積を依頼された"
    assert await tools.rows("SELECT seq FROM leads") == [(before + 1,)]
    assert await tools.told() == [("Visit Made", {"field_sales": "sato"})]


async def test_customer_success_tells_sales_what_customers_say_and_a_named_handoff_counts(tools: Tools) -> None:
    story = hot()
    first = await visited(tools, story)
    await tools.scores(story.record("deal_won", kept={"deal_id": "d", "amount": 1}))
    await tools.accepts("mori")
    await tools.http("l", "r1", type="nps", score=9)
    await tools.http("l", "r2", type="note", text="増設を検討")
    await tools.http("l", "r3", type="won", deal_id="d")
    await tools.http("l", "r4", type="health", health=5, handoff_id=first)
    said = [(value["report"]["type"], value["person"]) for _, value in await reported(tools, "field-sales")]
    assert said == [("nps", "sato"), ("note", "sato")]
    assert [v["report"]["type"] for _, v in await reported(tools, "inside-sales")] == ["won", "health"]


async def test_points_go_with_the_next_handoff_each_as_it_was_told_last(tools: Tools) -> None:
    story = hot()
    await worked(tools, story)
    await tools.http("l", "r1", type="points", issue="人手不足", problem="手入力")
    tools.wall.at += HOUR
    await tools.http("l", "r2", type="points", problem="二重入力", benefit="月40時間")
    await tools.scores(story.record("appointment_made"))
    offer = next(value for headers, value in await tools.sent("handoffs.field-sales"))
    assert offer["points"] == {"issue": "人手不足", "problem": "二重入力", "solution": None, "benefit": "月40時間"}
    assert (await tools.told())[0] == ("Deal Points Told", {"told": ["issue", "problem"]})


async def test_a_handoff_that_is_unknown_or_anothers_is_refused(tools: Tools) -> None:
    id = await worked(tools, hot())
    await tools.scores(hot("m").record("contact_obtained"))
    for lead, handoff, code in (("l", "nowhere", "unknown_handoff"), ("m", id, "foreign_handoff")):
        with pytest.raises(Refused) as refused:
            await tools.http(lead, type="visit", result="留守", handoff_id=handoff)
        assert refused.value.code == code
        assert await tools.topic(lead, type="visit", result="留守", handoff_id=handoff) is None
    assert len(await tools.sent("dead-letters")) == 2
    assert await tools.rows("SELECT count(*) FROM reports") == [(0,)]


async def test_a_lead_that_nobody_knows_yet_is_reported_on_by_the_topic_alone(tools: Tools) -> None:
    with pytest.raises(Refused) as refused:
        await tools.http("new", type="call", outcome="answered")
    assert refused.value.code == "unknown_lead"
    deal = {"type": "deal", "deal_id": "d", "amount": 5, "expected_date": "2027-01-31"}
    assert await tools.topic("new", **deal) is not None
    assert await tools.rows("SELECT lead_id, status FROM deals") == [("new", "registered")]
    ((key, lane),) = await tools.rows("SELECT key, lane FROM outbox WHERE topic = 'tasuki.events'")
    assert (key, lane) == (b"new", 0)
    # Its score follows; the same report by HTTP is no second one.
    await tools.scores(Story("new").record("deal_registered", kept={"deal_id": "d", "amount": 5}))
    assert (await tools.http("new", **deal)).again
    assert await tools.rows("SELECT lead_id, amount FROM deals") == [("new", Decimal(5))]


async def test_a_report_about_an_id_that_is_anothers_by_now_is_the_leads(tools: Tools) -> None:
    story, member = hot(), Story("anon:v")
    await tools.scores(member.record("on_site"))
    await tools.http("anon:v", "r0", type="note", text="展示会で会った")
    await worked(tools, story)
    gone = member.record()
    await tools.scores(
        ScoreRecord(**{name: getattr(gone, name) for name in gone.__struct_fields__} | {"merged_into": "l"})
    )
    filed = await tools.http("anon:v", type="call", outcome="answered")
    assert filed.reported.lead_id == "l"
    assert (await tools.http("l", type="call", outcome="answered")).again
    assert (await tools.http("l", "r0", type="note", text="展示会で会った")).again
    assert await tools.rows("SELECT contacted_at IS NOT NULL FROM leads WHERE lead_id = 'l'") == [(True,)]


async def test_records_that_are_no_reports_go_to_the_dead_letters_byte_for_byte(tools: Tools) -> None:
    bad = [
        (b"l", b"{"), (b"l", None), (None, b'{"type":"note","text":"x","report_id":"r"}'),
        (b"l", b'{"type":"note","text":"x"}'), (b"l", b'{"type":"nps","score":11,"report_id":"r"}'),
        (b"l", b'{"type":"note","text":"x","report_id":"r","at":"2999-01-01T00:00:00Z"}'),
        (b"\xff", b'{"type":"note","text":"x","report_id":"r"}'),
    ]  # fmt: skip
    for key, value in bad:
        assert await tools.raw(key, value) is None
    query = "SELECT key, value FROM outbox WHERE topic = 'tasuki.dead-letters' ORDER BY id"
    assert await tools.rows(query) == bad
    assert await tools.rows("SELECT next_offset FROM offsets") == [(len(bad),)]


async def test_what_is_still_to_come_is_refused_but_clocks_may_differ(tools: Tools) -> None:
    await worked(tools, hot())
    ahead = (tools.wall.at + timedelta(minutes=4)).isoformat()
    assert (await tools.http("l", type="note", text="x", at=ahead)).reported.at == tools.wall.at
    with pytest.raises(ReportInvalid, match="still to come"):
        await tools.http("l", "r2", type="note", text="x", at=(tools.wall.at + HOUR).isoformat())


async def test_on_the_clock_of_the_events_a_report_may_be_the_first_that_tells_the_time(engine: AsyncEngine) -> None:
    tools = Tools(Ledger(engine, RULES, Topics(), EventClock(datetime.min.replace(tzinfo=UTC))), Wall())
    filed = await tools.topic("new", type="note", text="x", at=MONDAY.isoformat())
    assert filed is not None
    assert (filed.reported.at, filed.reported.received_at) == (MONDAY, MONDAY)
    assert await tools.topic("new", "r2", type="note", text="x", at="2999-01-01T00:00:00Z") is None


async def test_deals_of_a_lead_that_goes_back_leave_the_pipeline(tools: Tools) -> None:
    story = hot()
    await visited(tools, story)
    for deal in ("d1", "d2"):
        report = {"type": "deal", "deal_id": deal, "amount": 5, "expected_date": "2027-01-31"}
        await tools.http("l", deal, at=story.at.isoformat(), **report)
    await tools.scores(story.record("deal_registered", kept={"deal_id": "d1", "amount": 5}))
    await tools.scores(story.record("deal_lost", kept={"deal_id": "d1", "reason": "price"}))
    assert await tools.rows("SELECT stage FROM leads") == [("lost",)]
    query = "SELECT deal_id, status, lost_reason FROM deals ORDER BY deal_id"
    assert await tools.rows(query) == [("d1", "lost", "price"), ("d2", "stalled", None)]
    tools.wall.at = story.at + HOUR
    await tools.http("l", "r3", type="quote", deal_id="d2")  # it goes on after all
    assert (await tools.rows(query))[1] == ("d2", "quoted", None)
