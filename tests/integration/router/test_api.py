"""The API from outside: who may ask, what it answers, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from tests.router_world import ROOT, SERVE, Feeder, World
from tests.score_records import Story

READS = ["/v1/companies/c", "/v1/leads", "/v1/leads/l", "/v1/leads/l/timeline", "/v1/handoffs", "/v1/kpi/channels",
         "/v1/kpi/departments", "/v1/kpi/funnel", "/v1/audit", "/v1/companies", "/v1/counts"]  # fmt: skip
WRITES = [
    "/v1/handoffs/h/accept",
    "/v1/handoffs/h/reject",
    "/v1/handoffs/h/complete",
    "/v1/leads/l/feedback",
    "/v1/people/p/absences",
]


async def test_the_api(world: World, feeder: Feeder) -> None:  # noqa: PLR0915 - one router serves many questions
    hot, won, mail = Story("hot"), Story("won"), Story("mail")
    await feeder.events([b'{"position": 0}'])
    deal = {"deal_id": "d1", "amount": "1,200", "inside_sales": "s1", "field_sales": "f1"}
    await feeder.scores(
        [
            hot.record("contact_obtained", channel="webinar", medium="search"),
            hot.record("inquiry_made", total=120.0),
            won.record("contact_obtained", historical=True, channel="contact_form", medium="organic"),
            won.record("deal_won", historical=True, kept=deal),
            mail.record("contact_obtained", attributes={"do_not_call": True}),
            mail.record("inquiry_made"),
        ]
    )
    router = world.start()
    await world.messages(lambda found: len(found) >= 6)

    async with world.http(router, None) as http:
        for path in READS:
            refused = await http.get(path)
            assert (refused.status_code, set(refused.json())) == (401, {"code", "message"})
        for path in WRITES:
            assert (await http.post(path, json={"reason": "other"})).status_code == 401
        assert (await http.get("/healthz")).status_code == 200
        told = (await http.get("/metrics")).text
        assert 'tasuki_router_handoffs{department="inside-sales",status="offered"} 1.0' in told
        assert 'tasuki_router_lag_messages{partition="0"' in told
        assert "tasuki_event_to_handoff_seconds_count 1.0" in told
        assert (await http.get("/nowhere")).json()["code"] == "not_found"
    async with world.http(router, "reader-secret") as http:
        assert (await http.post(WRITES[0])).status_code == 403
    async with world.http(router, "blind-secret") as http:
        assert (await http.get("/v1/leads")).status_code == 403

    async with world.http(router) as http:
        assert [lead["lead_id"] for lead in (await http.get("/v1/leads?min_score=100")).json()["leads"]] == ["hot"]
        page = (await http.get("/v1/leads?limit=2")).json()
        assert ([lead["lead_id"] for lead in page["leads"]], page["cursor"]) == (["hot", "mail"], "mail")
        rest = (await http.get("/v1/leads", params={"cursor": page["cursor"]})).json()
        assert ([lead["lead_id"] for lead in rest["leads"]], rest["cursor"]) == (["won"], None)
        assert (await http.get("/v1/leads?limit=0")).json()["code"] == "invalid_request"
        assert (await http.get("/v1/leads/nobody")).status_code == 404
        held = (await http.get("/v1/leads/mail")).json()
        assert held["held"] == {
            "guard": "do_not_call",
            "label": {"ja": "架電禁止", "en": "Do not call"},
            "until": None,
        }
        assert held["stage"]["id"] == "acquired"

        channels = (await http.get("/v1/kpi/channels")).json()
        assert [(row["channel"], row["medium"], row["leads"], row["won"], row["prospects"]) for row in channels] == [
            ("contact_form", "organic", 1, 1, 1), ("webinar", "search", 1, 0, 1), (None, None, 1, 0, 0),
        ]  # fmt: skip
        kpi = (await http.get("/v1/kpi/departments")).json()
        assert [(row["person"], row["won"], float(row["amount"])) for row in kpi["inside_sales"]] == [("s1", 1, 1200.0)]
        assert [row["person"] for row in kpi["field_sales"]] == ["f1"]
        offered = {row["department"]: row["offered"] for row in kpi["departments"]}
        assert offered == {"marketing": 0, "inside-sales": 1, "field-sales": 0, "customer-success": 0}
        funnel = {row["stage"]: (row["now"], row["ever"]) for row in (await http.get("/v1/kpi/funnel")).json()}
        assert (funnel["acquired"], funnel["hot"], funnel["onboarding"]) == ((1, 3), (1, 2), (1, 1))

        (handoff,) = (await http.get("/v1/handoffs?department=inside-sales&status=offered")).json()["handoffs"]
        assert (handoff["from"], handoff["to"], handoff["lead_id"]) == ("marketing", "inside-sales", "hot")
        address = f"/v1/handoffs/{handoff['handoff_id']}"
        wrong = await http.post(f"{address}/reject", json={"reason": "dunno"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "unknown_reason")
        assert "no_need" in wrong.json()["message"]
        assert (await http.post(f"{address}/complete")).status_code == 409
        assert (await http.post("/v1/handoffs/none/accept")).status_code == 404
        rejected = await http.post(f"{address}/reject", json={"reason": "no_need", "note": "来年"})
        assert (rejected.status_code, rejected.json()["reject_reason"]) == (200, "no_need")
        lead = (await http.get("/v1/leads/hot")).json()
        assert (lead["stage"]["id"], lead["owner"]["department"], lead["handoff"]) == ("recycled", "marketing", None)
        assert {part["name"] for part in lead["missing"]["hot"]["parts"] if part["name"]} >= {"inquiry_made"}
        moments = (await http.get("/v1/leads/hot/timeline")).json()["moments"]
        assert [(m["kind"], m["status"] or m["to"]) for m in moments[-2:]] == [
            ("handoff", "rejected"), ("stage", "recycled"),
        ]  # fmt: skip
        assert (moments[-2]["by"], moments[-2]["note"]) == ("writer", "来年")
        answers = await asyncio.gather(*(http.post(f"{address}/accept") for _ in range(5)))
        assert {answer.status_code for answer in answers} == {409}
        description = (await http.get("/openapi.json")).json()
        assert {*READS[4:], "/v1/leads/{id}", "/v1/leads/{id}/feedback"} <= set(description["paths"])
    sent = await world.messages(lambda found: len(found) >= 9)
    topics = {message.topic for message in sent if message.headers["ce_type"] == b"tasuki.handoff.rejected"}
    assert topics == {world.topics.handoffs("inside-sales"), world.topics.handoffs("marketing")}


async def test_many_accept_at_once_and_one_gets_it(world: World, feeder: Feeder) -> None:
    story = Story("l")
    await feeder.events([b'{"position": 0}'])
    await feeder.scores([story.record("contact_obtained"), story.record("inquiry_made")])
    router = world.start()
    await world.messages(lambda found: len(found) >= 3)
    async with world.http(router) as http:
        (handoff,) = (await http.get("/v1/handoffs")).json()["handoffs"]
        address = f"/v1/handoffs/{handoff['handoff_id']}/accept"
        answers = await asyncio.gather(*(http.post(address, json={"person": f"p{n}"}) for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"TASUKI_KAFKA_BOOTSTRAP": "127.0.0.1:1"}, ["no Kafka answers at 127.0.0.1:1"]),
        (
            {"TASUKI_KAFKA_BOOTSTRAP": "127.0.0.1:1", "TASUKI_DATABASE_URL": "postgresql+asyncpg://u:secret@127.0.0.1:1/d"},
            ["no Kafka answers", "cannot work with the Postgres database", "***@127.0.0.1:1/d"],
        ),
        ({"TASUKI_TOPIC_PREFIX": "nothing-here."}, ["topics are missing", "tasuki topics create"]),
        ({"TASUKI_DATABASE_URL": "mysql://x", "TASUKI_CLOCK": "sun"}, ["TASUKI_DATABASE_URL", "TASUKI_CLOCK"]),
    ],
)  # fmt: skip
async def test_what_is_wrong_at_start_is_told_together(world: World, changed: dict[str, str], told: list[str]) -> None:
    done = await asyncio.to_thread(
        subprocess.run, SERVE, cwd=ROOT, env=world.environment(**changed), capture_output=True, timeout=60, check=False
    )
    assert done.returncode != 0
    for text in told:
        assert text in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert b"secret@" not in done.stderr


async def test_a_database_without_tables_is_refused(world: World, parts_database: str) -> None:
    environment = world.environment(TASUKI_DATABASE_URL=parts_database)
    done = await asyncio.to_thread(
        subprocess.run, SERVE, cwd=ROOT, env=environment, capture_output=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "run `tasuki db upgrade`" in done.stderr.decode()
