"""The webhooks of an ingest: who may send what to which address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.requests import Request

from services.ingest.errors import bad_signature, no_signature_secret, unknown_webhook
from services.ingest.reading.model import Envelope
from services.ingest.webhooks import mapping as mappings
from services.ingest.webhooks.reading import read_webhook
from services.ingest.webhooks.signatures import BadSignature, SignedRequest, Verify


@dataclass(frozen=True)
class Webhook:
    """One mapping, with what verifies its signatures: None without, or where the secret is missing."""

    name: str
    mapping: mappings.Mapping
    verify: Verify | None = None


@dataclass(frozen=True)
class Webhooks:
    """All that there are. `public_url` is the address by which tools call this service, without a path of ours."""

    by_name: Mapping[str, Webhook] = field(default_factory=dict)
    public_url: str | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def named(self, name: str) -> Webhook:
        """Raises `Refused` (404)."""
        webhook = self.by_name.get(name)
        if webhook is None:
            raise unknown_webhook(name, sorted(self.by_name))
        return webhook

    def read(self, webhook: Webhook, body: bytes, request: Request) -> Envelope:
        """Raises `Refused` (400, 401, 403, 413)."""
        signature = webhook.mapping.signature
        if signature is not None:
            if webhook.verify is None:
                raise no_signature_secret(webhook.name, signature.secret_env)
            try:
                webhook.verify(self._signed(request, body))
            except BadSignature as error:
                raise bad_signature(str(error)) from error
        return read_webhook(body, request.headers.get("content-type", ""), webhook.mapping, webhook.name)

    def _signed(self, request: Request, body: bytes) -> SignedRequest:
        # HubSpot signs the address that it calls, and calls https only; what a proxy makes of it is not signed.
        base = self.public_url or f"https://{request.headers.get('host', '')}"
        query = f"?{request.url.query}" if request.url.query else ""
        return SignedRequest(request.method, f"{base}{request.url.path}{query}", request.headers, body, self.now())
