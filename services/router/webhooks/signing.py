"""Signatures of Standard Webhooks: HMAC-SHA256 of "id.timestamp.body".

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

SECRET_BYTES = 32
_PREFIX = "whsec_"


def secret_of(key: bytes) -> str:
    """A key as it is shown, once: `whsec_` and base64."""
    return _PREFIX + base64.b64encode(key).decode()


def signature(secrets: Iterable[str], id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each secret that is valid now. `timestamp` is of this
    attempt, in seconds since 1970."""
    content = f"{id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_signed(secret, content)}" for secret in secrets)


def delivery_id(event_id: str) -> str:
    """`webhook-id`, the same at each attempt. Ids of messages hold ids of leads, which senders of events choose: a full
    stop in one could shift what is signed, so the id is a hash of it."""
    return f"msg_{hashlib.blake2b(event_id.encode(), digest_size=16).hexdigest()}"


def headers(secrets: Iterable[str], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of an attempt."""
    id = delivery_id(event_id)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secrets, id, timestamp, body),
    }


def _signed(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode()
