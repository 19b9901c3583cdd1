"""A visitor who becomes known, on a running installation: one lead with both histories, under each of its ids."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from services.cli.stack import Stack

VISITOR, LEAD, ADDRESS = "anon:browser-7", "lead-7", "hanako.mori@acme-works.example"
BROWSER = {"anonymousId": "browser-7"}


def send(stack: Stack, *calls: dict[str, Any]) -> None:
    """Each a minute after the one before, until now."""
    now = datetime.now(UTC)
    batch = [
        {**call, "messageId": f"m-{now.timestamp()}-{place}", "timestamp": str(now - timedelta(minutes=place))}
        for place, call in zip(range(len(calls), 0, -1), calls, strict=True)
    ]
    response = httpx.post(
        stack.access.urls["ingest"] + "/v1/batch", json={"batch": batch}, auth=(stack.access.write_key, "")
    )
    assert (response.status_code, response.json().get("rejected", [])) == (200, []), response.text


def page(path: str, **ids: str) -> dict[str, Any]:
    return {"type": "page", "properties": {"path": path}, **ids}


def ask(stack: Stack, path: str) -> httpx.Response:
    return httpx.get(
        stack.access.urls["router"] + path, headers={"authorization": f"Bearer {stack.access.token}"}, timeout=30
    )


def lead_when(stack: Stack, id: str, points_of: dict[str, int]) -> dict[str, Any]:
    """The lead, once its score counts each of these rules so often."""
    deadline, found = time.monotonic() + 60, ""
    while time.monotonic() < deadline:
        response = ask(stack, f"/v1/leads/{id}")
        found = response.text
        if response.is_success:
            lead: dict[str, Any] = response.json()
            counted = {part["rule"]: part["times"] for part in lead["score"]["contributions"]}
            if points_of.items() <= counted.items():
                return lead
        time.sleep(0.1)
    raise AssertionError(f"{id} never had {points_of}: {found}")


def explained(stack: Stack, id: str) -> str:
    result = subprocess.run(
        [
            *(sys.executable, "-m", "services.cli.main", "explain", id, "-l", "en"),
            *("--router", stack.access.urls["router"], "--token", stack.access.token),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def stages(stack: Stack) -> dict[str, int]:
    return {row["stage"]: row["now"] for row in ask(stack, "/v1/kpi/funnel").json() if row["now"]}


def test_a_visitor_who_becomes_known_is_one_lead_under_either_id(stack: Stack) -> None:
    send(stack, page("/pricing", **BROWSER), page("/product/cases", **BROWSER))
    assert lead_when(stack, VISITOR, {"page_viewed": 2, "pricing_viewed": 1})["lead_id"] == VISITOR
    assert "The same person's ids" not in explained(stack, VISITOR)
    assert stages(stack) == {"awareness": 1}

    told = {"type": "identify", "userId": LEAD, "traits": {"email": ADDRESS, "title": "部長"}}
    send(stack, {**told, **BROWSER}, {"type": "track", "event": "Webinar Booked", "userId": LEAD})

    both = {"page_viewed": 2, "product_viewed": 1, "pricing_viewed": 1, "webinar_booked": 1, "title_manager": 1}
    by_lead_id = lead_when(stack, LEAD, both)
    assert by_lead_id["lead_id"] == LEAD
    assert by_lead_id["members"] == [VISITOR]
    assert by_lead_id["stage"]["id"] == "nurturing", "the visitor's product pages were forgotten"
    assert by_lead_id["score"]["total"] == 2 + 3 + 10 + 8 + 12
    for id in (VISITOR, ADDRESS):
        found = ask(stack, f"/v1/leads/{id}").json()
        assert found == by_lead_id | {"told": found["told"]}, id
    assert ask(stack, f"/v1/leads/{VISITOR}/timeline").json() == ask(stack, f"/v1/leads/{LEAD}/timeline").json()

    words = explained(stack, LEAD)
    assert f"The same person's ids: {VISITOR}" in words
    assert "Viewed the pricing page" in words
    assert "Booked a webinar" in words
    assert explained(stack, VISITOR) == explained(stack, ADDRESS) == words
    assert stages(stack) == {"nurturing": 1}, "one person is counted twice"
