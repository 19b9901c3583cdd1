"""Signatures that the tools themselves have published, and what is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.webhooks.mapping import Signature
from services.ingest.webhooks.signatures import BadSignature, SignedRequest, verifier

ENV = "TASUKI_WEBHOOK_SECRET_X"

# Of HubSpot's own library: hubspot-api-python, tests/spec/utils/test_signature.py.
HUBSPOT = SignedRequest(
    "POST",
    "https://www.example.com/webhook_uri",
    {
        "x-hubspot-signature-v3": "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=",
        "x-hubspot-request-timestamp": "15000000",
    },
    b"{'example_field':'example_value'}",
    datetime.fromtimestamp(15_000_000, UTC),
)
# Of SendGrid's own library: sendgrid-python, test/unit/test_eventwebhook.py.
SENDGRID_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfS"
    "mpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
ANOTHER_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd"
    "4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA=="
)
SENDGRID = SignedRequest(
    "POST",
    "https://tasuki.example/v1/webhooks/sendgrid",
    {
        "x-twilio-email-event-webhook-signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0J"
        "uG+luQAbPIqHh89M15TluLtEZtM=",
        "x-twilio-email-event-webhook-timestamp": "1600112502",
    },
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n',
    datetime(2020, 9, 14, 20, tzinfo=UTC),
)
# GitHub's documentation, "Validating webhook deliveries".
GITHUB = SignedRequest(
    "POST",
    "",
    {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
    b"Hello, World!",
    datetime(2026, 11, 21, tzinfo=UTC),
)
# printf '1766999000.{"kind":"opened"}' | openssl dgst -sha512 -hmac geheim -binary | base64
TIMED = SignedRequest(
    "POST",
    "",
    {
        "x-signature": "DnmkbI6aps09LP5urom3R3Zc8U9AM581IbIwPKPL4JMUa09r6hvcwHJAuIaJbKqWPl78h85gwq+gq+np7vG9Yw==",
        "x-sent-at": "1766999000",
    },
    b'{"kind":"opened"}',
    datetime.fromtimestamp(1766999000, UTC),
)


def check(request: SignedRequest, secret: str, **how: Any) -> None:
    verifier(Signature(secret_env=ENV, **how), secret)(request)


def hubspot(request: SignedRequest, secret: str = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy") -> None:
    check(request, secret, scheme="hubspot-v3")


def sendgrid(request: SignedRequest, secret: str = SENDGRID_KEY) -> None:
    check(request, secret, scheme="sendgrid")


def github(request: SignedRequest, secret: str = "It's a Secret to Everybody") -> None:
    check(request, secret, scheme="hmac", header="X-Hub-Signature-256", prefix="sha256=")


def timed(request: SignedRequest, secret: str = "geheim") -> None:
    how = {"algorithm": "sha512", "encoding": "base64", "timestamp_header": "X-Sent-At"}
    check(request, secret, scheme="hmac", header="X-Signature", **how)


EVERY = [(hubspot, HUBSPOT), (sendgrid, SENDGRID), (github, GITHUB), (timed, TIMED)]


@pytest.mark.parametrize(("verify", "request_"), EVERY)
def test_published_signatures_are_right(verify: Callable[[SignedRequest], None], request_: SignedRequest) -> None:
    verify(request_)


@pytest.mark.parametrize(("verify", "request_"), EVERY)
def test_whatever_is_changed_is_noticed(verify: Callable[[SignedRequest], None], request_: SignedRequest) -> None:
    with pytest.raises(BadSignature):
        verify(replace(request_, body=request_.body + b" "))
    for name, value in request_.headers.items():
        changed = f"{value[:9]}{'B' if value[9] == 'A' else 'A'}{value[10:]}" if len(value) > 10 else "0"
        for other in ("", "é", value[:-1], value + "A", changed):
            with pytest.raises(BadSignature):
                verify(replace(request_, headers={**request_.headers, name: other}))


def test_another_secret_is_noticed() -> None:
    for verify, request in ((hubspot, HUBSPOT), (github, GITHUB), (timed, TIMED)):
        with pytest.raises(BadSignature):
            verify(request, "another")
    with pytest.raises(BadSignature):
        sendgrid(SENDGRID, ANOTHER_KEY)


def test_hubspot_signs_method_and_address() -> None:
    for other in ({"method": "PUT"}, {"uri": HUBSPOT.uri + "/"}, {"uri": HUBSPOT.uri.replace("https", "http")}):
        with pytest.raises(BadSignature, match="TASUKI_INGEST_PUBLIC_URL"):
            hubspot(replace(HUBSPOT, **other))


def test_hubspot_signs_an_address_in_which_some_characters_are_decoded() -> None:
    hubspot(replace(HUBSPOT, uri="https%3A%2F%2Fwww.example.com%2fwebhook_uri"))
    with pytest.raises(BadSignature):
        hubspot(replace(HUBSPOT, uri=HUBSPOT.uri.replace("_", "%5F")))


@pytest.mark.parametrize(("verify", "request_"), [(hubspot, HUBSPOT), (timed, TIMED)])
@pytest.mark.parametrize("sign", [1, -1])
def test_five_minutes_are_enough(verify: Callable[[SignedRequest], None], request_: SignedRequest, sign: int) -> None:
    verify(replace(request_, now=request_.now + sign * timedelta(minutes=5)))
    with pytest.raises(BadSignature, match="5 minutes"):
        verify(replace(request_, now=request_.now + sign * timedelta(minutes=5, seconds=1)))


def test_milliseconds_are_known_as_such() -> None:
    stale = replace(HUBSPOT, now=datetime(2026, 11, 21, tzinfo=UTC))
    fresh = str(int(stale.now.timestamp() * 1000))
    headers = {**HUBSPOT.headers, "x-hubspot-request-timestamp": fresh}
    with pytest.raises(BadSignature, match="is not that of a request"):
        hubspot(replace(stale, headers=headers))


@pytest.mark.parametrize("timestamp", ["nan", "inf", "-inf", "1e400", "yesterday", "٣"])
def test_a_time_that_is_none_is_refused(timestamp: str) -> None:
    with pytest.raises(BadSignature):
        hubspot(replace(HUBSPOT, headers={**HUBSPOT.headers, "x-hubspot-request-timestamp": timestamp}))


def test_a_key_may_have_the_lines_of_pem_around_it() -> None:
    sendgrid(
        SENDGRID, f"-----BEGIN PUBLIC KEY-----\n{SENDGRID_KEY[:64]}\n{SENDGRID_KEY[64:]}\n-----END PUBLIC KEY-----\n"
    )


@pytest.mark.parametrize(
    "secret",
    ["", "geheim", "AAAA", SENDGRID_KEY[:-8], "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="],
)
def test_a_key_that_is_none_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(ValueError, match="expected the verification key") as error:
        verifier(Signature(scheme="sendgrid", secret_env=ENV), secret)
    assert not secret or secret not in str(error.value)
