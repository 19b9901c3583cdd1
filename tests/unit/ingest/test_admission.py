"""What a write key may: from where, how fast, and how much of our memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from services.ingest.admission.in_flight import REQUEST_BYTES, Full, InFlight
from services.ingest.admission.turns import LARGE_BYTES, Turns
from shared.keys import KeyEntry, KeyKind, digest
from tests.ingest_app import ScriptedPublisher, client_of

TRACK = {"event": "x", "userId": "u"}
SHOP, OTHER = "https://shop.example.co.jp", "https://other.example"


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def key(secret: str, **limits: Any) -> KeyEntry:
    return KeyEntry(kind=KeyKind.WRITE, name=f"{secret}-site", sha256=digest(secret), **limits)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(clock: Clock) -> httpx.AsyncClient:
    keys = [key("shop", origins=[SHOP]), key("slow", events_per_second=2.0, burst=3), key("free")]
    return client_of(ScriptedPublisher(), keys, monotonic=clock)


async def send(client: httpx.AsyncClient, secret: str, origin: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Origin": origin} if origin else {}
    return await client.post("/v1/track", json=TRACK | body, auth=(secret, "") if secret else None, headers=headers)


async def test_a_key_is_of_no_use_on_another_website(client: httpx.AsyncClient) -> None:
    assert (await send(client, "shop", SHOP)).status_code == 200
    assert (await send(client, "shop")).status_code == 200, "a server has no origin"
    for answer in (
        await send(client, "shop", OTHER),
        await send(client, "", OTHER, writeKey="shop"),
        await client.get("/v1/projects/shop/settings", headers={"Origin": OTHER}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
        assert answer.headers["access-control-allow-origin"] == OTHER, "or the browser would hide the reason"
    assert 'turned_away_requests_total{reason="origin",source="shop-site"} 3.0' in (await client.get("/metrics")).text


async def test_a_rate_is_kept_and_nobody_elses_is_touched(client: httpx.AsyncClient, clock: Clock) -> None:
    assert [(await send(client, "slow")).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = await send(client, "", writeKey="slow")
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "rate_limited", "1")
    assert (await send(client, "free")).status_code == 200
    clock.now += 1
    assert [(await send(client, "slow")).status_code for _ in range(3)] == [200, 200, 429]


async def test_a_batch_is_taken_whole_and_paid_for_with_time(client: httpx.AsyncClient, clock: Clock) -> None:
    batch = {"batch": [TRACK | {"type": "track"}] * 23}
    assert (await client.post("/v1/batch", json=batch, auth=("slow", ""))).json()["accepted"] == 23
    refused = await send(client, "slow")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "11")
    clock.now += 10.4
    assert (await send(client, "slow")).status_code == 200


async def test_what_cannot_be_read_counts_too(client: httpx.AsyncClient) -> None:
    answers = [await client.post("/v1/track", content=b"{", auth=("slow", "")) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]


async def test_a_request_beyond_the_keys_share_of_memory_is_to_come_later() -> None:
    client = client_of(ScriptedPublisher(), [key("free"), key("other")], memory=400_000)
    big = TRACK | {"properties": {"text": "x" * 98_000}}
    refused = await client.post("/v1/track", json=big, auth=("free", ""), headers={"Origin": SHOP})
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "try_later", "1")
    assert (await send(client, "free")).status_code == 200, "what it had was given back"


def test_shares() -> None:
    in_flight = InFlight(limit=16 * REQUEST_BYTES)
    mine = [in_flight.hold("mine") for _ in range(4)]
    with pytest.raises(Full, match="this key's"):
        in_flight.hold("mine")
    others = [in_flight.hold(f"other-{number}") for number in range(8)]
    with in_flight.hold("") as unknown, pytest.raises(Full, match="this key's"):
        unknown.move("mine")
    assert in_flight.of("") == 0
    with in_flight.hold("") as unknown:
        unknown.move("yours")
        assert (in_flight.of(""), in_flight.of("yours")) == (0, REQUEST_BYTES)
    rest = [in_flight.hold("") for _ in range(4)]
    with pytest.raises(Full, match="requests are in work"):
        in_flight.hold("last")
    for hold in [*mine, *others, *rest]:
        hold.__exit__(None, None, None)
    assert in_flight.total == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"origins": ["shop.example.co.jp"]},
        {"events_per_second": 0.0},
        {"events_per_second": float("inf")},
        {"burst": 5},
        {"events_per_second": 1.0, "burst": 0},
    ],
)
def test_limits_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"origin|above 0|at least 1"):
        key("x", **wrong)


def test_a_token_has_no_limits() -> None:
    with pytest.raises(ValueError, match="token 'crm' cannot have"):
        KeyEntry(kind=KeyKind.TOKEN, name="crm", sha256=digest("x"), scopes=("read",), burst=1, events_per_second=1.0)


def test_large_and_compressed_bodies_of_a_sender_take_turns() -> None:
    turns = Turns()
    assert turns.of("mine", b'{"event": "x"}') is None
    assert turns.of("mine", b"{" + b" " * LARGE_BYTES) is turns.of("mine", b"\x1f\x8b")
    assert turns.of("yours", b"\x1f\x8b") is not turns.of("mine", b"\x1f\x8b")
