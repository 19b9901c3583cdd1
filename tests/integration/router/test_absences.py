"""Absences over HTTP, in a real ledger: whoever is away is offered nothing."""

from __future__ import annotations

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router.api.app import build_app
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from services.router.staffing import team_states
from services.router.status import Watch
from shared.clock import SystemClock
from shared.key_file import ReloadingKeyRing
from shared.keys import tokens_from
from shared.topics import Topics
from tests.router_world import TOKENS
from tests.staffed import staffed

RULES = Rules(staffed())
AWAY = {"from": "2099-12-28T09:00:00+09:00", "to": "2099-12-30T09:00:00+09:00"}
SATO = "/v1/people/sato/absences"


async def test_absences_are_kept_listed_and_taken_back(engine: AsyncEngine) -> None:
    app = build_app(Ledger(engine, RULES, Topics(), SystemClock()), ReloadingKeyRing(tokens_from(TOKENS)), Watch())
    caller = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://router", headers={"Authorization": "Bearer writer-secret"}
    )
    async with caller as http:
        made = await http.post(SATO, json=AWAY)
        assert made.status_code == 201, made.text
        assert (made.json()["person"], made.json()["from"]) == ("sato", "2099-12-28T00:00:00Z")
        assert (await http.get(SATO)).json() == [made.json()]
        async with engine.begin() as connection:
            team = ("field-sales", "osaka-branch")
            assert list((await team_states(connection, [team], RULES))[team].absences) == ["sato"]
        for person, body, status in (
            ("nobody", AWAY, 404),
            ("sato", {**AWAY, "to": AWAY["from"]}, 422),
            ("sato", {"from": "2099-12-28T09:00:00", "to": "2099-12-30T09:00:00"}, 422),
        ):
            refused = await http.post(f"/v1/people/{person}/absences", json=body)
            assert (refused.status_code, set(refused.json())) == (status, {"code", "message"})
        one = f"{SATO}/{made.json()['absence_id']}"
        assert [(await http.delete(one)).status_code for _ in range(2)] == [204, 404]
        assert (await http.get(SATO)).json() == []
        reader = {"Authorization": "Bearer reader-secret"}
        assert (await http.post(SATO, json=AWAY, headers=reader)).status_code == 403
