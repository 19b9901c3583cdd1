"""Messages by HTTP: signed, in order, at least once, and only to whom may have them."""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from tests.described import refuse_undescribed
from tests.receiver import Received, Receiver, receiving
from tests.router_world import Feeder, RouterProcess, World
from tests.score_records import Story

PRIVATE = {"TASUKI_ROUTER_WEBHOOKS_ALLOW_PRIVATE": "true", "TASUKI_ROUTER_WEBHOOKS_RETRY_SECONDS": "0.2"}


async def subscribe(world: World, router: RouterProcess, receiver: Receiver, **what: Any) -> dict[str, Any]:
    async with world.http(router, "admin-secret") as http:
        made = await http.post("/v1/webhooks", json={"url": receiver.url, **what})
        assert made.status_code == 201, made.text
        return made.json()


async def show(world: World, router: RouterProcess, webhook: dict[str, Any]) -> dict[str, Any]:
    async with world.http(router, "admin-secret") as http:
        return (await http.get(f"/v1/webhooks/{webhook['webhook_id']}")).json()


async def until_shown(world: World, router: RouterProcess, webhook: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            shown = await show(world, router, webhook)
            if all(bool(shown[name]) == value for name, value in wanted.items()):
                return shown
            await asyncio.sleep(0.05)


def hot(lead: str, partition: int = 0) -> list[Any]:
    """Three messages: acquired, hot, offered to inside sales."""
    story = Story(lead, partition=partition)
    return [story.record("contact_obtained"), story.record("inquiry_made", total=60.0)]


async def test_messages_are_delivered_signed_and_in_order_in_spite_of_failures(world: World, feeder: Feeder) -> None:
    await feeder.events([b'{"position": 0}'])
    router = world.start(**PRIVATE)
    await router.ready()
    refused: set[str] = set()

    def once(request: Received) -> int:
        """Each message is refused at first."""
        known = request.id in refused
        refused.add(request.id)
        return 204 if known else 500

    async with receiving(once) as receiver:
        made = await subscribe(world, router, receiver, name="crm")
        assert made["secret"].startswith("whsec_")
        await feeder.scores([record for lead in ("a", "b.c") for record in hot(lead)])
        got = await receiver.until(lambda got: len(got) >= 12)
        assert all(one.is_signed_by(made["secret"]) for one in got)
        assert not any(one.is_signed_by("whsec_" + "A" * 44) for one in got)
        for lead in ("a", "b.c"):
            told = [one.event for one in got if one.event["subject"] == lead]
            # Twice each, and the next one not before the one before was taken.
            assert [event["data"]["seq"] for event in told] == [1, 1, 2, 2, 3, 3]
            assert [event["type"] for event in told[::2]] == [
                "tasuki.stage.changed", "tasuki.stage.changed", "tasuki.handoff.offered",
            ]  # fmt: skip
            assert len({one.id for one in got if one.event["subject"] == lead}) == 3
        event = got[-1].event
        assert (event["specversion"], event["source"]) == ("1.0", "tasuki/router")
        assert got[0].headers["content-type"] == "application/json"
        shown = await until_shown(world, router, made, waiting=False, failing_since=False)
        assert "secret" not in shown
        assert shown["last_error"] == "answered 500"
    async with world.http(router, None) as http:
        metrics = (await http.get("/metrics")).text
    assert 'tasuki_router_webhook_attempts_total{outcome="delivered"} 6.0' in metrics
    assert 'tasuki_router_webhook_attempts_total{outcome="refused"} 6.0' in metrics
    assert 'tasuki_router_webhooks{state="well"} 1.0' in metrics
    assert "tasuki_router_webhook_waiting 0.0" in metrics


async def test_real_messages_are_as_the_asyncapi_document_says(world: World, feeder: Feeder) -> None:
    await feeder.events([b'{"position": 0}'])
    router = world.start(**PRIVATE)
    await router.ready()
    story = Story("a", at=datetime.now(UTC) - timedelta(minutes=4))
    async with receiving() as receiver, world.http(router) as http:
        await subscribe(world, router, receiver)
        await subscribe(world, router, receiver, types=["tasuki.alert.*"], departments=["field-sales"])
        await feeder.scores([story.record("contact_obtained"), story.record("inquiry_made", total=60.0)])
        await receiver.until(lambda got: len(got) >= 3)
        (handoff,) = (await http.get("/v1/handoffs")).json()["handoffs"]
        await http.post(f"/v1/handoffs/{handoff['handoff_id']}/accept", json={"person": "ito"})
        await feeder.scores([story.record("on_site", total=60.0)])
        await receiver.until(lambda got: len(got) >= 5)
        # Of this only the giver is told, and so whoever wants everything.
        visit = {"type": "visit", "result": "課題を聞いた", "handoff_id": handoff["handoff_id"]}
        reported = await http.post("/v1/leads/a/feedback", json=visit)
        assert reported.status_code == 200, reported.text
        got = await receiver.until(lambda got: len(got) >= 6)
    topics = {"stage": "stages", "handoff": "handoffs.x", "alert": "alerts"}
    for event in (one.event for one in got):
        headers = {f"ce_{name}": event[name] for name in ("specversion", "id", "type", "source", "subject", "time")}
        headers["content-type"] = event["datacontenttype"]
        refuse_undescribed(topics[event["type"].split(".")[1]], headers, event["data"])
    assert [one.event["type"] for one in got[3:]] == [
        "tasuki.handoff.accepted", "tasuki.alert.visit", "tasuki.handoff.reported",
    ]  # fmt: skip


async def test_filters_and_a_dead_receiver_that_delays_nobody(world: World, feeder: Feeder) -> None:
    await feeder.events([b'{"position": 0}'])
    router = world.start(**PRIVATE)
    await router.ready()
    async with receiving(lambda _: 0) as dead, receiving() as sales, receiving() as all_of_it:
        stuck = await subscribe(world, router, dead)
        await subscribe(world, router, sales, departments=["inside-sales"], types=["tasuki.handoff.*"])
        await subscribe(world, router, all_of_it)
        began = time.monotonic()
        await feeder.scores([record for n in range(20) for record in hot(f"l{n}")])
        offers = await sales.until(lambda got: len(got) >= 20)
        await all_of_it.until(lambda got: len(got) >= 60)
        assert time.monotonic() - began < 10  # a stuck attempt takes 15 s
        assert {one.event["type"] for one in offers} == {"tasuki.handoff.offered"}
        async with world.http(router) as http:
            (handoff,) = (await http.get("/v1/handoffs?limit=1")).json()["handoffs"]
            await http.post(f"/v1/handoffs/{handoff['handoff_id']}/accept", json={"person": "ito"})
        # Kafka has the outcome twice, for the receiver and for the giver; who gets everything gets it once.
        accepted = [one.event for one in await all_of_it.until(lambda got: len(got) >= 61)][60:]
        assert [event["type"] for event in accepted] == ["tasuki.handoff.accepted"]
        assert (await show(world, router, stuck))["waiting"] == 61
        assert len(all_of_it.got) == 61


async def test_gone_disables_and_enabling_goes_on(world: World, feeder: Feeder) -> None:
    await feeder.events([b'{"position": 0}'])
    router = world.start(**PRIVATE)
    await router.ready()
    async with receiving(lambda _: 410) as receiver:
        made = await subscribe(world, router, receiver)
        await feeder.scores(hot("a"))
        shown = await until_shown(world, router, made, disabled_at=True)
        assert "410" in shown["disabled_reason"]
        assert shown["waiting"] == 3
        asked = len(receiver.got)
        await feeder.scores(hot("b"))
        await world.messages(lambda found: len(found) >= 6)
        assert (len(receiver.got), (await show(world, router, made))["waiting"]) == (asked, 3)

        receiver.answer = lambda _: 200
        async with world.http(router, "admin-secret") as http:
            address = f"/v1/webhooks/{made['webhook_id']}"
            assert (await http.post(f"{address}/enable")).json()["disabled_at"] is None
            await receiver.until(lambda got: len(got) >= asked + 3)
            await feeder.scores(hot("c"))
            got = await receiver.until(lambda got: len(got) >= asked + 6)
            assert [one.event["subject"] for one in got[asked:]] == ["a"] * 3 + ["c"] * 3
            assert (await http.delete(address)).status_code == 204
            assert (await http.get(address)).status_code == 404
            assert (await http.post(f"{address}/enable")).status_code == 404
            assert (await http.get("/v1/webhooks")).json() == []


async def test_a_receiver_that_fails_for_too_long_is_disabled(world: World, feeder: Feeder) -> None:
    await feeder.events([b'{"position": 0}'])
    hours = {"TASUKI_ROUTER_WEBHOOKS_DISABLE_AFTER_HOURS": str(1 / 3600)}
    router = world.start(**PRIVATE | hours)
    await router.ready()
    async with receiving(lambda _: 302) as receiver:
        receiver.answer_headers = {"location": "/elsewhere"}
        made = await subscribe(world, router, receiver)
        await feeder.scores(hot("a"))
        shown = await until_shown(world, router, made, disabled_at=True)
        assert "answered 302" in shown["disabled_reason"]
        assert {one.path for one in receiver.got} == {"/hook"}  # redirects are not followed
        assert {one.event["data"]["seq"] for one in receiver.got} == {1}
    async with world.http(router, None) as http:
        metrics = (await http.get("/metrics")).text
    assert 'tasuki_router_webhooks{state="disabled"} 1.0' in metrics
    assert "tasuki_router_webhook_waiting 3.0" in metrics


async def test_more_than_may_wait_disables(world: World, feeder: Feeder) -> None:
    await feeder.events([b'{"position": 0}'])
    router = world.start(**PRIVATE, TASUKI_ROUTER_WEBHOOKS_MOST_WAITING="5")
    await router.ready()
    async with receiving(lambda _: 503) as receiver:
        made = await subscribe(world, router, receiver)
        await feeder.scores([record for n in range(3) for record in hot(f"l{n}")])
        shown = await until_shown(world, router, made, disabled_at=True)
        assert "5 messages" in shown["disabled_reason"]


async def test_after_kill_9_nothing_is_missing(world: World, feeder: Feeder) -> None:
    await feeder.events([b'{"position": 0}'])
    router = world.start(**PRIVATE)
    await router.ready()
    async with receiving(lambda _: 0) as receiver:
        made = await subscribe(world, router, receiver)
        await feeder.scores([record for n in range(5) for record in hot(f"l{n}")])
        await receiver.until(lambda got: len(got) >= 3)  # under way, and not taken
        router.kill()
        before = len(receiver.got)
        receiver.answer = lambda _: 200
        successor = world.start(**PRIVATE)
        await successor.ready()
        got = await receiver.until(lambda got: len({one.id for one in got[before:]}) >= 15)
        again = got[before:]
        for n in range(5):
            seqs = [one.event["data"]["seq"] for one in again if one.event["subject"] == f"l{n}"]
            # What the killed router had sent may still have arrived.
            assert [seq for seq, _ in groupby(seqs)] == [1, 2, 3]
        assert {one.id for one in got[:before]} <= {one.id for one in again}
        assert all(one.is_signed_by(made["secret"]) for one in again)


async def test_two_routers_send_each_message_once_and_one_takes_over(world: World, feeder: Feeder) -> None:
    for partition in (0, 1):
        await feeder.events([b'{"position": 0}'], partition)
    first = world.start(**PRIVATE)
    await first.ready()
    second = world.start(**PRIVATE)
    await second.ready()
    async with receiving() as receiver:
        await subscribe(world, second, receiver)
        await asyncio.sleep(1.5)  # both have looked by now
        await feeder.scores(hot("a"))
        await feeder.scores(hot("b", 1), partition=1)
        await receiver.until(lambda got: len(got) >= 6)
        await asyncio.sleep(0.5)
        assert len(receiver.got) == 6
        first.kill()
        await feeder.scores(hot("c"))
        got = await receiver.until(lambda got: len({one.id for one in got}) >= 9, seconds=40)
        assert [one.event["data"]["seq"] for one in got if one.event["subject"] == "c"] == [1, 2, 3]


async def test_a_router_that_stands_still_loses_its_webhooks_and_does_no_harm_later(
    world: World, feeder: Feeder
) -> None:
    await feeder.events([b'{"position": 0}'])
    first = world.start(**PRIVATE)
    await first.ready()
    async with receiving() as receiver:
        await subscribe(world, first, receiver)
        await feeder.scores(hot("a"))
        await receiver.until(lambda got: len(got) >= 3)  # the first sends
        second = world.start(**PRIVATE)
        await second.ready()
        first.process.send_signal(signal.SIGSTOP)
        await feeder.scores(hot("b"))
        await receiver.until(lambda got: len(got) >= 6, seconds=40)
        first.process.send_signal(signal.SIGCONT)
        await feeder.scores(hot("c"))
        got = await receiver.until(lambda got: len({one.id for one in got}) >= 9, seconds=40)
        for lead in "abc":
            assert [one.event["data"]["seq"] for one in got if one.event["subject"] == lead] == [1, 2, 3]


async def test_who_may_say_where_messages_go(world: World) -> None:
    router = world.start()  # private addresses are not allowed
    await router.ready()
    async with receiving() as receiver:
        for token, status in ((None, 401), ("reader-secret", 403), ("writer-secret", 403)):
            async with world.http(router, token) as http:
                assert (await http.get("/v1/webhooks")).status_code == status
                assert (await http.post("/v1/webhooks", json={"url": receiver.url})).status_code == status
        async with world.http(router, "admin-secret") as http:
            for url, told in (
                (receiver.url, "https://"),
                ("https://127.0.0.1/", "no public address"),
                ("https://localhost/", "no public address"),
                ("https://nowhere.invalid/", "cannot be looked up"),
                ("https://" + "a" * 70 + ".example/", "cannot be looked up"),
                ("https://[::1", "cannot be read"),
            ):
                refused = await http.post("/v1/webhooks", json={"url": url})
                assert (refused.status_code, refused.json()["code"]) == (422, "invalid_url"), url
                assert told in refused.json()["message"]
            wrong = {"url": "https://crm.example/", "types": ["x"], "departments": ["y"], "teams": ["z"]}
            refused = await http.post("/v1/webhooks", json=wrong)
            assert refused.json()["code"] == "unknown_filter"
            assert "types x; unknown departments y; unknown teams z" in refused.json()["message"]
            assert (await http.post("/v1/webhooks", json={"url": "https://1.1.1.1/", "kinds": []})).status_code == 422
        assert receiver.got == []


async def test_a_name_that_leads_to_another_address_later_is_refused_then(world: World, feeder: Feeder) -> None:
    """As with a name that is given another address after it was checked."""
    await feeder.events([b'{"position": 0}'])
    async with receiving() as receiver:
        lax = world.start(**PRIVATE)
        await lax.ready()
        made = await subscribe(world, lax, receiver)
        assert lax.end() in (0, -15)
        strict = world.start(TASUKI_ROUTER_WEBHOOKS_RETRY_SECONDS="0.2")
        await strict.ready()
        await feeder.scores(hot("a"))
        shown = await until_shown(world, strict, made, failing_since=True)
        assert "no public address" in shown["last_error"]
        assert receiver.got == []


async def test_rotation_and_trial(world: World) -> None:
    router = world.start(**PRIVATE)
    await router.ready()
    async with receiving() as receiver, world.http(router, "admin-secret") as http:
        made = await subscribe(world, router, receiver)
        address = f"/v1/webhooks/{made['webhook_id']}"
        rotated = (await http.post(f"{address}/rotate", json={"overlap_hours": 1})).json()
        assert rotated["old_secret_until"]
        tried = (await http.post(f"{address}/test")).json()
        assert (tried["delivered"], tried["status"], tried["error"]) == (True, 204, None)
        assert receiver.got[-1].event["type"] == "tasuki.webhook.test"
        assert all(receiver.got[-1].is_signed_by(secret) for secret in (made["secret"], rotated["secret"]))
        again = (await http.post(f"{address}/rotate", json={"overlap_hours": 0})).json()
        assert (await http.post(f"{address}/test")).json()["delivered"]
        signed = [receiver.got[-1].is_signed_by(one["secret"]) for one in (made, rotated, again)]
        assert signed == [False, False, True]
        receiver.answer = lambda _: 500
        assert (await http.post(f"{address}/test")).json()["error"] == "answered 500"
        assert (await http.post("/v1/webhooks/none/test")).status_code == 404
