"""Is a request from the tool that it seems to be from? Pure, in constant time.

HubSpot: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from services.ingest.webhooks.mapping import Signature

MAX_AGE_SECONDS = 300
_MILLISECONDS = 1e11  # as seconds the year 5138
_DECODED = re.compile(r"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
"""What HubSpot decodes in an address before it signs it."""
_HUBSPOT_SIGNATURE, _HUBSPOT_TIME = "x-hubspot-signature-v3", "x-hubspot-request-timestamp"
_SENDGRID_SIGNATURE = "x-twilio-email-event-webhook-signature"
_SENDGRID_TIME = "x-twilio-email-event-webhook-timestamp"


class BadSignature(Exception):
    """A request that is not signed as it must be; the message says what to look at."""


@dataclass(frozen=True)
class SignedRequest:
    """What signatures are made of: `uri` as the sender called it, `headers` by their names in lower case."""

    method: str
    uri: str
    headers: Mapping[str, str]
    body: bytes
    now: datetime


Verify = Callable[[SignedRequest], None]
"""Raises `BadSignature`."""


def verifier(signature: Signature, secret: str) -> Verify:
    """Raises `ValueError` for a secret that is none; the message does not repeat it."""
    match signature.scheme:
        case "sendgrid":
            return _sendgrid(_public_key(secret))
        case "hubspot-v3":
            return lambda request: _hubspot(secret.encode(), request)
        case "hmac":
            return lambda request: _hmac(signature, secret.encode(), request)


def _hubspot(secret: bytes, request: SignedRequest) -> None:
    timestamp = _recent(request, _HUBSPOT_TIME)
    uri = _DECODED.sub(lambda escape: chr(int(escape[1], 16)), request.uri)
    content = f"{request.method}{uri}".encode() + request.body + timestamp.encode()
    expected = base64.b64encode(hmac.digest(secret, content, "sha256"))
    if not hmac.compare_digest(_header(request, _HUBSPOT_SIGNATURE).encode(), expected):
        raise BadSignature(
            f"{_HUBSPOT_SIGNATURE} is not that of a request to {uri.partition('?')[0]}: is the secret that of the app, "
            "and TASUKI_INGEST_PUBLIC_URL the address that HubSpot calls?"
        )


def _sendgrid(key: ec.EllipticCurvePublicKey) -> Verify:
    def verify(request: SignedRequest) -> None:
        signature, timestamp = _header(request, _SENDGRID_SIGNATURE), _header(request, _SENDGRID_TIME)
        try:
            decoded = base64.b64decode(signature, validate=True)
            key.verify(decoded, timestamp.encode() + request.body, ec.ECDSA(SHA256()))
        except (binascii.Error, ValueError, InvalidSignature) as error:
            raise BadSignature(
                f"{_SENDGRID_SIGNATURE} is not that of this body: is the verification key that of this webhook?"
            ) from error

    return verify


def _public_key(secret: str) -> ec.EllipticCurvePublicKey:
    """As SendGrid shows it: base64 of the DER form, with or without the lines of PEM around it."""
    try:
        text = "".join(line for line in secret.strip().splitlines() if not line.startswith("-----"))
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("is no public key; expected the verification key that SendGrid shows (MFkwEwYH…)") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("is no ECDSA key; expected the verification key that SendGrid shows (MFkwEwYH…)")
    return key


def _hmac(signature: Signature, secret: bytes, request: SignedRequest) -> None:
    assert signature.header
    content = request.body
    if signature.timestamp_header:
        content = _recent(request, signature.timestamp_header).encode() + b"." + content
    digest = hmac.digest(secret, content, signature.algorithm)
    expected = digest.hex() if signature.encoding == "hex" else base64.b64encode(digest).decode()
    if not hmac.compare_digest(_header(request, signature.header).encode(), f"{signature.prefix}{expected}".encode()):
        raise BadSignature(
            f"{signature.header} is not that of this body: is the secret in {signature.secret_env} right?"
        )


def _recent(request: SignedRequest, header: str) -> str:
    """The time that was signed, in seconds or milliseconds since 1970: an old request may be one that somebody kept."""
    text = _header(request, header)
    try:
        moment = float(text)
    except ValueError:
        raise BadSignature(f"{header} {text[:32]!r} is no time in seconds or milliseconds since 1970") from None
    age = request.now.timestamp() - (moment / 1000 if abs(moment) > _MILLISECONDS else moment)
    if not abs(age) <= MAX_AGE_SECONDS:  # also where it is no number
        raise BadSignature(f"{header} is more than {MAX_AGE_SECONDS // 60} minutes from now: are the clocks right?")
    return text


def _header(request: SignedRequest, name: str) -> str:
    value = request.headers.get(name.lower())
    if not value:
        raise BadSignature(f"no header {name}: has the tool been told to sign its requests?")
    return value
