"""Signatures, pauses, addresses and filters of webhooks."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from services.router.interest import Addressed, Interest, Side, unknown_types
from services.router.webhooks import signing
from services.router.webhooks.addresses import is_public
from services.router.webhooks.backoff import LONGEST_SECONDS, asked_for, pause
from services.router.webhooks.urls import UrlRefused, check_url

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def test_a_signature_is_that_of_the_specification() -> None:
    """The example of the reference libraries of Standard Webhooks."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = signing.signature([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_both_sign() -> None:
    old, new = signing.secret_of(b"a" * 32), signing.secret_of(b"b" * 32)
    both = signing.signature([new, old], "msg_1", 1, b"{}").split(" ")
    assert both == [signing.signature([secret], "msg_1", 1, b"{}") for secret in (new, old)]
    assert len(set(both)) == 2


def test_a_secret_is_shown_in_the_form_of_the_specification() -> None:
    secret = signing.secret_of(bytes(range(32)))
    assert secret.startswith("whsec_")
    assert base64.b64decode(secret.removeprefix("whsec_")) == bytes(range(32))


def test_the_id_of_a_delivery_has_no_full_stop_whatever_the_lead_is_called() -> None:
    ids = {signing.delivery_id(f"stage:{lead}:1") for lead in ("a.b", "a.c", "1.{}")}
    assert len(ids) == 3
    assert not any("." in id for id in ids)


def test_pauses_grow_up_to_an_hour() -> None:
    assert [pause(n, 5.0, 0.5) for n in range(1, 5)] == [5.0, 15.0, 45.0, 135.0]
    assert pause(10_000, 5.0, 0.5) == LONGEST_SECONDS
    assert (pause(1, 4.0, 0.0), pause(1, 4.0, 1.0)) == (3.0, 5.0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0), ("", 0.0), ("120", 120.0), ("99999999999999999999", 86400.0), ("-5", 0.0), ("soon", 0.0),
        ("Sun, 22 Nov 2026 09:01:00 GMT", 60.0), ("Sun, 22 Nov 2026 08:00:00 GMT", 0.0), ("٣", 0.0),
    ],
)  # fmt: skip
def test_what_a_receiver_asks_for_is_kept_within_a_day(header: str | None, seconds: float) -> None:
    assert asked_for(header, NOW) == seconds


PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "192.0.0.8", "::", "::1", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "x",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_not_everybody_can_reach_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_everybody_can_reach_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://crm.example/", "https://"),
        ("ftp://crm.example/", "https://"),
        ("crm.example", "https://"),
        ("https://", "name a host"),
        ("https://user:secret@crm.example/", "user and password"),
        ("https://crm.example/#here", "fragment"),
        ("https://crm.example:99999/", "cannot be read"),
        ("https://crm.example/a b", "without spaces"),
        ("https://crm.example/\n", "without spaces"),
        ("https://192.168.0.1/", "no public address"),
        ("https://[::1]/", "no public address"),
        ("https://[::ffff:169.254.169.254]/latest", "no public address"),
        ("https://crm.example/" + "a" * 2000, "2000"),
    ],
)
def test_a_url_that_may_not_be_is_refused(url: str, told: str) -> None:
    with pytest.raises(UrlRefused, match=told):
        check_url(url, allow_private=False)


def test_what_is_for_development_has_to_be_allowed() -> None:
    check_url("https://crm.example:8443/hook?token=t", allow_private=False)
    for url in ("http://127.0.0.1:8000/", "https://[::1]/", "http://localhost/"):
        check_url(url, allow_private=True)


def told(receiver: bool) -> Addressed:
    """A hand-off from marketing to field sales, for the receiver or the giver."""
    to, giver = Side("field-sales", "osaka"), Side("marketing", "web")
    return (
        Addressed("tasuki.handoff.accepted", "l", to)
        if receiver
        else Addressed("tasuki.handoff.accepted", "l", giver, to)
    )


@pytest.mark.parametrize(
    ("interest", "as_receiver", "as_giver"),
    [
        (Interest(), True, False),
        (Interest(departments=frozenset({"field-sales"})), True, False),
        (Interest(departments=frozenset({"marketing"})), False, True),
        (Interest(departments=frozenset({"marketing", "field-sales"})), True, False),
        (Interest(departments=frozenset({"customer-success"})), False, False),
        (Interest(teams=frozenset({"web"})), False, True),
        (Interest(departments=frozenset({"field-sales"}), teams=frozenset({"web"})), False, False),
        (Interest(types=frozenset({"tasuki.handoff.*"})), True, False),
        (Interest(types=frozenset({"tasuki.handoff.offered", "tasuki.alert.*"})), False, False),
        (Interest(leads=frozenset({"other"})), False, False),
        (Interest(leads=frozenset({"l"}), departments=frozenset({"marketing"})), False, True),
    ],
)
def test_a_subscriber_gets_what_it_wants_and_once(interest: Interest, as_receiver: bool, as_giver: bool) -> None:
    assert (interest.wants(told(True)), interest.wants(told(False))) == (as_receiver, as_giver)


def test_types_that_no_message_has_are_named() -> None:
    wanted = frozenset({"tasuki.handoff.offered", "tasuki.handoff.*", "tasuki.*", "tasuki.handof.*", "offered"})
    assert unknown_types(wanted) == ["offered", "tasuki.handof.*"]


def test_a_message_is_tried_some_125_times_in_five_days() -> None:
    ages = [timedelta(seconds=sum(pause(n, 5.0, 0.5) for n in range(1, last))) for last in (120, 130)]
    assert ages[0] < timedelta(days=5) < ages[1]
